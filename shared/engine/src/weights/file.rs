//! A safetensors file on disk, read at positions.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::{Fault, Result, WeightsError};
use super::header::Header;
use super::source::{TensorInfo, TensorSource, find};

/// An open safetensors file whose header was checked.
#[derive(Debug)]
pub struct SafetensorsFile {
    path: PathBuf,
    file: File,
    header: Header,
    size_bytes: u64,
    modified: Option<SystemTime>,
}

impl SafetensorsFile {
    /// Opens a file and checks its header completely.
    ///
    /// # Errors
    /// Names the fault; nothing larger than the header is allocated, and the header only after its length was checked.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |fault| WeightsError::new(path.display(), fault);
        let file = File::open(path).map_err(|error| fail(Fault::Unreadable(error)))?;
        let stat = file.metadata().map_err(|error| fail(Fault::Unreadable(error)))?;
        if !stat.is_file() {
            return Err(fail(Fault::Unreadable(std::io::ErrorKind::InvalidInput.into())));
        }
        let size_bytes = stat.len();
        let mut start = [0; 64];
        let start = &mut start[..size_bytes.min(64) as usize];
        let read = |position: u64, out: &mut [u8]| {
            read_exact_at(&file, position, out)
                .map_err(|error| fail(read_fault(error, &file, position + out.len() as u64)))
        };
        read(0, start)?;
        let length = Header::length(start, size_bytes).map_err(fail)?;
        let mut json = vec![0; length];
        read(8, &mut json)?;
        let header = Header::parse(&json, size_bytes).map_err(fail)?;
        Ok(Self { path: path.to_owned(), modified: stat.modified().ok(), header, size_bytes, file })
    }

    /// The checked header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The path it was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl TensorSource for SafetensorsFile {
    fn origin(&self) -> String {
        self.path.display().to_string()
    }

    fn names(&self) -> Vec<&str> {
        self.header.tensors().keys().map(String::as_str).collect()
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.header.tensors().get(name)
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.header.metadata().get(key).map(String::as_str)
    }

    fn read_into(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<()> {
        let info = find(self, name)?;
        let position = self.header.position(info) + offset as u64;
        read_exact_at(&self.file, position, out).map_err(|error| {
            let fault = read_fault(error, &self.file, self.size_bytes);
            WeightsError::new(self.path.display(), fault)
        })
    }

    fn verify_unchanged(&self) -> Result<()> {
        let fail = |fault| WeightsError::new(self.path.display(), fault);
        let stat = self.file.metadata().map_err(|error| fail(Fault::Unreadable(error)))?;
        if stat.len() == self.size_bytes && stat.modified().ok() == self.modified {
            Ok(())
        } else {
            Err(fail(Fault::Changed))
        }
    }
}

/// The fault behind a failed read: a file that became shorter is named as such.
fn read_fault(error: std::io::Error, file: &File, expected_bytes: u64) -> Fault {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        let size_bytes = file.metadata().map_or(0, |stat| stat.len());
        return Fault::Truncated { expected_bytes, size_bytes };
    }
    Fault::Unreadable(error)
}

#[cfg(unix)]
fn read_exact_at(file: &File, position: u64, out: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, position)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut position: u64, mut out: &mut [u8]) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !out.is_empty() {
        let count = file.seek_read(out, position)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        position += count as u64;
        out = &mut out[count..];
    }
    Ok(())
}
