//! A competition from what was chosen to its end: what the command line and the server both run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chapan_api::comparison::ScoreWeights;
use chapan_api::competition::{CompetitionEvent, RoundSettings, TrainingHistory};
use chapan_api::image::Run;
use chapan_engine::evaluate::Clip;
use chapan_engine::pipelines::{GenerationParams, StableDiffusionXl};

use super::training::usual_settings;
use super::{Artist, Competition, CompetitionError, CompetitionFolder, Imported, Looks, Request, Turn};
use crate::jobs::comparison::{Phrases, References};

/// Everything that is chosen about a competition.
#[derive(Clone, Debug)]
pub struct CompetitionSetup {
    /// Its folder.
    pub folder: PathBuf,
    /// The folder of references; without `held_out` every third of them is held out.
    pub references: PathBuf,
    /// The folder of pictures that are only compared with.
    pub held_out: Option<PathBuf>,
    /// Word that the character is called by.
    pub trigger: Option<String>,
    /// What every contestant draws.
    pub prompts: Vec<String>,
    /// Seeds of the pictures of each prompt.
    pub seeds: Vec<u64>,
    /// The most rounds.
    pub iterations: u32,
    /// How far the LoRA may stay behind the best competitor.
    pub score_gap: f64,
    /// How much each part of the score counts.
    pub weights: ScoreWeights,
    /// What differs from what the model usually trains with, in the first round.
    pub settings: FirstSettings,
    /// Denoising steps of every picture.
    pub num_inference_steps: u32,
    /// Classifier-free guidance of every picture.
    pub guidance_scale: f64,
    /// Contestants from elsewhere, by name.
    pub imported: Vec<(String, Imported)>,
    /// Model and machine.
    pub run: Run,
    /// Language that the story begins in.
    pub language: String,
}

/// Settings of the first round; what is absent is what the model usually wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FirstSettings {
    /// Steps.
    pub max_train_steps: Option<u64>,
    /// Learning rate.
    pub learning_rate: Option<f64>,
    /// Rank.
    pub rank: Option<u64>,
    /// Phrases that every caption says.
    pub emphasised: Vec<String>,
}

impl From<RoundSettings> for FirstSettings {
    fn from(settings: RoundSettings) -> Self {
        Self {
            max_train_steps: Some(settings.max_train_steps),
            learning_rate: Some(settings.learning_rate),
            rank: Some(settings.rank),
            emphasised: settings.emphasised,
        }
    }
}

impl FirstSettings {
    /// The settings of the first round of a model that draws pictures of this side.
    pub fn complete(&self, side: usize) -> RoundSettings {
        let usual = usual_settings(side);
        RoundSettings {
            max_train_steps: self.max_train_steps.unwrap_or(usual.max_train_steps),
            learning_rate: self.learning_rate.unwrap_or(usual.learning_rate),
            rank: self.rank.unwrap_or(usual.rank),
            emphasised: self.emphasised.clone(),
        }
    }
}

/// Who looks at pictures.
#[derive(Clone, Copy, Debug)]
pub struct Eyes<'a> {
    /// The CLIP.
    pub clip: &'a Clip,
    /// Its id.
    pub id: &'a str,
    /// The features.
    pub phrases: &'a Phrases,
}

/// Runs a competition, or goes on with it, to the decision that ends it. `tell` hears what happens; `turn` is asked often what
/// is wanted next.
///
/// # Errors
/// See [`Competition::run`].
pub fn run_competition(
    setup: &CompetitionSetup,
    eyes: Eyes<'_>,
    pipeline: &mut StableDiffusionXl,
    looks: &mut Looks,
    tell: &mut dyn FnMut(&CompetitionEvent),
    turn: &dyn Fn() -> Turn,
) -> Result<TrainingHistory, CompetitionError> {
    let side = pipeline.default_size();
    looks.keep_for(&setup.folder, eyes.id);
    let references = match &setup.held_out {
        Some(held_out) => References::given(
            looks.at_folder(eyes.clip, &setup.references)?,
            looks.at_folder(eyes.clip, held_out)?,
        ),
        None => References::split(looks.at_folder(eyes.clip, &setup.references)?),
    };
    let params = GenerationParams {
        width: side,
        height: side,
        num_inference_steps: setup.num_inference_steps as usize,
        guidance_scale: setup.guidance_scale,
        ..GenerationParams::default()
    };
    let made_with: BTreeMap<String, String> = [
        ("model", setup.run.model.to_string()),
        ("model_sha256", setup.run.model_hash.clone()),
        ("device", setup.run.device.clone()),
        ("dtype", setup.run.dtype.clone()),
        ("engine", setup.run.engine.clone()),
        ("num_inference_steps", setup.num_inference_steps.to_string()),
        ("guidance_scale", setup.guidance_scale.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let request = Request {
        prompts: setup.prompts.clone(),
        seeds: setup.seeds.clone(),
        iterations: setup.iterations,
        score_gap: setup.score_gap,
        weights: setup.weights,
        settings: setup.settings.complete(side),
        trigger: setup.trigger.clone(),
        made_with,
    };
    let folder = CompetitionFolder::open(&setup.folder)?;
    let mut competition = Competition {
        folder: &folder,
        eyes,
        looks,
        artist: Artist { pipeline, params, run: setup.run.clone() },
        references,
        request,
        imported: setup.imported.clone(),
        tell,
        turn,
        language: setup.language.clone(),
    };
    competition.run()
}
