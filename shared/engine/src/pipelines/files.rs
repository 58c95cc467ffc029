//! Where a checkpoint's files are: a folder, or memory (in the browser).

use std::collections::BTreeMap;
#[cfg(not(target_arch = "wasm32"))]
use std::path::{Path, PathBuf};

use crate::weights::{InMemory, TensorSource};
use crate::{Error, Result};

/// The largest configuration or vocabulary file that is read; the largest published is a few megabytes.
#[cfg(not(target_arch = "wasm32"))]
const MAX_FILE_BYTES: u64 = 64_000_000;

/// The files of one checkpoint in diffusers layout, named by paths such as `unet/config.json`.
#[derive(Debug)]
pub(super) enum ModelFiles {
    #[cfg(not(target_arch = "wasm32"))]
    Folder(PathBuf),
    Memory(BTreeMap<String, Vec<u8>>),
}

impl ModelFiles {
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn folder(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }

    /// The bytes of a small file; `None` if there is none of that name.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            #[cfg(not(target_arch = "wasm32"))]
            Self::Folder(folder) => read_small(&folder.join(name)),
            Self::Memory(files) => Ok(files.get(name).cloned()),
        }
    }

    /// The text of a component's configuration; without the file the reference library's defaults hold.
    pub(super) fn config(&self, what: &'static str, name: &str) -> Result<String> {
        let bytes = self.read(name)?.unwrap_or_else(|| b"{}".to_vec());
        String::from_utf8(bytes).map_err(|_| {
            Error::config(what, format!("`{name}` is not UTF-8"), "take the file from the checkpoint again")
        })
    }

    /// The weights of a component such as `unet`. Bytes in memory are handed over, so this works once for each.
    pub(super) fn weights(&mut self, component: &str) -> Result<Box<dyn TensorSource>> {
        match self {
            #[cfg(not(target_arch = "wasm32"))]
            Self::Folder(folder) => Ok(crate::weights::open_component(&folder.join(component))?),
            Self::Memory(files) => {
                let prefix = format!("{component}/");
                let name = files
                    .keys()
                    .find(|name| name.starts_with(&prefix) && name.ends_with(".safetensors"))
                    .cloned()
                    .ok_or_else(|| {
                        Error::config(
                            "pipeline",
                            format!("`{component}` has no `.safetensors` file"),
                            "give all files of the checkpoint, each by its path",
                        )
                    })?;
                let bytes = files.remove(&name).unwrap_or_default();
                Ok(Box::new(InMemory::new(name, bytes)?))
            }
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn read_small(path: &Path) -> Result<Option<Vec<u8>>> {
    let size = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(path, source)),
    };
    if size > MAX_FILE_BYTES {
        return Err(Error::Malformed {
            path: path.to_owned(),
            fault: format!("it has {size} bytes, the limit is {MAX_FILE_BYTES}"),
            hint: "configuration and vocabulary files are small: this is something else".to_owned(),
        });
    }
    std::fs::read(path).map(Some).map_err(|source| unreadable(path, source))
}

#[cfg(not(target_arch = "wasm32"))]
fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
        hint: "check that the file exists and may be read".to_owned(),
    }
}
