//! The server: `cargo xtask build` and `cargo xtask serve`.

use std::path::PathBuf;

use crate::fault::Result;
use crate::process::{self, say};
use crate::project::Project;
use crate::web;

/// Front end and server, as a person runs them.
pub struct Built {
    /// The program.
    pub program: PathBuf,
    /// The folder of the front end.
    pub dist: PathBuf,
}

/// `cargo xtask build`.
pub fn build(project: &Project) -> Result<Built> {
    say("building the front end");
    let dist = web::build(project)?;
    say("building the server");
    process::run(project.cargo().args([
        "build",
        "--release",
        "--locked",
        "--package",
        "chapan",
        "--bin",
        "chapan",
    ]))?;
    Ok(Built { program: project.path("target/release/chapan"), dist })
}

/// `cargo xtask serve [options of chapan serve]`.
pub fn serve(project: &Project, options: &[String]) -> Result {
    let built = build(project)?;
    let mut server = project.command(&built.program);
    server.arg("serve").arg("--static-dir").arg(&built.dist).args(options);
    process::run(&mut server)
}
