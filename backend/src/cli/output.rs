//! What a command says: results on standard output, progress on standard error and only where a person watches.

use std::io::{ErrorKind, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::Failure;

/// Writes one line of result to standard output. A reader who closed the pipe (`| head`) has what they wanted.
pub fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {error}"), "is the disk full?"))
        }
        _ => Ok(()),
    }
}

/// Writes a value as JSON to standard output.
pub fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        Failure::new(format!("cannot write the result as JSON: {error}"), "please report this")
    })?;
    say(&text)
}

/// A progress bar on standard error; nothing at all where standard error is not a terminal.
pub fn progress_bar(steps: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {elapsed}");
    let bar = ProgressBar::new(steps);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

/// Writes a file so that nobody ever sees half of it: first beside its place, then renamed into it.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fail = |error: std::io::Error| {
        Failure::new(
            format!("cannot write `{}`: {error}", path.display()),
            "does the folder exist, may you write there, and is there space?",
        )
    };
    let Some(name) = path.file_name() else {
        return Err(Failure::usage(
            format!("`{}` is not a file name", path.display()),
            "name the file to write, such as picture.png",
        ));
    };
    let mut partial = name.to_owned();
    partial.push(format!(".{}.part", std::process::id()));
    let partial = path.with_file_name(partial);
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    written.map_err(|error| {
        // Best effort: the first error is the one to report.
        let _ = std::fs::remove_file(&partial);
        fail(error)
    })
}
