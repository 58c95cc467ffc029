//! A training killed at random moments and gone on with: the LoRA must be the same to the byte, however often that happens.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chapan_tests::fixture::fixture_path;
use chapan_tests::surroundings;

use crate::load::Rng;

/// Steps of the training, and between its checkpoints.
const STEPS: &str = "60";
const BETWEEN: &str = "4";
/// Lines that a whole training writes, roughly: a kill comes after fewer.
const LINES: u64 = 30;
/// The longest that is waited after a line, in turns of an empty loop: kills fall between lines too.
const TURNS: u64 = 4_000_000;

/// What came of it.
pub struct Outcome {
    /// Trainings that ended.
    pub ended: u32,
    /// What is wrong, if something is.
    pub fault: Option<String>,
}

/// Kills trainings `kills` times.
pub fn kill(kills: u32, rng: &mut Rng) -> Outcome {
    let folder = tempfile::tempdir().expect("there is room for a training");
    let references = folder.path().join("references");
    fs::create_dir(&references).expect("a new folder");
    for name in ["rgb.png", "baseline.jpg", "lossy.webp"] {
        fs::copy(fixture_path("pictures").join(name), references.join(name))
            .expect("the fixture is committed");
    }
    let output = |name: &str| folder.path().join(name).join("lora");
    let expected = match to_the_end(&references, &output("whole")) {
        Ok(bytes) => bytes,
        Err(fault) => return Outcome { ended: 0, fault: Some(fault) },
    };
    let (mut killed, mut ended) = (0, 0);
    while killed < kills || ended == 0 {
        let place = output(&format!("killed-{ended}"));
        let was_killed =
            killed < kills && killed_after(command(&references, &place), rng.below(LINES), rng.below(TURNS));
        if was_killed {
            killed += 1;
            continue;
        }
        match to_the_end(&references, &place) {
            Ok(bytes) if bytes == expected => ended += 1,
            Ok(_) => return Outcome { ended, fault: Some(format!("training {ended} has other bytes")) },
            Err(fault) => return Outcome { ended, fault: Some(fault) },
        }
    }
    Outcome { ended, fault: None }
}

fn command(references: &Path, output: &Path) -> Command {
    let mut command = Command::new(surroundings::server());
    command.args(["train-lora", "--device", "cpu", "--json", "--resume", "--trigger", "zed", "--rank", "2"]);
    command.args(["--max-train-steps", STEPS, "--checkpointing-steps", BETWEEN, "--train-batch-size", "2"]);
    command.args(["--lr-scheduler", "cosine", "--ema-decay", "0.9", "--caption-dropout", "0.3"]);
    command.args(["--sample-steps", "20", "--validation-steps", "0"]);
    command.arg("--model").arg(fixture_path("pipelines/tiny-sdxl"));
    command.arg("--references").arg(references).arg("--output").arg(output);
    command.env_clear().stderr(Stdio::piped());
    command
}

/// The LoRA of a training that is left alone.
fn to_the_end(references: &Path, output: &Path) -> Result<Vec<u8>, String> {
    let run = command(references, output).output().map_err(|error| error.to_string())?;
    if !run.status.success() {
        return Err(format!("the training failed: {}", String::from_utf8_lossy(&run.stderr)));
    }
    let path: PathBuf = output.join("lora.safetensors");
    fs::read(&path).map_err(|error| format!("`{}`: {error}", path.display()))
}

/// Whether a command was killed, after so many lines and turns, before it ended by itself.
pub fn killed_after(mut command: Command, lines: u64, turns: u64) -> bool {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    let told = child.stdout.take().map(|told| BufReader::new(told).lines());
    let seen = told.map_or(0, |told| told.take(lines as usize).map_while(Result::ok).count());
    for _ in 0..turns {
        std::hint::spin_loop();
    }
    let is_running = seen as u64 == lines && child.try_wait().is_ok_and(|status| status.is_none());
    // One that has ended cannot be killed, and need not be.
    let killed = is_running && child.kill().is_ok();
    let status = child.wait().expect("the program ends");
    killed && !status.success()
}
