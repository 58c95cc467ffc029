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

/// Writes rows as columns, each as wide as its widest cell.
pub fn say_table<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> Result<(), Failure> {
    let rows: Vec<[String; N]> = rows.into_iter().collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in &rows {
        let line: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        say(line.join("  ").trim_end())?;
    }
    Ok(())
}

/// A number of bytes for people: `31.4 MB`.
pub fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        _ if bytes < 1e3 => format!("{bytes} B"),
        _ if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        _ if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.1} GB", bytes / 1e9),
    }
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

/// Writes a value as one line of JSON to standard output, for programs that read events.
pub fn say_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| {
        Failure::new(format!("cannot write the result as JSON: {error}"), "please report this")
    })?;
    say(&text)
}

/// Writes a value as a JSON file.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| {
        Failure::new(format!("cannot write the result as JSON: {error}"), "please report this")
    })?;
    bytes.push(b'\n');
    write_file(path, &bytes)
}
