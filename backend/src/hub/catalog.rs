//! All models of this machine, nearest folder first.

use std::path::PathBuf;

use chapan_api::id::ModelId;

use super::{Checkpoint, LoraCandidate, UpscalerFile, loras};

/// The folders to look in. Looking is cheap, so models that are added or removed are seen without a restart.
#[derive(Clone, Debug)]
pub struct Catalog {
    folders: Vec<PathBuf>,
}

impl Catalog {
    /// A catalog of the models in these folders. Where two have the same name, the earlier folder's counts.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// The installed text-to-image models, by folder and then by name. A broken one is left out and logged.
    pub fn models(&self) -> Vec<Checkpoint> {
        let mut models: Vec<Checkpoint> = Vec::new();
        for folder in &self.folders {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths.iter().filter(|path| path.is_dir()) {
                match Checkpoint::read(path) {
                    Ok(Some(model)) if models.iter().all(|known| known.id != model.id) => models.push(model),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "a model folder cannot be used"),
                }
            }
        }
        models
    }

    /// The files that may be LoRAs.
    pub fn lora_candidates(&self) -> Vec<LoraCandidate> {
        loras::candidates(&self.folders)
    }

    /// The installed upscalers.
    pub fn upscalers(&self) -> Vec<UpscalerFile> {
        UpscalerFile::installed(&self.folders)
    }

    /// The model with this identifier.
    pub fn model(&self, id: &ModelId) -> Option<Checkpoint> {
        self.models().into_iter().find(|model| model.id == *id)
    }

    /// The folder of this name, nearest first. The name is compared with those that exist, never made part of a path.
    pub(super) fn folder(&self, id: &ModelId) -> Option<PathBuf> {
        let inside = |folder: &PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut entries = self.folders.iter().flat_map(inside);
        entries
            .find(|entry| entry.file_name().to_str() == Some(id.as_str()) && entry.path().is_dir())
            .map(|entry| entry.path())
    }
}
