//! The shared crates where they also live: compiled to WebAssembly and run in the browser.

use std::path::Path;

use crate::fault::{Fault, Result, at};
use crate::project::Project;
use crate::test::{Findings, native};
use crate::tools::{Tool, browser, wasm_target};

const CRATES: [&str; 4] = ["api", "engine", "metrics", "world"];
/// What a test that runs under the wasm runner names itself with.
const MARK: &str = "wasm_bindgen_test";

/// Runs every file of `shared/*/tests` that has tests for wasm, under the runner of wasm-bindgen, in Chromium.
pub fn tests(project: &Project) -> Result<Findings> {
    let toolchain = wasm_target::ensure(project)?;
    let runner = Tool::wasm_bindgen(project)?.ensure(project)?.with_file_name("wasm-bindgen-test-runner");
    let browser = browser::ensure()?;
    let mut cargo = toolchain.cargo(project);
    cargo
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner)
        .env("CHROMEDRIVER", browser.driver)
        .env("WASM_BINDGEN_USE_BROWSER", "1")
        .env("WASM_BINDGEN_TEST_TIMEOUT", "600")
        .args(["test", "--locked", "--target", wasm_target::TARGET]);
    let mut found = false;
    for name in CRATES {
        let tests = with_mark(&project.path(&format!("shared/{name}/tests")))?;
        if !tests.is_empty() {
            cargo.arg("--package").arg(format!("chapan-{name}"));
            found = true;
        }
        for test in tests {
            cargo.arg("--test").arg(test);
        }
    }
    if !found {
        return Err(Fault::new(format!("no file in `shared/*/tests` has a `{MARK}`")));
    }
    native::counted(&mut cargo)
}

/// Names of the test files in a folder that hold tests for wasm.
fn with_mark(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if !folder.is_dir() {
        return Ok(names);
    }
    for entry in std::fs::read_dir(folder).map_err(at(folder))?.flatten() {
        let path = entry.path();
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        if is_rust && std::fs::read_to_string(&path).map_err(at(&path))?.contains(MARK) {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}
