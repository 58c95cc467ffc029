//! Where things lie when nobody says: next to the executable, in the repository, or in the user's data folder.

use std::path::{Path, PathBuf};

use super::Environment;

/// Folders that may hold `assets/` and `dist/`, nearest first: the executable's own, the repository that it was built
/// in, and the current one.
pub(super) fn roots() -> Vec<PathBuf> {
    let mut roots = Vec::new();
    if let Ok(executable) = std::env::current_exe()
        && let Some(folder) = executable.parent()
    {
        roots.push(folder.to_path_buf());
        roots.extend(repository_above(folder));
    }
    roots.extend(std::env::current_dir());
    roots
}

/// The repository around a build folder such as `target/debug`.
fn repository_above(folder: &Path) -> Option<PathBuf> {
    let is_repository = |path: &&Path| path.join("Cargo.toml").is_file() && path.join("backend").is_dir();
    folder.ancestors().take(5).find(is_repository).map(Path::to_path_buf)
}

/// Existing folders `name` (such as `assets/models`) in all the usual places, nearest first.
pub fn assets_folders(name: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in roots().into_iter().map(|root| root.join(name)).filter(|path| path.is_dir()) {
        if !found.contains(&folder) {
            found.push(folder);
        }
    }
    found
}

/// The data folder when none is named: `data` in the repository for a development build, else the user's own.
pub fn default_data_dir(environment: &Environment) -> PathBuf {
    if let Ok(executable) = std::env::current_exe()
        && let Some(repository) = executable.parent().and_then(repository_above)
    {
        return repository.join("data");
    }
    let home = || environment.path("HOME").map(|home| home.join(".local/share"));
    match environment.path("XDG_DATA_HOME").or_else(home) {
        Some(folder) => folder.join("chapan"),
        None => PathBuf::from("data"),
    }
}
