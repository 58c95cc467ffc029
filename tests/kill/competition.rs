//! A competition killed at random moments and gone on with: every file that it keeps must be the same to the byte, however
//! often that happens.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chapan_tests::{surroundings, tree};

use crate::load::Rng;
use crate::training::killed_after;

/// A kill comes after fewer lines: a whole run says 95, one that goes on has less left to say.
const LINES: u64 = 90;
/// The longest that is waited after a line, in turns of an empty loop: pictures are drawn between lines.
const TURNS: u64 = 50_000_000;
/// The log of a training says that it was begun again.
const LOG: &str = "events.jsonl";

/// What came of it.
pub struct Outcome {
    /// Competitions that ended.
    pub ended: u32,
    /// What is wrong, if something is.
    pub fault: Option<String>,
}

/// Kills competitions `kills` times.
pub fn kill(kills: u32, rng: &mut Rng) -> Outcome {
    let folder = tempfile::tempdir().expect("there is room for a competition");
    let output = |name: &str| folder.path().join(name);
    let expected = match to_the_end(&output("whole")) {
        Ok(files) => files,
        Err(fault) => return Outcome { ended: 0, fault: Some(fault) },
    };
    let (mut killed, mut ended) = (0, 0);
    while killed < kills || ended == 0 {
        let place = output(&format!("killed-{ended}"));
        if killed < kills && killed_after(command(&place), rng.below(LINES), rng.below(TURNS)) {
            killed += 1;
            continue;
        }
        let files = match to_the_end(&place) {
            Ok(files) => files,
            Err(fault) => return Outcome { ended, fault: Some(fault) },
        };
        let differing = expected.iter().find(|(name, bytes)| files.get(*name) != Some(*bytes));
        if let Some((name, _)) = differing {
            let fault = format!("competition {ended}: `{}` has other bytes", name.display());
            return Outcome { ended, fault: Some(fault) };
        }
        ended += 1;
    }
    Outcome { ended, fault: None }
}

fn command(output: &Path) -> Command {
    let mut command = Command::new(surroundings::server());
    command.args(["compete", "--device", "cpu", "--json", "--prompt", "aldar kose on a horse"]);
    // Nobody can be so far ahead: both rounds are run.
    command.args(["--score-gap", "-2", "--iterations", "2", "--num-images-per-prompt", "3"]);
    command.args(["--max-train-steps", "20", "--rank", "2", "--num-inference-steps", "4"]);
    command.arg("--references").arg(tree::root().join("assets/references/aldar"));
    command.arg("--output").arg(output);
    command.env_clear().stderr(Stdio::piped());
    command
}

/// The files of a competition that is left alone.
fn to_the_end(output: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, String> {
    let run = command(output).output().map_err(|error| error.to_string())?;
    if !run.status.success() {
        return Err(format!("the competition failed: {}", String::from_utf8_lossy(&run.stderr)));
    }
    let mut files = BTreeMap::new();
    let mut folders = vec![output.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            let name = path.strip_prefix(output).map_err(|error| error.to_string())?.to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with(LOG) {
                files.insert(name, fs::read(&path).map_err(|error| error.to_string())?);
            }
        }
    }
    Ok(files)
}
