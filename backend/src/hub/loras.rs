//! Files that may be LoRAs: safetensors that lie in the folders of models, or in a folder `loras` there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chapan_api::id::ModelId;

use super::hashes::WeightFiles;
use super::weight_names::{catalog_id, is_weights};

/// A file that may be a LoRA; what is in it is the engine's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoraCandidate {
    /// Its identifier: the file's name without its ending.
    pub id: ModelId,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// When it was last changed.
    pub changed: Option<SystemTime>,
}

/// All candidates in these folders, by folder and then by name. Where two have the same name, the earlier folder's counts.
pub(super) fn candidates(folders: &[PathBuf]) -> Vec<LoraCandidate> {
    let mut found: Vec<LoraCandidate> = Vec::new();
    for folder in folders.iter().flat_map(|folder| [folder.join("loras"), folder.clone()]) {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for candidate in paths.iter().filter_map(|path| candidate(path)) {
            if found.iter().all(|known| known.id != candidate.id) {
                found.push(candidate);
            }
        }
    }
    found
}

fn candidate(path: &Path) -> Option<LoraCandidate> {
    let entry = fs::metadata(path).ok().filter(|entry| is_weights(path) && entry.is_file())?;
    let id = catalog_id(path.file_name()?.to_str()?);
    Some(LoraCandidate { id, path: path.to_owned(), size_bytes: entry.len(), changed: entry.modified().ok() })
}

impl LoraCandidate {
    /// The file at this path. `None`: it is no file of safetensors.
    pub fn read(path: &Path) -> Option<Self> {
        candidate(path)
    }

    /// Its weight file.
    pub fn weights(&self) -> WeightFiles {
        WeightFiles::new(vec![self.path.clone()])
    }
}
