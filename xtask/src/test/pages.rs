//! The page: its weight, and its behaviour in a real browser.

use crate::fault::Result;
use crate::project::Project;
use crate::test::{Findings, native};
use crate::tools::browser;
use crate::web;

/// Builds the front end and holds the first page and the worker to their budgets.
pub fn budget(project: &Project) -> Result<Findings> {
    let dist = web::build(project)?;
    let weights = web::weigh(&dist)?;
    let first = web::check_budget(&weights)?;
    let worker = web::check_worker(&weights, &project.path("assets/models/chapan-mini-clip"))?;
    Ok(Findings { passed: 2, ..Findings::default() }.noted(format!("{first}; {worker}")))
}

/// `cargo xtask e2e`: the stories of `tests/e2e`, against the real server and the built front end.
pub fn e2e(project: &Project) -> Result<Findings> {
    e2e_filtered(project, &[])
}

/// The stories whose names contain one of the words.
pub fn e2e_filtered(project: &Project, words: &[String]) -> Result<Findings> {
    let browser = browser::ensure()?;
    let dist = web::build(project)?;
    native::build_program(project)?;
    let mut cargo = project.cargo();
    cargo
        .env("CHAPAN_E2E_DIST", dist)
        .env("CHAPAN_E2E_CHROMIUM", browser.chromium)
        .env("CHAPAN_E2E_DRIVER", browser.driver)
        .args(["test", "--workspace", "--locked", "--no-fail-fast", "--test", "e2e", "--"])
        // One story at a time: each has a browser and a model of its own.
        .args(["--test-threads", "1"])
        .args(words);
    native::counted(&mut cargo)
}
