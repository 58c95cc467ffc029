//! `cargo xtask cuda`: a release build with CUDA, also where no CUDA and no graphics card is installed.
//!
//! Without `nvcc` on the machine, the compiler and the libraries come as Python wheels into the tools folder, and the
//! driver's library, which lives only where the card is, is stood in for by an empty one of the same name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment;
use crate::fault::{Fault, Result, at};
use crate::process::{self, say};
use crate::project::Project;

const VERSION: &str = "13.0.*";
const WHEELS: [&str; 7] =
    ["cuda-nvcc", "nvvm", "cuda-crt", "cuda-runtime", "cuda-nvrtc", "cuda-cccl", "cublas"];
/// Cards of 2022 and later; `CUDA_COMPUTE_CAP` says otherwise.
const COMPUTE_CAPABILITY: &str = "90";

/// Builds `chapan` with CUDA into `target/cuda`.
pub fn run(project: &Project, options: &[String]) -> Result {
    let mut cargo = project.cargo();
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "chapan",
            "--bin",
            "chapan",
            "--features",
            "cuda",
        ])
        .args(options)
        .env("CARGO_TARGET_DIR", project.path("target/cuda"));
    if process::find("nvcc").is_none() {
        let toolkit = Toolkit::ensure(project)?;
        toolkit.choose(&mut cargo);
    }
    process::run(&mut cargo)?;
    println!("{}", project.path("target/cuda/release/chapan").display());
    Ok(())
}

/// CUDA's compiler and libraries from wheels.
struct Toolkit {
    root: PathBuf,
    stub: PathBuf,
}

impl Toolkit {
    fn ensure(project: &Project) -> Result<Self> {
        let folder = project.tools.join("cuda");
        let (venv, stub) = (folder.join("venv"), folder.join("stub"));
        let done = folder.join("done");
        if !done.is_file() {
            say(format!(
                "there is no nvcc: installing CUDA {VERSION} from Python wheels into {}",
                folder.display()
            ));
            process::run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).map_err(|fault| {
                Fault::hinted(
                    fault.to_string(),
                    "on Debian: sudo apt-get install python3-venv; or install CUDA itself",
                )
            })?;
            let mut pip = Command::new(venv.join("bin/python"));
            pip.args(["-m", "pip", "install", "--progress-bar", "off", "nvidia-curand"]);
            process::run(pip.args(WHEELS.map(|wheel| format!("nvidia-{wheel}=={VERSION}"))))?;
            let root = Self::root(&venv)?;
            link_libraries(&root)?;
            fs::create_dir_all(&stub).map_err(at(&stub))?;
            let library = stub.join("libcuda.so");
            let mut gcc = Command::new("gcc");
            gcc.args(["-shared", "-x", "c", "/dev/null", "-Wl,-soname,libcuda.so.1", "-o"]).arg(library);
            process::run(&mut gcc)?;
            fs::write(&done, VERSION).map_err(at(&done))?;
        }
        Ok(Self { root: Self::root(&venv)?, stub })
    }

    /// Where the wheels put the toolkit: below the folder of the interpreter's version.
    fn root(venv: &Path) -> Result<PathBuf> {
        let lib = venv.join("lib");
        let found = fs::read_dir(&lib).map_err(at(&lib))?.flatten();
        found
            .map(|entry| entry.path().join("site-packages/nvidia/cu13"))
            .find(|root| root.is_dir())
            .ok_or_else(|| Fault::new(format!("the wheels left no toolkit below `{}`", lib.display())))
    }

    fn choose(&self, cargo: &mut Command) {
        for name in ["CUDA_HOME", "CUDA_ROOT", "CUDA_PATH", "CUDA_TOOLKIT_ROOT_DIR"] {
            cargo.env(name, &self.root);
        }
        if environment::variable("CUDA_COMPUTE_CAP").is_none() {
            cargo.env("CUDA_COMPUTE_CAP", COMPUTE_CAPABILITY);
        }
        let flags = format!("-L {} -C link-arg=-Wl,--unresolved-symbols=ignore-all", self.stub.display());
        cargo.env("PATH", environment::path_with(&[self.root.join("bin")])).env("RUSTFLAGS", flags);
    }
}

/// The names that a linker looks for: `lib64`, and each library without its version.
fn link_libraries(root: &Path) -> Result {
    let lib = root.join("lib");
    let lib64 = root.join("lib64");
    if !lib64.exists() {
        symlink("lib", &lib64).map_err(at(&lib64))?;
    }
    for entry in fs::read_dir(&lib).map_err(at(&lib))?.flatten() {
        let name = entry.file_name();
        if let Some((stem, _)) = name.to_string_lossy().split_once(".so.") {
            let plain = lib.join(format!("{stem}.so"));
            if !plain.exists() {
                symlink(&name, &plain).map_err(at(&plain))?;
            }
        }
    }
    Ok(())
}
