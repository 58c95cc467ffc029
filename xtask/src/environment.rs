//! The process environment enters here and nowhere else.
#![expect(clippy::disallowed_methods, reason = "the one place of xtask that reads the environment")]

use std::ffi::OsString;
use std::path::PathBuf;

/// Command line after `cargo xtask`.
pub fn arguments() -> Vec<String> {
    std::env::args().skip(1).collect()
}

/// A variable that is set and not empty.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The folders of `PATH`, in order.
pub fn search_path() -> Vec<PathBuf> {
    variable("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// `PATH` with folders put in front.
pub fn path_with(first: &[PathBuf]) -> OsString {
    let folders = first.iter().cloned().chain(search_path());
    std::env::join_paths(folders).unwrap_or_else(|_| variable("PATH").unwrap_or_default())
}
