//! A Python with the reference libraries: for making fixtures and for comparing speed, never for running the studio.

use std::path::PathBuf;
use std::process::Command;

use crate::environment;
use crate::fault::{Fault, Result, at};
use crate::process::{self, say};
use crate::project::Project;

const REQUIREMENTS: &str = "tests/reference/requirements.txt";

/// The interpreter: `CHAPAN_PYTHON` where it is set, else a virtual environment in the tools folder, made on first use.
pub fn ensure(project: &Project) -> Result<PathBuf> {
    if let Some(named) = environment::variable("CHAPAN_PYTHON") {
        return Ok(PathBuf::from(named));
    }
    let folder = project.tools.join("python");
    let python = folder.join("bin/python");
    let wanted = project.path(REQUIREMENTS);
    let wanted_text = std::fs::read_to_string(&wanted).map_err(at(&wanted))?;
    let installed = folder.join("requirements.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == wanted_text) {
        return Ok(python);
    }
    say(format!("installing the reference libraries into {} (about 3 min, several GB)", folder.display()));
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).map_err(|fault| {
        Fault::hinted(fault.to_string(), "on Debian: sudo apt-get install python3-venv; or set CHAPAN_PYTHON")
    })?;
    process::run(
        Command::new(&python).args(["-m", "pip", "install", "--progress-bar", "off", "-r"]).arg(&wanted),
    )?;
    // Written last: an environment that has it is whole.
    std::fs::write(&installed, wanted_text).map_err(at(&installed))?;
    Ok(python)
}

/// The interpreter, if there is one already.
pub fn find(project: &Project) -> Option<PathBuf> {
    let named = environment::variable("CHAPAN_PYTHON").map(PathBuf::from);
    named
        .or_else(|| Some(project.tools.join("python/bin/python")))
        .filter(|python| process::is_executable(python))
}
