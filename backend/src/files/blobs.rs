//! Blobs: files named by what is in them.
//!
//! A blob's name is the SHA-256 of its bytes, made here and never taken from a request. It is written beside its place,
//! synchronised and moved: a reader finds all of it or nothing, also after a power cut. A row of the database names a
//! blob only after it is there. This room knows nothing of the database.

use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio::sync::RwLock;

/// A fault of the store of files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or bucket failed.
    #[error("files: {0}")]
    Store(#[from] object_store::Error),
    /// The folder could not be made.
    #[error("files: {0}")]
    Folder(#[from] std::io::Error),
    /// What lies under a name is not what the name says.
    #[error("file `{name}` is damaged: its bytes hash to `{found}`")]
    Damaged {
        /// The name.
        name: String,
        /// What the bytes hash to.
        found: String,
    },
    /// The name is not a hash of ours.
    #[error("`{0}` is not the name of a file")]
    Name(String),
}

/// The blobs of one data folder.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// Held while a file is written, and alone while one is removed: none is removed that was just written again.
    gate: Arc<RwLock<()>>,
}

impl Blobs {
    /// Blobs in a local folder, which is made if it is missing.
    pub fn in_folder(folder: &FilePath) -> Result<Self, Error> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), gate: Arc::default() })
    }

    /// Keeps some bytes and gives their name. The same bytes twice are one file, which is young again.
    pub async fn put(&self, bytes: Bytes) -> Result<String, Error> {
        let name = hash(&bytes);
        let path = place(&name)?;
        let _writing = self.gate.read().await;
        self.store.put(&path, PutPayload::from_bytes(bytes)).await?;
        Ok(name)
    }

    /// Removes a file that was last written before a time. A younger one stays: somebody is about to name it. Says
    /// whether it is gone.
    pub async fn remove_written_before(&self, name: &str, before_ms: i64) -> Result<bool, Error> {
        let path = place(name)?;
        let _alone = self.gate.write().await;
        match self.store.head(&path).await {
            Ok(found) if found.last_modified.timestamp_millis() >= before_ms => Ok(false),
            Ok(_) => self.store.delete(&path).await.map(|()| true).map_err(Error::from),
            Err(object_store::Error::NotFound { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes under a name, verified. `None`: there is no such file.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let bytes = match self.store.get(&place(name)?).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let found = hash(&bytes);
        if found == name { Ok(Some(bytes)) } else { Err(Error::Damaged { name: name.to_owned(), found }) }
    }
}

fn hash(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes any text");
        text
    })
}

/// Two letters of folder keep a folder's listing short.
fn place(name: &str) -> Result<Path, Error> {
    let is_hash = name.len() == 64 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if is_hash { Ok(Path::from(format!("{}/{name}", &name[..2]))) } else { Err(Error::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_come_back_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        let name = blobs.put(Bytes::from_static(b"abc")).await.unwrap();
        assert_eq!(name, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(blobs.put(Bytes::from_static(b"abc")).await.unwrap(), name);
        assert_eq!(blobs.get(&name).await.unwrap().unwrap(), "abc");
        assert!(blobs.get(&"0".repeat(64)).await.unwrap().is_none());
        std::fs::write(folder.path().join("ba").join(&name), "abd").unwrap();
        assert!(matches!(blobs.get(&name).await, Err(Error::Damaged { .. })));
    }

    #[tokio::test]
    async fn only_old_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        let name = blobs.put(Bytes::from_static(b"abc")).await.unwrap();
        assert!(!blobs.remove_written_before(&name, 0).await.unwrap());
        assert!(blobs.get(&name).await.unwrap().is_some());
        assert!(blobs.remove_written_before(&name, i64::MAX).await.unwrap());
        assert!(blobs.get(&name).await.unwrap().is_none());
        assert!(blobs.remove_written_before(&name, i64::MAX).await.unwrap(), "gone is gone");
    }

    #[tokio::test]
    async fn a_name_is_never_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        for name in ["", "../../etc/passwd", "a", &"A".repeat(64), &"/".repeat(64)] {
            assert!(matches!(blobs.get(name).await, Err(Error::Name(_))), "{name}");
        }
    }
}
