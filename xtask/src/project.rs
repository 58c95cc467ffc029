//! The checkout we stand in and the folder where its tools are kept.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment;
use crate::fault::{Fault, Result, at};

/// Paths of this checkout.
pub struct Project {
    /// The root of the repository.
    pub root: PathBuf,
    /// The tools folder: outside the checkout, shared by all clones.
    pub tools: PathBuf,
}

impl Project {
    /// Finds the checkout from the place this program was built in.
    pub fn locate() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root =
            here.parent().ok_or_else(|| Fault::new("xtask does not stand in a repository"))?.to_path_buf();
        Ok(Self { root, tools: tools_folder()? })
    }

    /// A path inside the repository.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The cargo that started us, in the root of the repository.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(environment::variable("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }

    /// A program, started in the root of the repository, that finds our tools first.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("PATH", environment::path_with(&[self.tools.join("bin")]));
        command
    }

    /// The version of a package in `Cargo.lock`, when it is there.
    pub fn locked_version(&self, package: &str) -> Result<Option<String>> {
        let path = self.path("Cargo.lock");
        let lock = std::fs::read_to_string(&path).map_err(at(&path))?;
        Ok(version_in_lock(&lock, package))
    }
}

fn version_in_lock(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.next()?;
    lines.next()?.strip_prefix("version = \"")?.strip_suffix('"').map(str::to_owned)
}

fn tools_folder() -> Result<PathBuf> {
    let variable = |name| environment::variable(name).map(PathBuf::from);
    variable("CHAPAN_TOOLS_DIR")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("chapan/tools")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/chapan/tools")))
        .ok_or_else(|| Fault::hinted("there is no folder for tools", "set CHAPAN_TOOLS_DIR"))
}

#[cfg(test)]
mod tests {
    use super::version_in_lock;

    const LOCK: &str = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"0.2.1\"\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";

    #[test]
    fn version_of_a_locked_package() {
        assert_eq!(version_in_lock(LOCK, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(version_in_lock(LOCK, "leptos"), None);
    }
}
