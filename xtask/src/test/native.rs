//! Tests that run on this machine without a browser.

use crate::fault::{Fault, Result};
use crate::process::{self, Counted};
use crate::project::Project;
use crate::test::Findings;

/// Every unit and integration test of the workspace.
pub fn tests(project: &Project) -> Result<Findings> {
    counted(project.cargo().args(["test", "--workspace", "--locked", "--no-fail-fast"]))
}

/// Ten rounds; `cargo xtask kill --rounds 100` runs more.
pub fn kill(project: &Project) -> Result<Findings> {
    kill_rounds(project, &[])
}

/// `cargo xtask kill [--rounds N] [--seed S]`.
pub fn kill_rounds(project: &Project, options: &[String]) -> Result<Findings> {
    build_program(project)?;
    let mut cargo = project.cargo();
    counted(cargo.args(["test", "--workspace", "--locked", "--test", "kill", "--"]).args(options))
}

/// Builds `target/debug/chapan` for tests of other crates that start it.
///
/// Cargo builds a program only with the tests of its own crate, so those of the command line are named;
/// `--workspace` keeps the features, and so the compiled dependencies, those of the other steps.
pub fn build_program(project: &Project) -> Result {
    process::run(project.cargo().args(["test", "--workspace", "--locked", "--no-run", "--test", "cli"]))
}

/// Runs a test command and turns its summary lines into findings.
pub fn counted(command: &mut std::process::Command) -> Result<Findings> {
    let Counted { passed, failed, status } = process::run_counted(command)?;
    if !status.success() && failed == 0 {
        return Err(Fault::new(format!(
            "`{}` ended with {status} before all tests ran",
            process::words(command)
        )));
    }
    if passed + failed == 0 {
        return Err(Fault::new(format!("`{}` ran no test at all", process::words(command))));
    }
    Ok(Findings { passed, failed, note: String::new() })
}
