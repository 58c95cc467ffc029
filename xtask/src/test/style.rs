//! How the code reads: formatting, lints, documentation.

use crate::fault::Result;
use crate::process;
use crate::project::Project;
use crate::test::Findings;

/// Rewrites the code in the project's format.
pub fn fmt(project: &Project) -> Result {
    process::run(project.cargo().args(["fmt", "--all"]))
}

/// Formatting, clippy and documentation.
pub fn lint(project: &Project) -> Result {
    fmt_check(project)?;
    clippy(project)?;
    docs(project).map(drop)
}

pub fn fmt_check(project: &Project) -> Result<Findings> {
    process::run(project.cargo().args(["fmt", "--all", "--check"]))?;
    Ok(Findings::one())
}

/// All crates, the front end included, compiled for this machine; the browser tests are named because they are not part
/// of an ordinary `cargo test`.
pub fn clippy(project: &Project) -> Result<Findings> {
    let clippy = ["clippy", "--workspace", "--locked"];
    process::run(project.cargo().args(clippy).args(["--all-targets", "--", "-D", "warnings"]))?;
    process::run(
        project.cargo().args(clippy).args(["--test", "e2e", "--test", "kill", "--", "-D", "warnings"]),
    )?;
    Ok(Findings::one())
}

pub fn docs(project: &Project) -> Result<Findings> {
    let mut cargo = project.cargo();
    cargo.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "--no-deps", "--locked"]);
    process::run(&mut cargo)?;
    Ok(Findings::one())
}
