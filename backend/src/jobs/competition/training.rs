//! The training that a round needs, by the same code as every other.

use std::path::Path;

use chapan_api::competition::RoundSettings;
use chapan_api::id::DatasetId;
use chapan_api::training::{CreateTraining, Preflight, Severity, TrainingEvent};

use super::{Artist, CompetitionError};
use crate::datasets::CaptionTemplate;
use crate::jobs::training::{Doing, Outcome, RunFolder, Setup, Start, Wish, config_of, prepare, train};

/// Steps between checkpoints.
const CHECKPOINT_EVERY: usize = 100;

/// One training.
#[derive(Debug)]
pub(super) struct RoundTraining<'a> {
    /// What its LoRA calls itself.
    pub title: String,
    /// Word that the character is called by; it is put before captions that lack it.
    pub trigger: Option<&'a str>,
    /// What it trains with.
    pub settings: &'a RoundSettings,
    /// Pictures to learn, with captions.
    pub references: &'a Path,
    /// Pictures to measure with, if there are.
    pub held_out: Option<&'a Path>,
    /// Where the run is kept. It goes on where it was stopped, and ends with `lora.safetensors`.
    pub output: &'a Path,
}

/// What a model that draws pictures of this side usually trains with.
pub(super) fn usual_settings(side: usize) -> RoundSettings {
    let usual = config_of(&request(), side as u32);
    RoundSettings {
        max_train_steps: usual.max_train_steps as u64,
        learning_rate: usual.learning_rate,
        rank: usual.rank as u64,
        emphasised: Vec::new(),
    }
}

/// Trains, or goes on. Told to stop, it keeps a checkpoint and comes back. `observer` is asked with `None` before there is
/// something to tell.
pub(super) fn train_round(
    artist: &mut Artist<'_>,
    training: &RoundTraining<'_>,
    observer: &mut dyn FnMut(Option<&TrainingEvent>) -> Wish,
) -> Result<(), CompetitionError> {
    let RoundSettings { max_train_steps, learning_rate, rank, .. } = training.settings;
    let number = |value: u64| Some(u32::try_from(value).unwrap_or(u32::MAX));
    let request = CreateTraining {
        max_train_steps: number(*max_train_steps),
        rank: number(*rank),
        learning_rate: Some(*learning_rate),
        ..request()
    };
    let config = config_of(&request, artist.pipeline.default_size() as u32);
    config.check()?;
    let setup = Setup {
        config,
        resolution: None,
        center_crop: false,
        references: training.references.to_owned(),
        class: None,
        held_out: training.held_out.map(Path::to_owned),
        captions: CaptionTemplate::new(None, training.trigger)?,
        class_prompt: None,
        skip_unusable: false,
        sample_prompts: Vec::new(),
        sample_every: Some(0),
        validate_every: None,
        checkpoint_every: CHECKPOINT_EVERY,
        kohya_file: None,
        title: training.title.clone(),
        pictures: "references".to_owned(),
        model: artist.run.model.clone(),
        model_sha256: artist.run.model_hash.clone(),
    };
    let folder = RunFolder::open(training.output, true)?;
    let look_first = !folder.checkpoint_path().exists();
    let mut found = Preflight::default();
    let mut hear = |doing: Doing<'_>| match doing {
        Doing::Event(event) => observer(Some(event)),
        Doing::Preflight(preflight) => {
            found = preflight.clone();
            Wish::Continue
        }
        Doing::Looking | Doing::Encoding(..) | Doing::TryingStep | Doing::Drawing => observer(None),
    };
    let start = Start { resume: true, look_first, only_look: false };
    let outcome = match prepare(artist.pipeline, &setup, &mut hear)? {
        Some(prepared) => train(artist.pipeline, &setup, &prepared, &folder, start, &mut hear)?,
        None => Outcome::Blocked,
    };
    if outcome == Outcome::Blocked {
        return Err(blocked(&found));
    }
    Ok(())
}

/// A training with everything as the model usually wants it.
fn request() -> CreateTraining {
    CreateTraining::new(DatasetId::new(String::new()), String::new())
}

fn blocked(found: &Preflight) -> CompetitionError {
    let errors = found.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let messages: Vec<&str> = errors.map(|finding| finding.message.as_str()).collect();
    let hint = "change that, then try again";
    CompetitionError::Training(format!("the training cannot begin: {}\nhint: {hint}", messages.join("; ")))
}
