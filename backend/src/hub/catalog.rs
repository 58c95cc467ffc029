//! All models of this machine, nearest folder first.

use std::path::{Path, PathBuf};

use chapan_api::id::{ModelId, UserId};

use super::{Checkpoint, LoraCandidate, UpscalerFile, loras};

/// The folders to look in. Looking is cheap, so models that are added or removed are seen without a restart.
#[derive(Clone, Debug)]
pub struct Catalog {
    folders: Vec<PathBuf>,
    /// A folder with a folder of LoRAs for each person.
    people: Option<PathBuf>,
    /// Whose LoRAs are seen besides those that are installed for all.
    person: Option<UserId>,
}

impl Catalog {
    /// A catalog of the models in these folders. Where two have the same name, the earlier folder's counts.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, people: None, person: None }
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

    /// The same with a folder where people's own LoRAs are kept.
    #[must_use]
    pub fn with_people(self, folder: PathBuf) -> Self {
        Self { people: Some(folder), ..self }
    }

    /// The catalog as this person sees it: with their own LoRAs.
    #[must_use]
    pub fn of(&self, person: &UserId) -> Self {
        Self { person: Some(person.clone()), ..self.clone() }
    }

    /// The files that may be LoRAs: those that are installed, then the person's own.
    pub fn lora_candidates(&self) -> Vec<LoraCandidate> {
        let mut found = loras::candidates(&self.folders);
        if let (Some(people), Some(person)) = (&self.people, &self.person) {
            loras::add_own(&mut found, &people.join(person.as_str()));
        }
        found
    }

    /// The LoRAs of all people, for work that is nobody's own.
    pub fn everybodys_loras(&self) -> Vec<LoraCandidate> {
        let people = self.people.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
        let mut found = Vec::new();
        for folder in people.flatten() {
            let mut own = Vec::new();
            loras::add_own(&mut own, &folder.path());
            found.append(&mut own);
        }
        found
    }

    /// Keeps a LoRA for a person, under a name made of `title` that no other LoRA of theirs has. The same file again gets the
    /// same name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_lora(&self, person: &UserId, title: &str, file: &Path) -> std::io::Result<ModelId> {
        let nowhere = || std::io::Error::other("there is no folder for people's LoRAs");
        let folder = self.people.as_ref().ok_or_else(nowhere)?.join(person.as_str());
        let installed: Vec<ModelId> =
            loras::candidates(&self.folders).into_iter().map(|file| file.id).collect();
        loras::keep(&folder, title, file, |id| installed.contains(id))
    }

    /// Removes a LoRA of a person's own. Says whether there was one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_lora(&self, person: &UserId, id: &ModelId) -> std::io::Result<bool> {
        let mine = self.of(person).lora_candidates().into_iter().find(|file| file.own && file.id == *id);
        match mine {
            Some(file) => std::fs::remove_file(&file.path).map(|()| true),
            None => Ok(false),
        }
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
    pub fn folder(&self, id: &ModelId) -> Option<PathBuf> {
        let inside = |folder: &PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut entries = self.folders.iter().flat_map(inside);
        entries
            .find(|entry| entry.file_name().to_str() == Some(id.as_str()) && entry.path().is_dir())
            .map(|entry| entry.path())
    }
}
