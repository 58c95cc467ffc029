//! A compiler for wasm32: rustup's where rustup can add the target, Debian's with a standard library built here where it
//! cannot.
//!
//! Debian's security suite carries a current compiler with library sources for its browsers, but no compiled library for
//! wasm32. So the library is built once, into a sysroot of our own in the tools folder, and a two-line `rustc` there
//! points to it. Nothing under `/usr` is written. No version is named: the installed compiler is asked.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment;
use crate::fault::{Fault, Result, at};
use crate::process::{self, say};
use crate::project::Project;
use crate::tools::apt;

/// The target of the front end.
pub const TARGET: &str = "wasm32-unknown-unknown";

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// A toolchain that has the target.
pub enum WasmToolchain {
    /// The one that runs us.
    Own,
    /// Debian's compiler behind the sysroot in this folder.
    Sysroot(PathBuf),
}

impl WasmToolchain {
    /// What a person wants to know of it.
    pub fn label(&self) -> String {
        match self {
            Self::Own => "the active Rust toolchain has it".to_owned(),
            Self::Sysroot(folder) => format!("Debian's Rust with the sysroot {}", folder.display()),
        }
    }

    /// Cargo of this toolchain, writing to the front end's own target folder.
    pub fn cargo(&self, project: &Project) -> Command {
        let mut command = match self {
            Self::Own => project.cargo(),
            Self::Sysroot(folder) => project.command(folder.join("bin/cargo")),
        };
        self.choose(project, &mut command);
        command
    }

    /// Makes a command that calls `cargo` itself, as Trunk does, find this toolchain.
    pub fn choose(&self, project: &Project, command: &mut Command) {
        let mut first = vec![project.tools.join("bin")];
        if let Self::Sysroot(folder) = self {
            let bin = folder.join("bin");
            command.env("RUSTC", bin.join("rustc"));
            forget_rustup(command);
            first.push(bin);
        }
        command
            .env("PATH", environment::path_with(&first))
            .env("CARGO_TARGET_DIR", project.path("target/web"));
    }
}

/// Finds a toolchain with the target, or makes one.
pub fn ensure(project: &Project) -> Result<WasmToolchain> {
    if active_toolchain_has_it() {
        return Ok(WasmToolchain::Own);
    }
    if let Some(folder) = built_sysroot(project) {
        return Ok(WasmToolchain::Sysroot(folder));
    }
    if process::find("rustup").is_some() {
        say(format!("adding {TARGET} with rustup"));
        // One try is enough to learn that there is no toolchain server.
        let added = process::run(
            Command::new("rustup").env("RUSTUP_MAX_RETRIES", "1").args(["target", "add", TARGET]),
        );
        if added.is_ok() && active_toolchain_has_it() {
            return Ok(WasmToolchain::Own);
        }
        say("rustup cannot add the target here: building it from Debian's Rust packages instead");
    }
    install_debian_rust()?;
    build_sysroot(project).map(WasmToolchain::Sysroot)
}

fn active_toolchain_has_it() -> bool {
    process::output(Command::new("rustc").args(["--print", "sysroot"]))
        .is_ok_and(|sysroot| has_core(&Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib")))
}

fn has_core(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

fn built_sysroot(project: &Project) -> Option<PathBuf> {
    let compiler = Compiler::ask().ok()?;
    let folder = compiler.sysroot(project);
    has_core(&folder.join("lib/rustlib").join(TARGET).join("lib")).then_some(folder)
}

/// Debian's compiler, as it describes itself.
struct Compiler {
    release: String,
    host: String,
    llvm_major: String,
    library: PathBuf,
}

impl Compiler {
    fn ask() -> Result<Self> {
        let mut rustc = Command::new(DEBIAN_RUSTC);
        forget_rustup(rustc.arg("-vV"));
        let said = process::output(&mut rustc)?;
        let field = |name: &str| {
            said.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
                .ok_or_else(|| Fault::new(format!("`{DEBIAN_RUSTC} -vV` does not say its {name}")))
        };
        let llvm = field("LLVM version:")?;
        let mut rustc = Command::new(DEBIAN_RUSTC);
        forget_rustup(rustc.args(["--print", "sysroot"]));
        let library = PathBuf::from(process::output(&mut rustc)?).join("lib/rustlib");
        Ok(Self {
            release: field("release:")?,
            host: field("host:")?,
            llvm_major: llvm.split('.').next().unwrap_or_default().to_owned(),
            library,
        })
    }

    fn sysroot(&self, project: &Project) -> PathBuf {
        project.tools.join("wasm-sysroot").join(&self.release)
    }

    fn has_sources(&self) -> bool {
        self.library.join("src/rust/library/std/Cargo.toml").is_file()
    }
}

fn install_debian_rust() -> Result {
    const WHY: &str = "a compiler for wasm32";
    let ready =
        || Compiler::ask().is_ok_and(|compiler| compiler.has_sources() && Path::new(DEBIAN_CARGO).is_file());
    if !ready() {
        apt::install(&["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm"], WHY)?;
    }
    // The linker is a package of its own, named after the LLVM that the compiler says it uses.
    if process::find("rust-lld").is_none_or(|linker| !linker.exists()) {
        let linker = format!("lld-{}", Compiler::ask()?.llvm_major);
        apt::install(&[&linker], WHY)?;
    }
    if ready() {
        return Ok(());
    }
    Err(Fault::hinted(
        "there is no Rust compiler with library sources in /usr",
        "install the target with `rustup target add wasm32-unknown-unknown` where rustup has a network",
    ))
}

/// Builds the standard library for the target and lays a sysroot around it.
fn build_sysroot(project: &Project) -> Result<PathBuf> {
    let compiler = Compiler::ask()?;
    let sysroot = compiler.sysroot(project);
    say(format!("building the standard library {} for {TARGET} (about 1 min)", compiler.release));

    let scratch = project.tools.join("build/wasm-sysroot");
    remove(&scratch)?;
    write(&scratch.join("src/lib.rs"), "")?;
    write(
        &scratch.join("Cargo.toml"),
        "[package]\nname = \"sysroot\"\nedition = \"2024\"\n[profile.release]\npanic = \"abort\"\n[workspace]\n",
    )?;
    let mut cargo = Command::new(DEBIAN_CARGO);
    forget_rustup(&mut cargo);
    // The bitcode is what lets the front end be optimised across crates.
    cargo
        .current_dir(&scratch)
        .env("PATH", environment::path_with(&[PathBuf::from("/usr/bin")]))
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-C embed-bitcode=yes")
        .env("CARGO_TARGET_DIR", scratch.join("target"))
        .args(["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort,test"]);
    process::run(&mut cargo)?;

    // Laid out beside, then renamed: a sysroot that exists is whole.
    let fresh = scratch.join("sysroot");
    let library = fresh.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&library).map_err(at(&library))?;
    let built = scratch.join("target").join(TARGET).join("release/deps");
    for entry in fs::read_dir(&built).map_err(at(&built))?.flatten() {
        let name = entry.file_name();
        let is_library = Path::new(&name).extension().is_some_and(|extension| extension == "rlib");
        if is_library && !name.to_string_lossy().starts_with("libsysroot") {
            fs::copy(entry.path(), library.join(&name)).map_err(at(&entry.path()))?;
        }
    }
    let host = fresh.join("lib/rustlib").join(&compiler.host);
    symlink(compiler.library.join(&compiler.host), &host).map_err(at(&host))?;
    let rustc = fresh.join("bin/rustc");
    write(&rustc, &format!("#!/bin/sh\nexec {DEBIAN_RUSTC} --sysroot '{}' \"$@\"\n", sysroot.display()))?;
    fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)).map_err(at(&rustc))?;
    let cargo = fresh.join("bin/cargo");
    symlink(DEBIAN_CARGO, &cargo).map_err(at(&cargo))?;

    remove(&sysroot)?;
    if let Some(parent) = sysroot.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    fs::rename(&fresh, &sysroot).map_err(at(&sysroot))?;
    remove(&scratch)?;
    // What the front end was compiled against is gone; its crates would not be found again.
    remove(&project.path("target/web").join(TARGET))?;
    Ok(sysroot)
}

/// We were started by rustup's cargo, whose variables would lead Debian's tools back to it.
fn forget_rustup(command: &mut Command) {
    for name in
        ["RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "LD_LIBRARY_PATH", "CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS"]
    {
        command.env_remove(name);
    }
}

fn write(path: &Path, text: &str) -> Result {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    fs::write(path, text).map_err(at(path))
}

fn remove(folder: &Path) -> Result {
    if folder.exists() { fs::remove_dir_all(folder).map_err(at(folder)) } else { Ok(()) }
}
