//! The pictures of a folder that somebody packed, with captions and which of them are held out, in any layout that is known.

use std::path::{Path, PathBuf};

use chapan_api::dataset::limits::CAPTION_CHARS;
use chapan_api::training::{Finding, FindingCode, Severity};

use super::{DatasetError, caption_beside, list};

/// Folders of pictures that are learnt, and of those that are only measured with.
const TRAINING: [&str; 2] = ["training", "train"];
const HELD_OUT: [&str; 4] = ["held-out", "held_out", "validation", "test"];
/// What lies beside pictures and is no picture.
const TEXTS: [&str; 5] = ["txt", "jsonl", "csv", "md", "toml"];
const PICTURES: [&str; 4] = ["png", "jpg", "jpeg", "webp"];
/// So many files that are passed over are named.
const MOST_FINDINGS: usize = 50;
/// How many folders may lie around the one that is meant.
const MOST_WRAPPINGS: usize = 4;

/// A picture of the collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Its file.
    pub path: PathBuf,
    /// Its path below the folder, as people wrote it.
    pub name: String,
    /// What is said about it; empty if nothing is.
    pub caption: String,
    /// Whether it is only measured with.
    pub held_out: bool,
}

/// Collects the pictures below a folder. What is wrong with single files becomes a finding.
///
/// # Errors
/// When a folder cannot be read, or its list of captions makes no sense.
pub fn collect(folder: &Path) -> Result<(Vec<Collected>, Vec<Finding>), DatasetError> {
    let (mut pictures, mut findings) = (Vec::new(), Vec::new());
    let root = unwrapped(folder)?;
    let inside = |names: &[&str]| names.iter().map(|name| root.join(name)).find(|path| path.is_dir());
    let sets = match (inside(&TRAINING), inside(&HELD_OUT)) {
        (Some(training), Some(held_out)) => vec![(training, false), (held_out, true)],
        // Kohya's trainer keeps references in `img`, and what must stay in `reg`.
        _ => vec![(inside(&["img"]).unwrap_or(root), false)],
    };
    for (set, held_out) in sets {
        for entry in list(&set)?.entries {
            let name = below(folder, &entry.path);
            let caption = match caption_beside(&entry.path) {
                Ok(caption) => caption.or(entry.listed_caption).unwrap_or_default(),
                Err(error) => {
                    let message = error.to_string().replace("\nhint: ", "; ");
                    let message = message.replace(&folder.display().to_string(), "");
                    findings.push(finding(FindingCode::BadCaption, &name, message));
                    String::new()
                }
            };
            let caption = match caption.char_indices().nth(CAPTION_CHARS as usize) {
                Some((end, _)) => {
                    let message = format!("its caption is cut after {CAPTION_CHARS} characters");
                    findings.push(finding(FindingCode::LongCaption, &name, message));
                    caption[..end].to_owned()
                }
                None => caption,
            };
            pictures.push(Collected { path: entry.path, name, caption, held_out });
        }
    }
    for path in all_files(folder)?.into_iter().filter(|path| !has_ending(path, &TEXTS)) {
        if findings.len() >= MOST_FINDINGS {
            break;
        }
        if pictures.iter().any(|picture| picture.path == path) {
            continue;
        }
        let message = if has_ending(&path, &PICTURES) {
            "it lies in a folder that is passed over; put pictures beside each other"
        } else {
            "it is passed over: PNG, JPEG and WebP are read"
        };
        findings.push(finding(FindingCode::Unreadable, &below(folder, &path), message.to_owned()));
    }
    Ok((pictures, findings))
}

fn finding(code: FindingCode, file: &str, message: String) -> Finding {
    Finding { severity: Severity::Warning, code, file: Some(file.to_owned()), message }
}

fn below(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| endings.contains(&ending.as_str()))
}

/// The folder that is meant: people pack a folder, and the archive holds that folder alone.
fn unwrapped(folder: &Path) -> Result<PathBuf, DatasetError> {
    let mut root = folder.to_owned();
    for _ in 0..MOST_WRAPPINGS {
        let inside = children(&root)?;
        match inside.as_slice() {
            [only] if only.is_dir() && !is_numbered(only) => root.clone_from(only),
            _ => break,
        }
    }
    Ok(root)
}

/// Whether a folder's name begins with how often its pictures count.
fn is_numbered(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split('_').next().is_some_and(|count| count.parse::<usize>().is_ok())
}

fn children(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let unreadable = |source| DatasetError::Unreadable { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn all_files(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in children(&folder)? {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn names(folder: &Path) -> Vec<(String, String, bool)> {
        let (pictures, _) = collect(folder).unwrap();
        pictures.into_iter().map(|picture| (picture.name, picture.caption, picture.held_out)).collect()
    }

    #[test]
    fn every_layout_is_found_in_its_wrapping() {
        let row = |name: &str, caption: &str, held_out| (name.to_owned(), caption.to_owned(), held_out);
        let plain = lay(&[("aldar/a.png", ""), ("aldar/a.txt", "smiling"), ("aldar/b.jpg", "")]);
        assert_eq!(
            names(plain.path()),
            [row("aldar/a.png", "smiling", false), row("aldar/b.jpg", "", false)]
        );
        let split = lay(&[("x/training/a.png", ""), ("x/held-out/b.png", ""), ("x/held-out/b.txt", "sad")]);
        assert_eq!(
            names(split.path()),
            [row("x/training/a.png", "", false), row("x/held-out/b.png", "sad", true)]
        );
        let kohya = lay(&[("img/10_sks man/a.png", ""), ("reg/1_man/b.png", "")]);
        assert_eq!(names(kohya.path()), [row("img/10_sks man/a.png", "sks man", false)]);
        let list = "{\"file_name\": \"a.png\", \"text\": \"a hat\"}\n";
        let diffusers = lay(&[("set/a.png", ""), ("set/metadata.jsonl", list)]);
        assert_eq!(names(diffusers.path()), [row("set/a.png", "a hat", false)]);
        let numbered = lay(&[("10_sks/a.png", "")]);
        assert_eq!(names(numbered.path()), [row("10_sks/a.png", "sks", false)]);
    }

    #[test]
    fn what_is_passed_over_is_named() {
        let folder = lay(&[("a.png", ""), ("a.txt", "\u{0}"), ("b.heic", ""), ("c.zip", "PK"), ("d.md", "")]);
        let (pictures, findings) = collect(folder.path()).unwrap();
        assert_eq!((pictures.len(), pictures[0].caption.as_str()), (1, ""));
        let found: Vec<_> =
            findings.iter().map(|f| (f.code, f.file.as_deref().unwrap_or_default())).collect();
        assert_eq!(
            found,
            [
                (FindingCode::BadCaption, "a.png"),
                (FindingCode::Unreadable, "b.heic"),
                (FindingCode::Unreadable, "c.zip")
            ]
        );
        assert!(!findings[0].message.contains(&folder.path().display().to_string()));
    }
}
