//! Programs from the package registry, pinned, built into the tools folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fault::{Fault, Result, at};
use crate::process::{self, say};
use crate::project::Project;

/// A program that `cargo install` builds.
pub struct Tool {
    package: &'static str,
    program: &'static str,
    version: String,
    default_features: bool,
    minutes: u32,
}

impl Tool {
    /// The bundler of the front end. 0.21.14 is the last version that builds with Rust 1.95. It never goes to the network
    /// here (every tool it would fetch is installed by us), so it is built without TLS.
    pub fn trunk() -> Self {
        Self {
            package: "trunk",
            program: "trunk",
            version: "0.21.14".to_owned(),
            default_features: false,
            minutes: 7,
        }
    }

    /// The glue generator, which must have exactly the version of the library in `Cargo.lock`. It fetches nothing either.
    pub fn wasm_bindgen(project: &Project) -> Result<Self> {
        let version = project.locked_version("wasm-bindgen")?.ok_or_else(|| {
            Fault::hinted(
                "Cargo.lock has no wasm-bindgen",
                "the front end depends on it; run `cargo metadata` to complete the lock file",
            )
        })?;
        Ok(Self {
            package: "wasm-bindgen-cli",
            program: "wasm-bindgen",
            version,
            default_features: false,
            minutes: 4,
        })
    }

    /// The checker of licences, bans, sources and advisories.
    pub fn cargo_deny() -> Self {
        Self {
            package: "cargo-deny",
            program: "cargo-deny",
            version: "0.20.2".to_owned(),
            default_features: false,
            minutes: 6,
        }
    }

    /// The program of this version: on `PATH`, in the tools folder, or installed there now.
    pub fn ensure(&self, project: &Project) -> Result<PathBuf> {
        let kept = project.tools.join("bin").join(self.program);
        for path in [Some(kept.clone()), process::find(self.program)].into_iter().flatten() {
            if self.is_this_version(&path) {
                return Ok(path);
            }
        }
        self.install(project)?;
        if self.is_this_version(&kept) {
            return Ok(kept);
        }
        Err(Fault::new(format!("`{}` was installed but is not version {}", kept.display(), self.version)))
    }

    fn is_this_version(&self, path: &Path) -> bool {
        process::is_executable(path)
            && process::output(Command::new(path).arg("--version"))
                .is_ok_and(|said| said.split_whitespace().any(|word| word == self.version))
    }

    fn install(&self, project: &Project) -> Result {
        let _lock = lock(&project.tools)?;
        say(format!(
            "installing {} {} into {} (about {} min on two cores)",
            self.package,
            self.version,
            project.tools.display(),
            self.minutes
        ));
        // The lock file the authors tested first; without it where a mirror lacks one of its versions.
        self.cargo_install(project, true).or_else(|fault| {
            eprintln!("{fault}");
            say("trying again without the lock file of the package");
            self.cargo_install(project, false)
        })?;
        let scratch = self.scratch(project);
        std::fs::remove_dir_all(&scratch).map_err(at(&scratch))
    }

    fn cargo_install(&self, project: &Project, locked: bool) -> Result {
        let mut cargo = project.cargo();
        // The tools run for seconds and are built for minutes: quick code to compile, not quick code to run.
        cargo
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
            .current_dir(&project.tools)
            .args(["install", self.package, "--version", &self.version, "--force", "--root"])
            .arg(&project.tools)
            .arg("--target-dir")
            .arg(self.scratch(project));
        if !self.default_features {
            cargo.arg("--no-default-features");
        }
        if locked {
            cargo.arg("--locked");
        }
        process::run(&mut cargo)
    }

    /// Kept when a build is interrupted, so that the next one goes on from there.
    fn scratch(&self, project: &Project) -> PathBuf {
        project.tools.join("build").join(self.package)
    }
}

/// Two checkouts share the tools folder: one installs at a time.
fn lock(tools: &Path) -> Result<std::fs::File> {
    std::fs::create_dir_all(tools).map_err(at(tools))?;
    let path = tools.join(".lock");
    let file = std::fs::File::create(&path).map_err(at(&path))?;
    file.lock().map_err(at(&path))?;
    Ok(file)
}
