//! The program itself starts and knows who it is.
//!
//! Being here also makes cargo build the program whenever the tests are built: the browser and the kill stories of the
//! integration crate start it.

use std::process::Command;

#[test]
fn the_program_says_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_chapan")).arg("--version").output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), concat!("chapan ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_unknown_command_is_bad_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_chapan")).arg("gallop").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
