//! `cargo xtask bench`: figures, not verdicts.

use crate::fault::{Fault, Result};
use crate::process::{self, say};
use crate::project::Project;
use crate::tools::python;

/// `bench [generate|train|ssim|api|browser] [options]`.
pub fn run(project: &Project, arguments: &[String]) -> Result {
    let (what, options) =
        arguments.split_first().map_or(("generate", &[][..]), |(what, rest)| (what.as_str(), rest));
    match what {
        "generate" => against_python(project, "generate", options),
        "api" => api(project, options),
        "browser" => browser(project, options),
        "ssim" => ssim(project, options),
        "train" => against_python(project, "train", options),
        other => Err(Fault::usage(
            format!("there is no measure `{other}`"),
            "there are `generate`, `train`, `ssim`, `api` and `browser`",
        )),
    }
}

fn build(project: &Project) -> Result {
    process::run(project.cargo().args([
        "build",
        "--release",
        "--locked",
        "--package",
        "chapan",
        "--bin",
        "chapan",
    ]))
}

/// Our engine, or its training, against diffusers on the same weights, where there is a Python with it.
fn against_python(project: &Project, what: &str, options: &[String]) -> Result {
    build(project)?;
    let mut chapan = chapan_bench(project, what, options);
    process::run(&mut chapan)
}

/// `chapan bench` with the Python that is there.
fn chapan_bench(project: &Project, what: &str, options: &[String]) -> std::process::Command {
    let mut chapan = project.command(project.path("target/release/chapan"));
    chapan.args(["bench", what]).args(options);
    match python::find(project) {
        _ if options.iter().any(|option| option.starts_with("--python")) => {}
        Some(python) => drop(chapan.arg("--python").arg(python)),
        None => say(
            "no Python with the reference libraries here, so no comparison: set CHAPAN_PYTHON, or run `cargo xtask fixtures` once",
        ),
    }
    chapan
}

/// Structural similarity here, in scikit-image and in the browser's worker.
fn ssim(project: &Project, options: &[String]) -> Result {
    let found = crate::tools::browser::ensure()?;
    let dist = crate::web::build(project)?;
    build(project)?;
    let mut chapan = chapan_bench(project, "ssim", options);
    process::run(chapan.arg("--browser").arg(found.chromium).arg("--static-dir").arg(dist))
}

/// Fifty students who ask the server while it works.
fn api(project: &Project, options: &[String]) -> Result {
    build(project)?;
    process::run(
        project
            .cargo()
            .args(["bench", "--locked", "--package", "chapan-tests", "--bench", "api", "--"])
            .args(options),
    )
}

/// What the browser computes by itself, beside the same work outside of it.
fn browser(project: &Project, options: &[String]) -> Result {
    let found = crate::tools::browser::ensure()?;
    let dist = crate::web::build(project)?;
    build(project)?;
    process::run(
        project
            .cargo()
            .env("CHAPAN_E2E_DIST", dist)
            .env("CHAPAN_E2E_CHROMIUM", found.chromium)
            .env("CHAPAN_E2E_DRIVER", found.driver)
            .args(["bench", "--locked", "--package", "chapan-tests", "--bench", "browser", "--"])
            .args(options),
    )
}
