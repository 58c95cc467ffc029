//! What a training says: a bar and lines for people, JSON for programs.

use chapan_api::training::{Preflight, Severity, TrainingEvent};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{Failure, output};
use crate::jobs::training::Wish;

/// Says what happens.
pub struct Teller {
    json: bool,
    bar: ProgressBar,
}

impl Teller {
    /// For programs or for people.
    pub fn new(json: bool) -> Self {
        let bar = ProgressBar::new(1);
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {elapsed} (left {eta})") {
            bar.set_style(style);
        }
        Self { json, bar }
    }

    /// What is going on before the first step.
    pub fn doing(&self, what: &'static str) {
        self.bar.set_message(what);
        self.bar.tick();
    }

    /// How many pictures are encoded.
    pub fn encoding(&self, done: usize, of: usize) {
        self.bar.set_message("encoding pictures");
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
    }

    /// What was found and what is planned.
    pub fn preflight(&self, preflight: &Preflight) -> Result<(), Failure> {
        if self.json {
            return line(&serde_json::json!({ "kind": "preflight", "preflight": preflight }));
        }
        self.bar.suspend(|| {
            for finding in &preflight.findings {
                let word = match finding.severity {
                    Severity::Note => "note",
                    Severity::Warning => "warning",
                    Severity::Error => "problem",
                };
                let file = finding.file.as_deref().map_or_else(String::new, |file| format!("`{file}`: "));
                output::say(&format!("{word}: {file}{}", finding.message))?;
            }
            if preflight.parameters == 0 {
                return Ok(());
            }
            let sizes: Vec<String> =
                preflight.buckets.iter().map(|(size, count)| format!("{count} at {size}")).collect();
            output::say(&format!(
                "{} pictures to learn ({}), {} of their class, {} to measure with",
                preflight.references,
                sizes.join(", "),
                preflight.class_pictures,
                preflight.held_out
            ))?;
            output::say(&format!(
                "{} trained numbers, {} of file; about {} of {} memory, {} on the disk; about {}",
                preflight.parameters,
                output::size(preflight.file_bytes),
                output::size(preflight.memory_planned_bytes),
                output::size(preflight.memory_free_bytes),
                output::size(preflight.disk_planned_bytes),
                duration(preflight.estimated_ms.unwrap_or(0))
            ))
        })
    }

    /// An event. A reader that has gone away does not stop the training.
    pub fn tell(&self, event: &TrainingEvent) -> Wish {
        if self.json {
            drop(line(event));
        }
        match event {
            TrainingEvent::Started { step, max_train_steps, .. } => {
                self.bar.set_length(*max_train_steps);
                self.bar.set_position(*step);
                self.bar.reset_eta();
                self.bar.set_message("training");
            }
            TrainingEvent::Step { step, loss, .. } => {
                self.bar.set_position(*step);
                self.bar.set_message(format!("training, loss {loss:.4}"));
            }
            TrainingEvent::Validation { step, loss } if !self.json => {
                let text = format!("step {step}: loss of held-out pictures {loss:.4}");
                self.bar.suspend(|| drop(output::say(&text)));
            }
            TrainingEvent::Sample { file, prompt, .. } if !self.json => {
                self.bar.suspend(|| drop(output::say(&format!("{file}: {prompt}"))));
            }
            _ => {}
        }
        Wish::Continue
    }

    /// The bar goes away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// One line of JSON.
fn line(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| {
        Failure::new(format!("cannot write the result as JSON: {error}"), "please report this")
    })?;
    output::say(&text)
}

/// Milliseconds for people: `40 s`, `12 min`, `3.5 h`.
fn duration(ms: u64) -> String {
    let seconds = ms as f64 / 1000.0;
    match seconds {
        _ if seconds < 90.0 => format!("{seconds:.0} s"),
        _ if seconds < 5400.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}
