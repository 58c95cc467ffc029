//! The reference library in a process of its own, spoken to line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine;
use chapan_engine::pipelines::GenerationParams;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cli::Failure;

/// The Python side; it travels inside the program, so that a bench needs no repository.
const SCRIPT: &str = include_str!("../../../../tests/reference/bench_generate.py");

/// A Python process that answers every line of JSON with one.
pub struct Conversation {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Conversation {
    /// Starts `script` with `arguments`, says `given` if there is something to say first, and waits until it is ready.
    pub fn start(
        python: &Path,
        script: &str,
        arguments: &[&Path],
        given: Option<&Value>,
    ) -> Result<Self, Failure> {
        let fail = |error: &dyn std::fmt::Display| {
            let fact = format!("`{}` cannot be started: {error}", python.display());
            Failure::new(
                fact,
                "name a Python that has torch, diffusers, transformers and scikit-image installed",
            )
        };
        let mut child = Command::new(python)
            .args(["-u", "-c", script])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| fail(&error))?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(fail(&"its pipes are missing"));
        };
        let mut conversation = Self { child, requests, answers: BufReader::new(answers) };
        if let Some(given) = given {
            conversation.say(given)?;
        }
        match conversation.line()?.trim() {
            "ready" => Ok(conversation),
            other => Err(fail(&format!("it answered `{other}`"))),
        }
    }

    /// One question and its answer.
    pub fn ask<T: DeserializeOwned>(&mut self, question: &Value) -> Result<T, Failure> {
        self.say(question)?;
        serde_json::from_str(&self.line()?).map_err(|error| gone(&error))
    }

    /// Ends the process.
    pub fn finish(self) -> Result<(), Failure> {
        let Self { mut child, requests, .. } = self;
        // The end of its input tells it to stop.
        drop(requests);
        child.wait().map(drop).map_err(|error| gone(&error))
    }

    fn say(&mut self, value: &Value) -> Result<(), Failure> {
        writeln!(self.requests, "{value}").and_then(|()| self.requests.flush()).map_err(|error| gone(&error))
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

/// A running diffusers with the model in memory.
pub struct Reference {
    conversation: Conversation,
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
        let conversation = Conversation::start(python, SCRIPT, &[model], None)?;
        Ok(Self { conversation, peak_memory_bytes: None })
    }

    /// Draws one picture there.
    pub fn draw(&mut self, params: &GenerationParams) -> Result<Answer, Failure> {
        let line: Line = self.conversation.ask(&json!({
            "prompt": params.prompt,
            "seed": params.seed,
            "width": params.width,
            "height": params.height,
            "num_inference_steps": params.num_inference_steps,
            "guidance_scale": params.guidance_scale,
        }))?;
        self.peak_memory_bytes = self.peak_memory_bytes.max(line.peak_memory_bytes);
        let rgb = base64::engine::general_purpose::STANDARD.decode(line.rgb).map_err(|error| gone(&error))?;
        Ok(Answer { seconds: line.seconds, rgb })
    }

    /// Ends the process; the most memory that it held, where the system says so.
    pub fn finish(self) -> Result<Option<u64>, Failure> {
        self.conversation.finish()?;
        Ok(self.peak_memory_bytes)
    }
}

fn gone(reason: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("the reference stopped answering: {reason}"), "read what it wrote above")
}
