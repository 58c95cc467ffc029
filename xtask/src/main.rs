//! Set-up and tasks: `cargo xtask serve`, `cargo xtask test` and what they are made of.
//!
//! This is the only place that knows toolchains and installers; everything else in the repository takes its tools as
//! given. One file per task, one file per tool. It depends on next to nothing, so that the first command of a newcomer
//! starts at once.
#![expect(clippy::print_stdout, reason = "a command line speaks on standard output")]

mod bench;
mod cuda;
mod environment;
mod fault;
mod fixtures;
mod process;
mod project;
mod server;
mod setup;
mod test;
mod tools;
mod wasm;
mod web;

use fault::{Fault, Result};
use project::Project;

const HELP: &str = "\
Set-up and tasks. What is missing is installed, pinned, into the tools folder; a second run does nothing twice.

Usage: cargo xtask <task> [options]

  serve [options]  build front end and server in release, serve on 127.0.0.1:8080; options go to `chapan serve`
  test [step..]    every check of the repository, or the named steps (below)
  build            front end and server in release
  fmt              format the code
  lint             formatting, clippy and documentation
  e2e [story..]    the page in a real browser
  kill [--rounds N] [--training N] [--competition N] [--seed S]   kill the server, a training or a competition at random
                   moments, and check what is left
  bench [generate|train|ssim|api|browser]   measure the engine beside the reference libraries, the server under fifty
                   students, or what the browser computes
  fixtures [name..]      make the parity fixtures again, with Python and the reference libraries
  cuda             release build with CUDA; without nvcc its toolkit comes from Python wheels
  setup [what..]   install only: wasm, trunk, bindgen, deny, browser (default: all)
  wasm <args..>    cargo for wasm32 with the right toolchain: `cargo xtask wasm check -p chapan-web`

CHAPAN_PYTHON names a Python that has the reference libraries already.
The tools folder is $CHAPAN_TOOLS_DIR, else $XDG_CACHE_HOME/chapan/tools, else ~/.cache/chapan/tools.

Steps of `test`, in order:
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
        "serve" => server::serve(&project, rest),
        "test" => test::run(&project, rest),
        "build" => server::build(&project).map(|built| println!("{}", built.program.display())),
        "fmt" => test::fmt(&project),
        "lint" => test::lint(&project),
        "e2e" => test::e2e(&project, rest),
        "kill" => test::kill(&project, rest),
        "bench" => bench::run(&project, rest),
        "fixtures" => fixtures::run(&project, rest),
        "cuda" => cuda::run(&project, rest),
        "setup" => setup::run(&project, rest),
        "wasm" => wasm::run(&project, rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}{}", test::list());
            Ok(())
        }
        other => Err(Fault::usage(format!("there is no task `{other}`"), "`cargo xtask help` lists them")),
    }
}
