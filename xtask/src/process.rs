//! Running other programs: said before they start, loud when they fail.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

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

/// A test command that ran.
pub struct Counted {
    /// Tests that passed, over all test programs.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
    /// How the command ended.
    pub status: ExitStatus,
}

/// Runs tests: their output is passed on, their summary lines are added up.
pub fn run_counted(command: &mut Command) -> Result<Counted> {
    eprintln!("$ {}", words(command));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cannot_start(command, &error))?;
    let (mut passed, mut failed) = (0, 0);
    if let Some(output) = child.stdout.take() {
        // Bytes, not lines of text: a test may print anything.
        for line in BufReader::new(output).split(b'\n').map_while(std::io::Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            if let Some(counts) = summary(&line) {
                passed += counts.0;
                failed += counts.1;
            }
        }
    }
    let status = child.wait().map_err(|error| cannot_start(command, &error))?;
    Ok(Counted { passed, failed, status })
}

/// The counts in `test result: ok. 3 passed; 0 failed; ..`.
fn summary(line: &str) -> Option<(u32, u32)> {
    let (_, counts) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
    let mut numbers =
        counts.split("; ").map(|part| part.split_once(' ').and_then(|(number, _)| number.parse().ok()));
    Some((numbers.next()??, numbers.next()??))
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

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn summaries_are_read() {
        let line = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(summary(line), Some((3, 2)));
        assert_eq!(summary("test pipeline::loads ... ok"), None);
    }
}
