//! The files of a competition. Each is written beside its place and renamed into it: what is there is whole, so that a loop
//! that was killed goes on after its last finished step.
//!
//! ```text
//! competition.json            what was asked for; another request is refused
//! analysis.json               what the references show
//! rounds/<n>/references/      what round n learns from, with captions
//! rounds/<n>/lora/            its training: checkpoint, events, samples, lora.safetensors
//! comparisons/<contestant>_<prompt>_<seed>.png
//! comparisons/heat_maps/<contestant>.json
//! comparisons/comparison_report_<n>.json
//! feedback/feedback_<n>.json
//! training_history.json
//! report.html
//! events.jsonl                what happened, a line an event; the one file that tells of interruptions
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CompetitionError;

/// The folder of a competition.
#[derive(Clone, Debug)]
pub struct CompetitionFolder(PathBuf);

impl CompetitionFolder {
    /// Makes the folder or takes one that is there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: &Path) -> Result<Self, CompetitionError> {
        let folder = Self(path.to_owned());
        for name in ["comparisons", "feedback", "rounds"] {
            let path = folder.path(name);
            std::fs::create_dir_all(&path).map_err(|error| failed(&path, error))?;
        }
        Ok(folder)
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Keeps what was asked for.
    ///
    /// # Errors
    /// When the folder holds a competition of something else.
    pub fn begin(&self, request: &serde_json::Value) -> Result<(), CompetitionError> {
        match self.read::<serde_json::Value>("competition.json")? {
            Some(known) if known == *request => Ok(()),
            Some(_) => Err(CompetitionError::Other { path: self.0.clone() }),
            None => self.keep("competition.json", request),
        }
    }

    /// Reads a file, if it is there.
    ///
    /// # Errors
    /// When it is there and is not what it should be.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, CompetitionError> {
        let path = self.path(name);
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            bytes => {
                let bytes = bytes.map_err(|error| failed(&path, error))?;
                serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(&path, error))
            }
        }
    }

    /// Reads a file that must be there.
    ///
    /// # Errors
    /// When it is not there, or is not what it should be.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, CompetitionError> {
        self.read(name)?.ok_or_else(|| failed(&self.path(name), "it is gone"))
    }

    /// Writes a file as JSON.
    ///
    /// # Errors
    /// When it cannot be written; what was there stays.
    pub fn keep(&self, name: &str, value: &impl Serialize) -> Result<(), CompetitionError> {
        let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| failed(&self.path(name), error))?;
        bytes.push(b'\n');
        self.write(name, &bytes)
    }

    /// Writes a file, making its folder.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CompetitionError> {
        let path = self.path(name);
        let partial = path.with_extension("part");
        let written = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let mut file = std::fs::File::create(&partial)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&partial, &path)
        };
        written().map_err(|error| {
            // Best effort: the first error is the one to report.
            let _ = std::fs::remove_file(&partial);
            failed(&path, error)
        })
    }
}

fn failed(path: &Path, error: impl std::fmt::Display) -> CompetitionError {
    CompetitionError::File { path: path.to_owned(), fault: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_one_competition() {
        let root = tempfile::tempdir().unwrap();
        let folder = CompetitionFolder::open(root.path()).unwrap();
        let asked = serde_json::json!({ "prompts": ["a"], "seeds": [1, 2], "rate": 0.001 });
        folder.begin(&asked).unwrap();
        folder.begin(&asked).unwrap();
        let other = folder.begin(&serde_json::json!({ "prompts": ["b"] })).unwrap_err().to_string();
        assert!(other.contains("other settings") && other.contains("hint: "));
        assert_eq!(folder.read::<Vec<u8>>("feedback/feedback_1.json").unwrap(), None);
        std::fs::write(folder.path("feedback/feedback_1.json"), "{").unwrap();
        assert!(folder.read::<Vec<u8>>("feedback/feedback_1.json").is_err());
    }
}
