//! What `cargo xtask` tells the tests: where browser, driver and the built page are.
#![expect(clippy::disallowed_methods, reason = "the one place of the tests that reads the environment")]

use std::path::PathBuf;

use crate::tree;

/// The built front end.
pub fn dist() -> PathBuf {
    named("CHAPAN_E2E_DIST").unwrap_or_else(|| tree::root().join("dist"))
}

/// The browser; the driver knows the usual places itself.
pub fn chromium() -> Option<PathBuf> {
    named("CHAPAN_E2E_CHROMIUM")
}

/// The program that drives the browser.
pub fn chromedriver() -> PathBuf {
    named("CHAPAN_E2E_DRIVER").unwrap_or_else(|| PathBuf::from("chromedriver"))
}

/// The server's program, which cargo puts beside the folder of the tests.
///
/// # Panics
/// When it has not been built.
pub fn server() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.ancestors().nth(2).expect("a test lies in target/<profile>/deps");
    let program = folder.join("chapan");
    assert!(program.is_file(), "`{}` is not built\nhint: cargo build --package chapan", program.display());
    program
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}
