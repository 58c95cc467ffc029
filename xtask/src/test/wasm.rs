//! The shared crates where they also live: compiled to WebAssembly and run in the browser.

use crate::fault::{Fault, Result};
use crate::project::Project;
use crate::test::{Findings, native};
use crate::tools::{Tool, browser, wasm_target};

/// Crates that have a `tests/wasm.rs`.
const CRATES: [&str; 4] = ["api", "engine", "metrics", "world"];

/// Runs every `shared/*/tests/wasm.rs` under the runner of wasm-bindgen, in Chromium.
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
        .args(["test", "--locked", "--target", wasm_target::TARGET, "--test", "wasm"]);
    let with_tests: Vec<&str> = CRATES
        .into_iter()
        .filter(|name| project.path(&format!("shared/{name}/tests/wasm.rs")).is_file())
        .collect();
    if with_tests.is_empty() {
        return Err(Fault::new("no crate under `shared` has a `tests/wasm.rs`"));
    }
    for name in with_tests {
        cargo.arg("--package").arg(format!("chapan-{name}"));
    }
    native::counted(&mut cargo)
}
