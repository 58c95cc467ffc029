//! Set-up and tasks: `cargo xtask serve`, `cargo xtask test` and what they are made of.
//!
//! This is the only place that knows toolchains and installers; everything else in the repository takes its tools as
//! given. One file per task, one file per tool. It depends on next to nothing, so that the first command of a newcomer
//! starts at once.
#![expect(clippy::print_stdout, reason = "a command line speaks on standard output")]

mod environment;
mod fault;
mod process;
mod project;
mod setup;
mod tools;
mod wasm;

use fault::{Fault, Result};
use project::Project;

const HELP: &str = "\
Set-up and tasks. What is missing is installed, pinned, into the tools folder; a second run does nothing twice.

Usage: cargo xtask <task> [options]

  setup [what..]   install only: wasm, trunk, bindgen, browser (default: all)
  wasm <args..>    cargo for wasm32 with the right toolchain: `cargo xtask wasm check -p chapan-web`

The tools folder is $CHAPAN_TOOLS_DIR, else $XDG_CACHE_HOME/chapan/tools, else ~/.cache/chapan/tools.
";

fn main() -> std::process::ExitCode {
    match run(&environment::arguments()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            std::process::ExitCode::from(if fault.is_usage() { 2 } else { 1 })
        }
    }
}

fn run(arguments: &[String]) -> Result {
    let (task, rest) = match arguments.split_first() {
        None => ("help", &[][..]),
        Some((task, rest)) => (task.as_str(), rest),
    };
    let project = Project::locate()?;
    match task {
        "setup" => setup::run(&project, rest),
        "wasm" => wasm::run(&project, rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(Fault::usage(format!("there is no task `{other}`"), "`cargo xtask help` lists them")),
    }
}
