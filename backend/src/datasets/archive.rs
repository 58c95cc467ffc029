//! A ZIP file of pictures, unpacked into a folder of our own. Nothing in it is believed: not its names, not its sizes.
//!
//! Everything that could be meant badly is refused before it is unpacked: paths that lead elsewhere, links, names that occur
//! twice, encryption, thousands of files, and contents that unpack to far more than they are.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::DeflateDecoder;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

/// The most files of an archive, folders and captions included.
const MOST_FILES: usize = 2_000;
/// The longest path in it, in bytes.
const MOST_PATH_BYTES: usize = 400;
/// The deepest folder in it.
const MOST_DEPTH: usize = 6;
/// The largest file in it.
const MOST_FILE_BYTES: u64 = 32 << 20;
/// The most that all of it unpacks to.
const MOST_BYTES: u64 = 256 << 20;
/// Pictures are packed already: a file that shrinks to less than this share of itself is none, once it has more than
/// [`FREE_BYTES`].
const MOST_RATIO: u64 = 200;
const FREE_BYTES: u64 = 1 << 20;
/// How an entry of the list of files begins.
const ENTRY: &[u8] = b"PK\x01\x02";

/// Why an archive is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is no ZIP file, or damaged.
    #[error("the file is no ZIP archive that can be read: {0}\nhint: pack the folder again, as .zip")]
    Unreadable(String),
    /// It has too much in it.
    #[error("the archive has {what}\nhint: pack fewer pictures; twenty good ones are usual")]
    TooMuch {
        /// What it has too much of.
        what: String,
    },
    /// A name in it is no name of a file.
    #[error(
        "the archive names `{name}`, {fault}\nhint: pack the folder of pictures itself, with a plain program"
    )]
    Hostile {
        /// The name, cut and without control characters.
        name: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// It could not be unpacked here.
    #[error("the archive cannot be unpacked: {0}\nhint: ask whoever runs the server to look at its disk")]
    Write(#[from] std::io::Error),
}

/// Unpacks an archive into an empty folder.
///
/// # Errors
/// Whatever is refused; then the folder may hold a part of it.
pub fn unpack(bytes: &[u8], folder: &Path) -> Result<(), ArchiveError> {
    // Counted before the list is read: reading it takes memory for every entry.
    let listed = memchr::memmem::find_iter(bytes, ENTRY).take(MOST_FILES + 1).count();
    if listed > MOST_FILES {
        return Err(ArchiveError::TooMuch { what: format!("more than {MOST_FILES} files") });
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| unreadable(&error))?;
    let (mut seen, mut left) = (BTreeSet::new(), MOST_BYTES);
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| unreadable(&error))?;
        let name = brief(&String::from_utf8_lossy(entry.name_raw()));
        let hostile = |fault| ArchiveError::Hostile { name: name.clone(), fault };
        if entry.is_symlink() {
            return Err(hostile("which is a link"));
        }
        if entry.encrypted() {
            return Err(hostile("which is encrypted"));
        }
        let path = safe_path(entry.name_raw()).map_err(hostile)?;
        if entry.is_dir() || is_of_no_interest(&path) {
            continue;
        }
        // Systems that do not tell large letters from small ones would mix such files up.
        if !seen.insert(path.to_string_lossy().to_lowercase()) {
            return Err(hostile("twice"));
        }
        let limit =
            MOST_FILE_BYTES.min(left).min(entry.compressed_size().saturating_mul(MOST_RATIO) + FREE_BYTES);
        let (method, check_sum) = (entry.compression(), entry.crc32());
        let mut unpacked = Vec::new();
        let read = match method {
            CompressionMethod::STORE => entry.take(limit + 1).read_to_end(&mut unpacked),
            CompressionMethod::DEFLATE => {
                DeflateDecoder::new(entry).take(limit + 1).read_to_end(&mut unpacked)
            }
            _ => return Err(hostile("which is packed in an unusual way")),
        };
        read.map_err(|error| ArchiveError::Unreadable(error.to_string()))?;
        let size = unpacked.len() as u64;
        if size > limit {
            let what = format!("`{name}`, which unpacks to more than is taken");
            return Err(ArchiveError::TooMuch { what });
        }
        if crc32fast::hash(&unpacked) != check_sum {
            return Err(ArchiveError::Unreadable(format!("`{name}` is damaged")));
        }
        left -= size;
        let place = folder.join(&path);
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(place, unpacked)?;
    }
    Ok(())
}

fn unreadable(error: &ZipError) -> ArchiveError {
    ArchiveError::Unreadable(brief(&error.to_string()))
}

/// A text from the archive, short enough to repeat.
fn brief(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// The path of an entry below the folder, or what is wrong with it.
fn safe_path(name: &[u8]) -> Result<PathBuf, &'static str> {
    if name.len() > MOST_PATH_BYTES {
        return Err("which is far too long");
    }
    let name = std::str::from_utf8(name).map_err(|_| "which is not in UTF-8")?;
    if name.contains('\\') || name.contains(':') || name.chars().any(char::is_control) {
        return Err("which has signs that names do not have");
    }
    let path = PathBuf::from(name);
    let parts: Vec<Component<'_>> = path.components().collect();
    if parts.is_empty() || !parts.iter().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return Err("which leads out of the archive");
    }
    if parts.len() > MOST_DEPTH {
        return Err("which lies too deep");
    }
    Ok(parts.iter().filter(|part| **part != Component::CurDir).collect())
}

/// What systems put beside people's files.
fn is_of_no_interest(path: &Path) -> bool {
    path.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name.starts_with('.') || name == "__MACOSX" || name == "Thumbs.db" || name == "desktop.ini"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_below_the_folder_are_taken() {
        for (name, path) in
            [("a.png", "a.png"), ("x/10_hat/b.PNG", "x/10_hat/b.PNG"), ("./c/қ.txt", "c/қ.txt")]
        {
            assert_eq!(safe_path(name.as_bytes()), Ok(PathBuf::from(path)));
        }
        let deep = "d/".repeat(9) + "a.png";
        let long = "x".repeat(500);
        for name in
            ["../a.png", "/etc/passwd", "a/../../b", "C:/a", "a\\..\\b", "a\0b", "", "..", &deep, &long]
        {
            assert!(safe_path(name.as_bytes()).is_err(), "{name}");
        }
        assert!(safe_path(b"\xff.png").is_err());
        assert!(is_of_no_interest(Path::new("__MACOSX/._a.png")) && !is_of_no_interest(Path::new("x/a.png")));
    }

    #[test]
    fn what_is_no_archive_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], b"hello", b"PK\x05\x06"] {
            assert!(matches!(unpack(bytes, folder.path()), Err(ArchiveError::Unreadable(_))));
        }
        let many = ENTRY.repeat(MOST_FILES + 1);
        assert!(matches!(unpack(&many, folder.path()), Err(ArchiveError::TooMuch { .. })));
    }
}
