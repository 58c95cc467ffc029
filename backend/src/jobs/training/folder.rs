//! The folder of a run: everything in it is written beside its place first and then renamed into it, so that a file is there
//! whole or not at all, whenever the process dies.

use std::io::Write;
use std::path::{Path, PathBuf};

use chapan_api::training::TrainingEvent;

use super::TrainingError;

const CHECKPOINT: &str = "checkpoint.safetensors";
const LOG: &str = "events.jsonl";

/// Where a run keeps its files.
///
/// `checkpoint.safetensors` to go on from, `events.jsonl` what it told, `samples/` its pictures, and the LoRA.
#[derive(Clone, Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// Makes the folder, or takes one that is there.
    ///
    /// # Errors
    /// When it holds a training and `resume` is not said, or cannot be made.
    pub fn open(path: &Path, resume: bool) -> Result<Self, TrainingError> {
        let folder = Self(path.to_owned());
        if !resume && folder.checkpoint_path().exists() {
            return Err(TrainingError::Exists { path: path.to_owned() });
        }
        let samples = path.join("samples");
        std::fs::create_dir_all(&samples)
            .map_err(|source| TrainingError::Write { path: samples.clone(), source })?;
        Ok(folder)
    }

    /// The folder of a run that is only planned: nothing is made.
    pub fn planned(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The space that is free where the folder is or will be, if the system says so.
    pub fn available_space(&self) -> Option<u64> {
        let there = self.0.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
        fs4::available_space(there).ok()
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the checkpoint lies.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.0.join(CHECKPOINT)
    }

    /// The checkpoint, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn checkpoint(&self) -> Result<Option<Vec<u8>>, TrainingError> {
        let path = self.checkpoint_path();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(TrainingError::Read { path, source }),
        }
    }

    /// Replaces the checkpoint.
    ///
    /// # Errors
    /// When it cannot be written: then the one before is still whole.
    pub fn keep_checkpoint(&self, bytes: &[u8]) -> Result<(), TrainingError> {
        self.write(CHECKPOINT, bytes)
    }

    /// Writes a file of the run.
    ///
    /// # Errors
    /// When it cannot be written: then what was in its place is still there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainingError> {
        let path = self.0.join(name);
        let partial = self.0.join(format!("{}.part", name.replace('/', "-")));
        let written = write_to_disk(&partial, bytes).and_then(|()| std::fs::rename(&partial, &path));
        written.and_then(|()| sync_folder(&self.0)).map_err(|source| {
            // Best effort: the first error is the one to report.
            let _ = std::fs::remove_file(&partial);
            TrainingError::Write { path, source }
        })
    }

    /// Adds an event to the log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn log(&self, event: &TrainingEvent) -> Result<(), TrainingError> {
        let path = self.0.join(LOG);
        let fail = |source| TrainingError::Write { path: path.clone(), source };
        let mut line = serde_json::to_vec(event).map_err(|error| fail(error.into()))?;
        line.push(b'\n');
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(&line)).map_err(fail)
    }

    /// Takes what came after step `step` out of the log: it will come again.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn cut_log_after(&self, step: u64) -> Result<(), TrainingError> {
        let path = self.0.join(LOG);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            text => text.map_err(|source| TrainingError::Read { path, source })?,
        };
        let kept: Vec<&[u8]> = text
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| serde_json::from_slice(line).is_ok_and(|event| step_of(&event) <= step))
            .collect();
        self.write(LOG, &kept.concat())
    }
}

/// The step that an event is about.
fn step_of(event: &TrainingEvent) -> u64 {
    match event {
        TrainingEvent::Started { step, .. }
        | TrainingEvent::Step { step, .. }
        | TrainingEvent::Validation { step, .. }
        | TrainingEvent::Sample { step, .. }
        | TrainingEvent::Checkpoint { step }
        | TrainingEvent::Finished { step, .. }
        | TrainingEvent::Stopped { step } => *step,
    }
}

fn write_to_disk(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename last: without it a power cut could bring the old name back.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) { std::fs::File::open(path)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_forgets_what_will_come_again() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::open(folder.path(), false).unwrap();
        let step = |step| TrainingEvent::Step { step, loss: 0.5, lr: 0.1, grad_norm: 1.0 };
        for number in 1..=4 {
            run.log(&step(number)).unwrap();
        }
        // The process died in the middle of a line.
        let path = folder.path().join(LOG);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        run.cut_log_after(2).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        run.log(&step(3)).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("\"grad_norm\":1.0}\n"));
    }

    #[test]
    fn a_training_is_not_begun_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::open(folder.path(), false).unwrap();
        assert!(run.checkpoint().unwrap().is_none());
        run.keep_checkpoint(b"bytes").unwrap();
        assert!(matches!(RunFolder::open(folder.path(), false), Err(TrainingError::Exists { .. })));
        assert_eq!(RunFolder::open(folder.path(), true).unwrap().checkpoint().unwrap().unwrap(), b"bytes");
    }
}
