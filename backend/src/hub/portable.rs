//! Models that are small enough to be taken along: a browser fetches their files once and draws by itself.

use std::fs;
use std::path::{Path, PathBuf};

use chapan_api::id::ModelId;
use chapan_api::model::ModelFile;
use sha2::{Digest, Sha256};

use super::hashes::{hex, sha256_of};
use super::{Catalog, Error};

/// Larger models are no download for a page; only what cuts their prompts into tokens is.
const MAX_BYTES: u64 = 64 << 20;
/// Tokenizers larger than this are none of CLIP.
const MAX_TOKENIZER_BYTES: u64 = 16 << 20;
/// Where a checkpoint keeps the tokenizers of its text encoders.
const TOKENIZERS: [&str; 2] = ["tokenizer/", "tokenizer_2/"];
/// What a model is made of; nothing else of its folder is handed out.
const ENDINGS: [&str; 3] = ["json", "txt", "safetensors"];

/// A small model's folder, and what of it may be handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortableModel {
    folder: PathBuf,
    /// Its files, by path.
    pub files: Vec<ModelFile>,
}

impl PortableModel {
    /// The bytes of one of its files, which must still be the one on the list.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(file) = self.files.iter().find(|file| file.path == path) else { return Ok(None) };
        let whole = self.folder.join(&file.path);
        let bytes = fs::read(&whole).map_err(|source| Error::Read { path: whole, source })?;
        let hash = hex(Sha256::new_with_prefix(&bytes));
        Ok((hash == file.sha256).then_some(bytes))
    }
}

impl Catalog {
    /// The small model of this identifier: a folder of the catalog by its name, whatever kind of model it is. Of one that is
    /// too large to be taken along only the tokenizers, with which prompts are counted. `None` when there is no such
    /// folder, or nothing of it can be handed out.
    pub fn portable(&self, id: &ModelId) -> Result<Option<PortableModel>, Error> {
        let Some(folder) = self.folder(id) else { return Ok(None) };
        let mut found = Vec::new();
        list(&folder, "", &mut found)?;
        found.sort();
        let total: u64 = found.iter().map(|(_, size)| size).sum();
        let weights = found.iter().any(|(path, _)| path.ends_with(".safetensors"));
        if total > MAX_BYTES || !weights {
            found.retain(|(path, _)| {
                TOKENIZERS.iter().any(|folder| path.starts_with(folder)) && !path.ends_with(".safetensors")
            });
            let size: u64 = found.iter().map(|(_, size)| size).sum();
            if found.is_empty() || size > MAX_TOKENIZER_BYTES {
                return Ok(None);
            }
        }
        let describe = |(path, size_bytes): (String, u64)| {
            let sha256 = sha256_of(&folder.join(&path))?;
            Ok(ModelFile { path, size_bytes, sha256 })
        };
        let files = found.into_iter().map(describe).collect::<Result<_, Error>>()?;
        Ok(Some(PortableModel { folder, files }))
    }
}

/// Files of a folder and of the folders in it, by their paths with `/`; links are not followed.
fn list(folder: &Path, prefix: &str, found: &mut Vec<(String, u64)>) -> Result<(), Error> {
    let unreadable = |source| Error::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = entry.path();
        if kind.is_dir() && prefix.is_empty() {
            list(&path, &format!("{name}/"), found)?;
        } else if kind.is_file()
            && ENDINGS.iter().any(|ending| path.extension().is_some_and(|e| e == *ending))
        {
            found.push((format!("{prefix}{name}"), entry.metadata().map_err(unreadable)?.len()));
        }
    }
    Ok(())
}
