//! Pictures that were looked at, so that a competition which takes turns with other work looks at each once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chapan_engine::evaluate::Clip;

use crate::datasets;
use crate::jobs::comparison::{ComparisonError, Seen, look};

/// What one CLIP saw in the pictures of one competition. Its files are written once, so that a path says which picture it is.
#[derive(Debug, Default)]
pub struct Looks {
    of: (PathBuf, String),
    seen: BTreeMap<PathBuf, Seen>,
}

impl Looks {
    /// Forgets everything, unless it belongs to this competition and this CLIP.
    pub fn keep_for(&mut self, competition: &Path, clip: &str) {
        let of = (competition.to_owned(), clip.to_owned());
        if self.of != of {
            *self = Self { of, seen: BTreeMap::new() };
        }
    }

    /// Looks at a file, or remembers.
    ///
    /// # Errors
    /// A file that is no sound picture, or one that the model cannot look at.
    pub fn at(&mut self, clip: &Clip, path: &Path) -> Result<Seen, ComparisonError> {
        if let Some(seen) = self.seen.get(path) {
            return Ok(seen.clone());
        }
        let seen = look(clip, path)?;
        self.seen.insert(path.to_owned(), seen.clone());
        Ok(seen)
    }

    /// Looks at every picture of a folder, in order of names.
    ///
    /// # Errors
    /// A folder without pictures, and the first picture that cannot be looked at.
    pub fn at_folder(&mut self, clip: &Clip, folder: &Path) -> Result<Vec<Seen>, ComparisonError> {
        let entries = datasets::list(folder)?.entries;
        if entries.is_empty() {
            return Err(ComparisonError::NoPictures { path: folder.to_owned() });
        }
        entries.iter().map(|entry| self.at(clip, &entry.path)).collect()
    }
}
