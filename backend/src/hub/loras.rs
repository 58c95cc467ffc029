//! Files that may be LoRAs: safetensors that lie in the folders of models, or in a folder `loras` there.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chapan_api::id::ModelId;

use super::hashes::WeightFiles;
use super::weight_names::{WEIGHTS, catalog_id, is_weights};

/// The longest name that is made of a title, in characters.
const NAME_CHARS: usize = 60;
/// So many LoRAs of one name and no more.
const MOST_OF_ONE_NAME: usize = 10_000;

/// A file that may be a LoRA; what is in it is the engine's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoraCandidate {
    /// Its identifier: the file's name without its ending.
    pub id: ModelId,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// When it was last changed.
    pub changed: Option<SystemTime>,
    /// Whether it is somebody's own, not installed for all.
    pub own: bool,
}

/// All candidates in these folders, by folder and then by name. Where two have the same name, the earlier folder's counts.
pub(super) fn candidates(folders: &[PathBuf]) -> Vec<LoraCandidate> {
    let mut found: Vec<LoraCandidate> = Vec::new();
    for folder in folders.iter().flat_map(|folder| [folder.join("loras"), folder.clone()]) {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for candidate in paths.iter().filter_map(|path| candidate(path)) {
            if found.iter().all(|known| known.id != candidate.id) {
                found.push(candidate);
            }
        }
    }
    found
}

/// Adds the files of a person's own folder. What is installed for all keeps its names.
pub(super) fn add_own(found: &mut Vec<LoraCandidate>, folder: &Path) {
    let mut own = candidates(&[folder.to_owned()]);
    // By name: as files `Aldar-3.safetensors` stands before `Aldar.safetensors`.
    own.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
    for candidate in own {
        if found.iter().all(|known| known.id != candidate.id) {
            found.push(LoraCandidate { own: true, ..candidate });
        }
    }
}

/// Keeps a file in a person's folder under a free name made of `title`. A name with these very bytes is taken as it is, so that
/// whoever died after this step can do it again.
pub(super) fn keep(
    folder: &Path,
    title: &str,
    file: &Path,
    is_taken: impl Fn(&ModelId) -> bool,
) -> Result<ModelId> {
    fs::create_dir_all(folder)?;
    let bytes = fs::read(file)?;
    let name = plain_name(title);
    for number in 1..MOST_OF_ONE_NAME {
        let name = if number == 1 { name.clone() } else { format!("{name}-{number}") };
        let (id, path) = (ModelId::new(&name), folder.join(format!("{name}.{WEIGHTS}")));
        if is_taken(&id) {
            continue;
        }
        let partial = folder.join(format!("{name}.part"));
        let written = fs::write(&partial, &bytes).and_then(|()| fs::File::open(&partial)?.sync_all());
        // A link takes no place that is taken, and is there whole or not at all.
        let linked = written.and_then(|()| fs::hard_link(&partial, &path));
        let cleaned = fs::remove_file(&partial);
        match linked {
            Ok(()) => return cleaned.map(|()| id),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if fs::read(&path)? == bytes {
                    return Ok(id);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(Error::other(format!("there are {MOST_OF_ONE_NAME} LoRAs called `{name}`")))
}

/// A title as a name of files and of `<lora:name:1>`: letters, digits, `-`, `_` and `.`.
fn plain_name(title: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = title.trim().chars().take(NAME_CHARS).map(plain).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "lora".to_owned() } else { name.to_owned() }
}

fn candidate(path: &Path) -> Option<LoraCandidate> {
    let entry = fs::metadata(path).ok().filter(|entry| is_weights(path) && entry.is_file())?;
    let id = catalog_id(path.file_name()?.to_str()?);
    let changed = entry.modified().ok();
    Some(LoraCandidate { id, path: path.to_owned(), size_bytes: entry.len(), changed, own: false })
}

impl LoraCandidate {
    /// The file at this path. `None`: it is no file of safetensors.
    pub fn read(path: &Path) -> Option<Self> {
        candidate(path)
    }

    /// Its weight file.
    pub fn weights(&self) -> WeightFiles {
        WeightFiles::new(vec![self.path.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_names_of_files_and_tags() {
        for (title, name) in [
            ("Aldar Köse", "Aldar-Köse"),
            ("Алдар Көсе 2", "Алдар-Көсе-2"),
            ("../../etc/passwd", "etc-passwd"),
            ("a:0.5>b", "a-0.5-b"),
            (" ... ", "lora"),
        ] {
            assert_eq!(plain_name(title), name);
        }
        assert_eq!(plain_name(&"x".repeat(500)).len(), NAME_CHARS);
    }

    #[test]
    fn a_name_is_given_once_and_the_same_file_keeps_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("1"), folder.path().join("2"));
        fs::write(&first, "one").unwrap();
        fs::write(&second, "two").unwrap();
        let own = folder.path().join("own");
        let keep = |file: &Path| keep(&own, "Aldar", file, |id| id.as_str() == "Aldar-2").unwrap();
        assert_eq!((keep(&first).as_str(), keep(&first).as_str()), ("Aldar", "Aldar"));
        assert_eq!(keep(&second).as_str(), "Aldar-3");
        let mut found = Vec::new();
        add_own(&mut found, &own);
        let names: Vec<&str> = found.iter().map(|file| file.id.as_str()).collect();
        assert_eq!(names, ["Aldar", "Aldar-3"]);
        assert!(found.iter().all(|file| file.own));
    }
}
