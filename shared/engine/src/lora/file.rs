//! An open LoRA file.

#[cfg(not(target_arch = "wasm32"))]
use std::path::Path;

use crate::Result;
#[cfg(not(target_arch = "wasm32"))]
use crate::weights::SafetensorsFile;
use crate::weights::{InMemory, TensorSource};

/// A safetensors file whose header was checked: nothing of its tensors was read yet.
pub struct LoraFile {
    source: Box<dyn TensorSource>,
}

impl LoraFile {
    /// Opens a file on disk.
    ///
    /// # Errors
    /// When it is not a sound safetensors file; nothing larger than its header is read.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { source: Box::new(SafetensorsFile::open(path)?) })
    }

    /// The same of bytes in memory; `label` names them in messages.
    pub fn from_bytes(label: impl Into<String>, bytes: Vec<u8>) -> Result<Self> {
        Ok(Self { source: Box::new(InMemory::new(label, bytes)?) })
    }

    pub(super) fn source(&self) -> &dyn TensorSource {
        self.source.as_ref()
    }
}

impl std::fmt::Debug for LoraFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoraFile({})", self.source.origin())
    }
}
