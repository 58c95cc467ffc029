//! Where a checkpoint's files are: a folder, a single file in the original layout, or memory (in the browser).

use std::collections::BTreeMap;
#[cfg(not(target_arch = "wasm32"))]
use std::path::{Path, PathBuf};

use crate::weights::{InMemory, TensorSource};
#[cfg(not(target_arch = "wasm32"))]
use crate::weights::{Part, SafetensorsFile, SingleFile};
use crate::{Error, Result};

/// The largest configuration or vocabulary file that is read; the largest published is a few megabytes.
#[cfg(not(target_arch = "wasm32"))]
const MAX_FILE_BYTES: u64 = 64_000_000;

/// The files of one checkpoint in diffusers layout, named by paths such as `unet/config.json`.
#[derive(Debug)]
pub(super) enum ModelFiles {
    #[cfg(not(target_arch = "wasm32"))]
    Folder(PathBuf),
    /// All weights in one file. Small files are looked for in the folders, nearest first; the configurations of SDXL
    /// base are built in.
    #[cfg(not(target_arch = "wasm32"))]
    Single {
        weights: SingleFile,
        folders: [PathBuf; 2],
    },
    Memory(BTreeMap<String, Vec<u8>>),
}

impl ModelFiles {
    /// A folder in diffusers layout, or a single file with all weights. For a file `model.safetensors` configurations and
    /// tokenizers are looked for in the folder `model` beside it, then beside it.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn open(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let weights = SingleFile::new(SafetensorsFile::open(path)?)?;
        let beside = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self::Single { weights, folders: [path.with_extension(""), beside] })
    }

    /// The bytes of a small file; `None` if there is none of that name.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            #[cfg(not(target_arch = "wasm32"))]
            Self::Folder(folder) => read_small(&folder.join(name)),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Single { folders, .. } => {
                for folder in folders {
                    if let Some(bytes) = read_small(&folder.join(name))? {
                        return Ok(Some(bytes));
                    }
                }
                Ok(sdxl_base(name).map(|text| text.as_bytes().to_vec()))
            }
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
            #[cfg(not(target_arch = "wasm32"))]
            Self::Single { weights, .. } => {
                let part = match component {
                    "unet" => Part::Unet,
                    "vae" => Part::Vae,
                    "text_encoder" => Part::TextEncoder,
                    _ => Part::TextEncoder2,
                };
                Ok(Box::new(weights.part(part)?))
            }
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

/// The configurations that every SDXL base checkpoint shares, for single files, which carry none.
#[cfg(not(target_arch = "wasm32"))]
fn sdxl_base(name: &str) -> Option<&'static str> {
    match name {
        "model_index.json" => Some(include_str!("sdxl_base/model_index.json")),
        "scheduler/scheduler_config.json" => Some(include_str!("sdxl_base/scheduler.json")),
        "unet/config.json" => Some(include_str!("sdxl_base/unet.json")),
        "vae/config.json" => Some(include_str!("sdxl_base/vae.json")),
        "text_encoder/config.json" => Some(include_str!("sdxl_base/text_encoder.json")),
        "text_encoder_2/config.json" => Some(include_str!("sdxl_base/text_encoder_2.json")),
        _ => None,
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
