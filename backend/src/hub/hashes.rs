//! SHA-256 of weight files, computed once: a large model takes a minute to read.
//!
//! A hash is remembered for the whole process under the stamp of its files (paths, sizes, times of change), so that a changed file
//! is another one. Who keeps hashes for longer hands them back with [`WeightFiles::remember`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::checkpoint::Error;

/// How much is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Files whose bytes, one after the other, are hashed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightFiles(Vec<PathBuf>);

impl WeightFiles {
    /// These files, in this order.
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self(files)
    }

    /// What changes when one of the files does: paths, sizes and times of change, hashed.
    ///
    /// # Errors
    /// When a file is not there.
    pub fn stamp(&self) -> Result<String, Error> {
        let mut stamp = Sha256::new();
        for path in &self.0 {
            let read = |source| Error::Read { path: path.clone(), source };
            let entry = std::fs::metadata(path).map_err(read)?;
            let changed = entry.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            stamp.update(path.as_os_str().as_encoded_bytes());
            stamp.update(format!("\0{}\0{:?}\0", entry.len(), changed.map(|time| time.as_nanos())));
        }
        Ok(hex(stamp))
    }

    /// The hash, if it has been computed since the files last changed. Quick.
    pub fn known_sha256(&self) -> Option<String> {
        known().get(&self.stamp().ok()?).cloned()
    }

    /// The hash, hexadecimal; computed if it is not known.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn sha256(&self) -> Result<String, Error> {
        Ok(self.sha256_unless(&|| false)?.unwrap_or_default())
    }

    /// The same, given up with `None` as soon as `stop` says so.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn sha256_unless(&self, stop: &dyn Fn() -> bool) -> Result<Option<String>, Error> {
        let stamp = self.stamp()?;
        if let Some(hash) = known().get(&stamp) {
            return Ok(Some(hash.clone()));
        }
        let mut hasher = Sha256::new();
        let mut piece = vec![0; PIECE_BYTES];
        for path in &self.0 {
            let read = |source| Error::Read { path: path.clone(), source };
            let mut file = File::open(path).map_err(read)?;
            loop {
                if stop() {
                    return Ok(None);
                }
                match file.read(&mut piece).map_err(read)? {
                    0 => break,
                    length => hasher.update(&piece[..length]),
                }
            }
        }
        let hash = hex(hasher);
        self.remember(stamp, hash.clone());
        Ok(Some(hash))
    }

    /// Notes the hash that files with this stamp have.
    pub fn remember(&self, stamp: String, sha256: String) {
        known().insert(stamp, sha256);
    }
}

/// The hash of one file.
pub(super) fn sha256_of(path: &Path) -> Result<String, Error> {
    WeightFiles::new(vec![path.to_owned()]).sha256()
}

pub(super) fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Hashes by stamp.
fn known() -> MutexGuard<'static, BTreeMap<String, String>> {
    static KNOWN: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_known_until_a_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("1"), folder.path().join("2"));
        std::fs::write(&first, "wei").unwrap();
        std::fs::write(&second, "ghts").unwrap();
        let files = WeightFiles::new(vec![first, second.clone()]);
        assert_eq!(files.known_sha256(), None);
        assert_eq!(files.sha256_unless(&|| true).unwrap(), None);
        // printf weights | sha256sum
        let hash = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c";
        assert_eq!((files.sha256().unwrap().as_str(), files.known_sha256().as_deref()), (hash, Some(hash)));
        std::fs::write(&second, "ght").unwrap();
        assert_eq!(files.known_sha256(), None);
        std::fs::remove_file(&second).unwrap();
        assert!(files.sha256().unwrap_err().to_string().contains("cannot read"));
    }
}
