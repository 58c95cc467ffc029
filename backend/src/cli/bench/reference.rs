//! The reference library in a process of its own, spoken to line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine;
use chapan_engine::pipelines::GenerationParams;
use serde::Deserialize;
use serde_json::json;

use crate::cli::Failure;

/// The Python side; it travels inside the program, so that a bench needs no repository.
const SCRIPT: &str = include_str!("../../../../tests/reference/bench_generate.py");

/// A running diffusers with the model in memory.
pub struct Reference {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    peak_memory_bytes: Option<u64>,
}

/// One picture of the reference.
pub struct Answer {
    /// How long it took there.
    pub seconds: f64,
    /// The picture.
    pub rgb: Vec<u8>,
}

#[derive(Deserialize)]
struct Line {
    seconds: f64,
    rgb: String,
    peak_memory_bytes: Option<u64>,
}

impl Reference {
    /// Starts Python and waits until the model is loaded.
    pub fn start(python: &Path, model: &Path) -> Result<Self, Failure> {
        let fail = |error: &dyn std::fmt::Display| {
            let fact = format!("`{}` cannot be started: {error}", python.display());
            Failure::new(fact, "name a Python that has torch, diffusers and transformers installed")
        };
        let mut child = Command::new(python)
            .args(["-u", "-c", SCRIPT])
            .arg(model)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| fail(&error))?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(fail(&"its pipes are missing"));
        };
        let mut reference =
            Self { child, requests, answers: BufReader::new(answers), peak_memory_bytes: None };
        match reference.line()?.trim() {
            "ready" => Ok(reference),
            other => Err(fail(&format!("it answered `{other}`"))),
        }
    }

    /// Draws one picture there.
    pub fn draw(&mut self, params: &GenerationParams) -> Result<Answer, Failure> {
        let request = json!({
            "prompt": params.prompt,
            "seed": params.seed,
            "width": params.width,
            "height": params.height,
            "num_inference_steps": params.num_inference_steps,
            "guidance_scale": params.guidance_scale,
        });
        writeln!(self.requests, "{request}")
            .and_then(|()| self.requests.flush())
            .map_err(|error| gone(&error))?;
        let line: Line = serde_json::from_str(&self.line()?).map_err(|error| gone(&error))?;
        self.peak_memory_bytes = self.peak_memory_bytes.max(line.peak_memory_bytes);
        let rgb = base64::engine::general_purpose::STANDARD.decode(line.rgb).map_err(|error| gone(&error))?;
        Ok(Answer { seconds: line.seconds, rgb })
    }

    /// Ends the process; the most memory that it held, where the system says so.
    pub fn finish(self) -> Result<Option<u64>, Failure> {
        let Self { mut child, requests, peak_memory_bytes, .. } = self;
        // The end of its input tells it to stop.
        drop(requests);
        child.wait().map_err(|error| gone(&error))?;
        Ok(peak_memory_bytes)
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => {
                let status =
                    self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(gone(&status))
            }
            Ok(_) => Ok(line),
            Err(error) => Err(gone(&error)),
        }
    }
}

fn gone(reason: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("diffusers stopped answering: {reason}"), "read what it wrote above")
}
