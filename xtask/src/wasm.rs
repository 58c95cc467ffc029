//! `cargo xtask wasm ..`: any cargo command for wasm32 with the toolchain that has the target.

use crate::fault::{Fault, Result};
use crate::process;
use crate::project::Project;
use crate::tools::wasm_target;

/// Passes the arguments to cargo, for wasm32, in the target folder of the front end.
pub fn run(project: &Project, arguments: &[String]) -> Result {
    let Some((task, rest)) = arguments.split_first() else {
        return Err(Fault::usage(
            "no cargo command was given",
            "for example `cargo xtask wasm check -p chapan-web`",
        ));
    };
    let toolchain = wasm_target::ensure(project)?;
    let mut cargo = toolchain.cargo(project);
    process::run(cargo.arg(task).args(["--target", wasm_target::TARGET]).args(rest))
}
