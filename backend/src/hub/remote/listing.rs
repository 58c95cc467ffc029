//! What the hub says a repository holds, read with suspicion.

use serde::Deserialize;

use super::error::HubError;
use super::repository::is_word;

/// Most folders in a path.
const DEEPEST: usize = 4;
/// Largest file that is believed: 4 TB.
const LARGEST: u64 = 1 << 42;

/// `GET /api/models/{repo}/revision/{revision}`, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct About {
    /// The commit that the revision means now.
    pub sha: String,
}

/// One entry of `GET /api/models/{repo}/tree/{revision}`.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "type")]
    kind: String,
    oid: String,
    #[serde(default)]
    size: u64,
    path: String,
    lfs: Option<Large>,
}

/// What stands in large file storage.
#[derive(Debug, Deserialize)]
struct Large {
    oid: String,
    size: u64,
}

/// How a file is recognised when it has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    /// SHA-256 of the content: large files.
    Sha256(String),
    /// The object id that git gives to a small file: SHA-1 over `blob {size}\0` and the content.
    GitBlob(String),
}

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemoteFile {
    /// Path in the repository: plain words, at most four folders deep.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Its hash.
    pub hash: Hash,
}

impl RemoteFile {
    /// The file's own name.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The folder that it is in; empty for the root.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl Entry {
    /// The file, if the entry is one that could be of use. Folders and names that no model has are left out.
    pub fn file(self) -> Result<Option<RemoteFile>, HubError> {
        let words = self.path.split('/').count();
        if self.kind != "file" || words > DEEPEST || !self.path.split('/').all(is_word) {
            return Ok(None);
        }
        let (size, hash) = match self.lfs {
            Some(large) => (large.size, Hash::Sha256(hexadecimal(&large.oid, 64)?)),
            None => (self.size, Hash::GitBlob(hexadecimal(&self.oid, 40)?)),
        };
        if size > LARGEST {
            return Err(HubError::Protocol(format!("`{}` is said to have {size} bytes", self.path)));
        }
        Ok(Some(RemoteFile { path: self.path, size, hash }))
    }
}

/// A hash in lower case.
pub(super) fn hexadecimal(text: &str, digits: usize) -> Result<String, HubError> {
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    if text.len() == digits && text.chars().all(|c| c.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(HubError::Protocol(format!("`{}` is not a hash", text.chars().take(80).collect::<String>())))
    }
}

/// The address behind `rel="next"` of a `Link` header.
pub(super) fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (address, rest) = part.trim().strip_prefix('<')?.split_once('>')?;
        rest.split(';').any(|word| word.trim() == r#"rel="next""#).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(json: &str) -> Result<Option<RemoteFile>, HubError> {
        serde_json::from_str::<Entry>(json).unwrap().file()
    }

    #[test]
    fn large_files_have_a_sha256_small_ones_a_blob_id() {
        let oid = "a".repeat(40);
        let large = "B".repeat(64);
        let made = file(&format!(
            r#"{{"type":"file","oid":"{oid}","size":135,"path":"unet/x.safetensors","lfs":{{"oid":"{large}","size":9,"pointerSize":135}}}}"#
        ));
        let made = made.unwrap().unwrap();
        assert_eq!((made.size, made.hash.clone()), (9, Hash::Sha256("b".repeat(64))));
        assert_eq!((made.name(), made.folder()), ("x.safetensors", "unet"));
        let small = file(&format!(r#"{{"type":"file","oid":"{oid}","size":12,"path":"model_index.json"}}"#));
        assert_eq!(small.unwrap().unwrap().hash, Hash::GitBlob(oid));
    }

    #[test]
    fn paths_that_lead_elsewhere_are_not_files_of_a_model() {
        let oid = "a".repeat(40);
        for path in
            ["../x.json", "/etc/passwd", "a//b", "a/./b", "a\\\\b", ".git/config", "a/b/c/d/e.json", "x:y"]
        {
            let made = file(&format!(r#"{{"type":"file","oid":"{oid}","size":1,"path":"{path}"}}"#)).unwrap();
            assert_eq!(made, None, "{path}");
        }
        assert!(file(r#"{"type":"file","oid":"zz","size":1,"path":"a.json"}"#).is_err());
    }

    #[test]
    fn the_next_page_is_found() {
        assert_eq!(next_page(r#"<https://h/a?cursor=1>; rel="next""#), Some("https://h/a?cursor=1"));
        assert_eq!(next_page(r#"<https://h/b>; rel="prev", <https://h/c>; rel="next""#), Some("https://h/c"));
        assert_eq!(next_page("nonsense"), None);
    }
}
