//! `cargo xtask test`: every check of the repository, in an order that fails early, with the time each took.

mod dependencies;
mod native;
mod pages;
mod style;
mod wasm;

use std::time::{Duration, Instant};

use crate::fault::{Fault, Result};
use crate::process::say;
use crate::project::Project;

pub use style::{fmt, lint};

/// What a step found.
#[derive(Default, Debug, PartialEq, Eq, Clone)]
pub struct Findings {
    /// Tests, or checks, that passed.
    pub passed: u32,
    /// Tests, or checks, that failed.
    pub failed: u32,
    /// What a reader of the table should know.
    pub note: String,
}

impl Findings {
    /// One check that passed.
    pub fn one() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// With a remark for the table.
    pub fn noted(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
}

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Project) -> Result<Findings>,
}

const STEPS: [Step; 9] = [
    Step { name: "fmt", about: "formatting", run: style::fmt_check },
    Step { name: "clippy", about: "lints, warnings are errors", run: style::clippy },
    Step { name: "docs", about: "documentation, warnings are errors", run: style::docs },
    Step { name: "native", about: "unit and integration tests", run: native::tests },
    Step { name: "kill", about: "the server killed at random moments under load", run: native::kill },
    Step { name: "wasm", about: "the engine's tests under a wasm runner", run: wasm::tests },
    Step { name: "web", about: "front end with its size budget", run: pages::budget },
    Step { name: "deps", about: "licences, bans, sources and advisories", run: dependencies::check },
    Step { name: "e2e", about: "the page in a real browser", run: pages::e2e },
];

/// The steps, for the help text.
pub fn list() -> String {
    STEPS.iter().fold(String::new(), |list, step| list + &format!("  {:<17}{}\n", step.name, step.about))
}

/// `cargo xtask e2e`.
pub fn e2e(project: &Project, words: &[String]) -> Result {
    verdict(&pages::e2e_filtered(project, words)?)
}

/// `cargo xtask kill`.
pub fn kill(project: &Project, options: &[String]) -> Result {
    verdict(&native::kill_rounds(project, options)?)
}

fn verdict(findings: &Findings) -> Result {
    match findings.failed {
        0 => Ok(()),
        failed => Err(Fault::new(format!("{failed} failed"))),
    }
}

struct Row {
    name: &'static str,
    took: Duration,
    findings: Findings,
}

/// Runs all steps, or the named ones, to the end; fails when any failed.
pub fn run(project: &Project, names: &[String]) -> Result {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != name.as_str())) {
        return Err(Fault::usage(
            format!("there is no step `{unknown}`"),
            format!("the steps are:\n{}", list()),
        ));
    }
    let mut rows = Vec::new();
    for step in STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name)) {
        say(format!("{}: {}", step.name, step.about));
        let start = Instant::now();
        let findings = (step.run)(project).unwrap_or_else(|fault| {
            eprintln!("{fault}");
            Findings {
                failed: 1,
                note: fault.to_string().lines().next().unwrap_or_default().to_owned(),
                passed: 0,
            }
        });
        rows.push(Row { name: step.name, took: start.elapsed(), findings });
    }
    let (table, failed) = report(&rows);
    print!("{table}");
    if failed == 0 { Ok(()) } else { Err(Fault::new(format!("{failed} failed"))) }
}

fn report(rows: &[Row]) -> (String, u32) {
    let mut table = format!("\n{:<8} {:>8} {:>8} {:>8}\n", "step", "seconds", "passed", "failed");
    for Row { name, took, findings: Findings { passed, failed, note } } in rows {
        let line = format!("{name:<8} {:>8.1} {passed:>8} {failed:>8}  {note}", took.as_secs_f64());
        table.push_str(line.trim_end());
        table.push('\n');
    }
    let total = rows.iter().map(|row| row.took.as_secs_f64()).sum::<f64>();
    let passed: u32 = rows.iter().map(|row| row.findings.passed).sum();
    let failed: u32 = rows.iter().map(|row| row.findings.failed).sum();
    let end = format!("{:<8} {total:>8.1}\n\n{passed} passed, {failed} failed\n", "all");
    (table + &end, failed)
}

#[cfg(test)]
mod tests {
    use super::{Duration, Findings, Row, report};

    #[test]
    fn the_last_line_adds_up() {
        let row = |name, passed, failed| Row {
            name,
            took: Duration::from_millis(1500),
            findings: Findings { passed, failed, note: String::new() },
        };
        let (table, failed) = report(&[row("fmt", 1, 0), row("native", 40, 2)]);
        assert_eq!(failed, 2);
        assert!(table.ends_with("all           3.0\n\n41 passed, 2 failed\n"), "{table}");
    }
}
