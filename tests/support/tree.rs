//! The repository on disk.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are made, not written.
const MADE: [&str; 8] = ["target", "dist", "data", "work", ".git", "node_modules", "__pycache__", ".venv"];

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").components().fold(PathBuf::new(), |mut path, part| {
        if part == std::path::Component::ParentDir {
            path.pop();
        } else {
            path.push(part);
        }
        path
    })
}

/// A text file of the repository.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path from the root, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// For a check's own tests.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The part of the name after the last dot.
    pub fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Numbered lines that are not comments, for languages whose comments begin with `//`.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// All lines, numbered from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Every text file of the repository, in order.
///
/// # Panics
/// When the tree cannot be read.
pub fn sources() -> Vec<Source> {
    let root = root();
    let mut found: Vec<Source> = files(&root)
        .into_iter()
        .filter_map(|path| {
            let text = String::from_utf8(fs::read(root.join(&path)).expect("a file of the tree is readable"))
                .ok()?;
            Some(Source { path, text })
        })
        .collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Every file below a folder, as a path from it; links and folders that are made are left out.
///
/// # Panics
/// When the tree cannot be read.
pub fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("a folder of the tree is readable").flatten() {
            let name = entry.file_name();
            let path = folder.join(&name);
            let kind = entry.file_type().expect("an entry of the tree has a type");
            if MADE.iter().any(|made| *made == name) {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_none_or(|extension| extension != "local") {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found
}
