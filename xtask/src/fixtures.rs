//! `cargo xtask fixtures`: the parity fixtures, made again by the reference libraries.

use crate::fault::{Fault, Result, at};
use crate::process;
use crate::project::Project;
use crate::tools::python;

const SCRIPTS: &str = "tests/reference/engine";

/// Runs every script of `tests/reference/engine`, or the named ones; each knows where its fixtures belong.
pub fn run(project: &Project, names: &[String]) -> Result {
    let folder = project.path(SCRIPTS);
    let mut scripts: Vec<_> = std::fs::read_dir(&folder)
        .map_err(at(&folder))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .collect();
    scripts.sort();
    let stem = |path: &std::path::Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let all: Vec<String> = scripts.iter().filter_map(|path| stem(path)).collect();
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        return Err(Fault::usage(
            format!("`{unknown}` makes no fixtures"),
            format!("choose from {}", all.join(", ")),
        ));
    }
    let python = python::ensure(project)?;
    for script in scripts {
        if names.is_empty() || stem(&script).is_some_and(|name| names.contains(&name)) {
            process::run(project.command(&python).arg(&script))?;
        }
    }
    Ok(())
}
