//! Running other programs: said before they start, loud when they fail.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::environment;
use crate::fault::{Fault, Result};

/// Says what is being done, on standard error, so that results stay alone on standard output.
pub fn say(line: impl AsRef<str>) {
    eprintln!("\u{2022} {}", line.as_ref());
}

/// The command as a person would type it.
pub fn words(command: &Command) -> String {
    let quoted = |word: &OsStr| {
        let word = word.to_string_lossy();
        if word.contains(|c: char| c.is_whitespace() || "\"'$<>|&;*".contains(c)) || word.is_empty() {
            format!("'{word}'")
        } else {
            word.into_owned()
        }
    };
    std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect::<Vec<_>>().join(" ")
}

/// Runs a command with our input and output; a status other than 0 is a fault.
pub fn run(command: &mut Command) -> Result {
    eprintln!("$ {}", words(command));
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Fault::new(format!("`{}` ended with {status}", words(command))))
    }
}

/// Runs a command quietly and returns what it printed on standard output, without the last line break.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| cannot_start(command, &error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Fault::new(format!(
            "`{}` ended with {}: {}",
            words(command),
            output.status,
            said.trim()
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Whether a command runs and succeeds, quietly.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Where a program is found on `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    environment::search_path().iter().map(|folder| folder.join(program)).find(|path| is_executable(path))
}

/// Whether a path is a file that may be run.
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Fault {
    Fault::new(format!("`{}` could not be started: {error}", words(command)))
}
