//! `chapan compete`: rounds of training, drawing and scoring until the LoRA is ahead, or nothing helps.

use std::path::{Path, PathBuf};

use chapan_api::competition::{
    CompetitionEvent, CompetitionStage, Decision, TrainingHistory, is_contestant_name,
};
use chapan_api::id::ModelId;
use chapan_api::training::TrainingEvent;
use clap::Args;

use super::clips::{ClipOptions, reference_folders};
use super::installed::ModelOptions;
use super::score::{named_path, weights};
use super::{Failure, output};
use crate::config::Environment;
use crate::hub::Checkpoint;
use crate::jobs::competition::{
    CompetitionError, CompetitionSetup, Eyes, FirstSettings, Imported, Looks, NamedLora, Turn,
    run_competition,
};
use crate::jobs::run_of;

/// The most pictures of a contestant.
const MAX_PICTURES: u64 = 200;

/// Options of `chapan compete`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan compete --references assets/references/aldar --prompt \"aldar kose riding across the steppe\" --output aldar
  chapan compete --references photos --trigger \"sks dog\" --prompt \"a drawing of sks dog\" --images other=pictures --output dog
Each round trains a LoRA, has everybody draw the same prompts and seeds, scores, ranks and learns one thing, which the next round
changes. It ends when the LoRA is no further behind the best competitor than --score-gap, after --iterations rounds, or when
two rounds bring no gain beyond the noise. OUTPUT has every picture, report and feedback, training_history.json and
report.html. The same command goes on where it was stopped; finished rounds are not done again.
Captions come from .txt files beside the references, else from what the CLIP sees in them.")]
pub struct Arguments {
    /// Folder of pictures; of one with `training` and `held-out` inside both are taken as they are, else every third is held out.
    #[arg(long, value_name = "DIR")]
    references: PathBuf,
    /// What everybody draws; repeats
    #[arg(long, value_name = "TEXT", required = true)]
    prompt: Vec<String>,
    /// Word that the character is called by, for captions that come from what the CLIP sees
    #[arg(long, value_name = "WORD")]
    trigger: Option<String>,
    /// The most rounds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    iterations: u32,
    /// How far the LoRA may stay behind the best competitor
    #[arg(long, default_value_t = 0.05, allow_negative_numbers = true)]
    score_gap: f64,
    /// Pictures of each prompt, each with a seed of its own
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(2..=MAX_PICTURES))]
    num_images_per_prompt: u64,
    /// Seed of the first picture; the next ones follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    model: ModelOptions,
    /// The CLIP that scores, by id or folder [default: chapan-mini-clip]
    #[arg(long, value_name = "ID|PATH")]
    clip: Option<String>,
    /// Groups of phrases as JSON [default: assets/features/character.json]
    #[arg(long, value_name = "FILE.json")]
    features: Option<PathBuf>,
    /// How much clip, features and ssim count
    #[arg(long, value_name = "CLIP,FEATURES,SSIM", default_value = "0.4,0.4,0.2")]
    weights: String,
    /// Another contestant's folder of pictures; repeats
    #[arg(long, value_name = "[NAME=]DIR")]
    images: Vec<String>,
    /// Another contestant's LoRA; repeats
    #[arg(long, value_name = "[NAME=]FILE")]
    lora: Vec<String>,
    /// Steps of the first round's training [default: the model's usual]
    #[arg(long)]
    max_train_steps: Option<u64>,
    /// Learning rate of the first round [default: the model's usual]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Columns of the first round's factors [default: the model's usual]
    #[arg(long)]
    rank: Option<u64>,
    /// Denoising steps of every picture
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    num_inference_steps: u32,
    /// Classifier-free guidance of every picture
    #[arg(long, default_value_t = 5.0)]
    guidance_scale: f64,
    /// Language of report.html: en, ru or kk
    #[arg(long, default_value = "en", value_parser = ["en", "ru", "kk"])]
    language: String,
    /// The folder of this competition
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Report events as JSON, one a line; the last is the history.
    #[arg(long)]
    json: bool,
}

impl From<CompetitionError> for Failure {
    fn from(error: CompetitionError) -> Self {
        match error {
            CompetitionError::Engine(error) => error.into(),
            CompetitionError::Comparison(error) => error.into(),
            other => Self::from_text(&other.to_string()),
        }
    }
}

/// Runs the rounds.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    check(arguments)?;
    let weights = weights(&arguments.weights)?;
    let imported = imported(arguments)?;
    let installed = arguments.model.find(environment)?;
    let place = arguments.model.place()?;
    let looking = ClipOptions {
        model: arguments.clip.clone(),
        features: arguments.features.clone(),
        data_dir: arguments.model.data_dir.clone(),
        device: arguments.model.device.clone(),
    }
    .open(environment)?;
    let eyes = Eyes { clip: &looking.clip, id: &looking.model, phrases: &looking.phrases };
    let (references, held_out) = reference_folders(&arguments.references);
    let scheduler =
        installed.checkpoint.as_ref().map_or("euler", |found: &Checkpoint| &found.default_scheduler);
    let run = run_of(installed.id.clone(), installed.sha256()?, scheduler, &place.name, place.dtype);
    let mut pipeline = installed.load(&place)?;
    let setup = CompetitionSetup {
        folder: arguments.output.clone(),
        references,
        held_out,
        trigger: arguments.trigger.clone(),
        prompts: arguments.prompt.clone(),
        seeds: (arguments.seed..arguments.seed + arguments.num_images_per_prompt).collect(),
        iterations: arguments.iterations,
        score_gap: arguments.score_gap,
        weights,
        settings: FirstSettings {
            max_train_steps: arguments.max_train_steps,
            learning_rate: arguments.learning_rate,
            rank: arguments.rank,
            emphasised: Vec::new(),
        },
        num_inference_steps: arguments.num_inference_steps,
        guidance_scale: arguments.guidance_scale,
        imported,
        run,
        language: arguments.language.clone(),
    };
    let mut told = Ok(());
    let mut tell = |event: &CompetitionEvent| {
        // A reader that has gone away does not stop the competition.
        told = if arguments.json { output::say_line(event) } else { tell_event(event) };
    };
    let history =
        run_competition(&setup, eyes, &mut pipeline, &mut Looks::default(), &mut tell, &|| Turn::GoOn)?;
    told?;
    if arguments.json { output::say_line(&history) } else { tell_history(&history, &arguments.output) }
}

/// Faults that are known before anything is loaded.
fn check(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(prompt) = arguments.prompt.iter().find(|prompt| prompt.trim().is_empty()) {
        let fact = format!("`--prompt` is `{prompt}`, which is empty");
        return Err(Failure::usage(fact, "say what everybody shall draw"));
    }
    let numbers = [("--score-gap", arguments.score_gap), ("--guidance-scale", arguments.guidance_scale)];
    if let Some((name, value)) = numbers.iter().find(|(_, value)| !value.is_finite()) {
        return Err(Failure::usage(format!("`{name}` is `{value}`"), "give a number, such as 0.05"));
    }
    let pictures = arguments.num_images_per_prompt.saturating_mul(arguments.prompt.len() as u64);
    if pictures > MAX_PICTURES {
        let fact = format!("{pictures} pictures a contestant, at most {MAX_PICTURES} are drawn");
        return Err(Failure::usage(fact, "give fewer prompts or seeds"));
    }
    if arguments.seed.checked_add(arguments.num_images_per_prompt).is_none() {
        return Err(Failure::usage(
            format!("`--seed {}` goes beyond 2^64", arguments.seed),
            "take a smaller one",
        ));
    }
    Ok(())
}

/// The contestants from elsewhere; their names become names of files.
fn imported(arguments: &Arguments) -> Result<Vec<(String, Imported)>, Failure> {
    let mut imported: Vec<(String, Imported)> = Vec::new();
    let mut add = |(name, path): (String, PathBuf), is_lora: bool| {
        if !is_contestant_name(&name) || imported.iter().any(|(other, _)| *other == name) {
            let fact = format!("`{name}` cannot be the name of `{}`", path.display());
            return Err(Failure::usage(fact, "name each with letters and digits, as --images other=DIR"));
        }
        if is_lora && !path.is_file() || !is_lora && !path.is_dir() {
            let fact = format!("there is no `{}`", path.display());
            return Err(Failure::new(fact, "is the path right?"));
        }
        let id = ModelId::new(path.file_stem().unwrap_or_default().to_string_lossy());
        let lora = NamedLora { id, path: path.clone() };
        imported.push((name, if is_lora { Imported::Lora(lora) } else { Imported::Pictures(path) }));
        Ok(())
    };
    arguments.images.iter().try_for_each(|text| add(named_path(text), false))?;
    arguments.lora.iter().try_for_each(|text| add(named_path(text), true))?;
    Ok(imported)
}

/// A line for what a person wants to know meanwhile.
fn tell_event(event: &CompetitionEvent) -> Result<(), Failure> {
    match event {
        CompetitionEvent::Stage { round, stage } => output::say(&match stage {
            CompetitionStage::Analyse => "looking at the references".to_owned(),
            CompetitionStage::Train => format!("round {round}: training"),
            CompetitionStage::Draw => format!("round {round}: everybody draws"),
            CompetitionStage::Score => format!("round {round}: scoring"),
            CompetitionStage::Learn => format!("round {round}: learning one thing"),
            CompetitionStage::Finished => return Ok(()),
        }),
        CompetitionEvent::Scored { contestant, quality_score, standard_error, .. } => {
            let error = standard_error.map_or_else(String::new, |error| format!(" ±{error:.3}"));
            output::say(&format!("  {contestant}: {quality_score:.3}{error}"))
        }
        CompetitionEvent::Training { event: TrainingEvent::Validation { step, loss }, .. } => {
            output::say(&format!("  step {step}: loss of held-out pictures {loss:.4}"))
        }
        CompetitionEvent::Training { .. }
        | CompetitionEvent::Picture { .. }
        | CompetitionEvent::RoundFinished { .. }
        | CompetitionEvent::Finished { .. } => Ok(()),
    }
}

fn tell_history(history: &TrainingHistory, folder: &Path) -> Result<(), Failure> {
    output::say("")?;
    let header =
        ["ROUND", "STEPS", "RATE", "RANK", "QUALITY", "", "OVER BASE", "", "THEN"].map(str::to_owned);
    let error = |error: Option<f64>| error.map_or_else(String::new, |error| format!("±{error:.3}"));
    let rows = history.rounds.iter().map(|round| {
        [
            round.round.to_string(),
            round.settings.max_train_steps.to_string(),
            format!("{:e}", round.settings.learning_rate),
            round.settings.rank.to_string(),
            format!("{:.3}", round.quality_score),
            error(round.standard_error),
            format!("{:+.3}", round.lead_over_base),
            error(round.lead_standard_error),
            match round.decision {
                Decision::Continue => "another round",
                Decision::GapClosed => "not behind any more",
                Decision::LastRound => "the last round",
                Decision::NoGain => "no gain in two rounds",
                Decision::NoChange => "nothing left to change",
            }
            .to_owned(),
        ]
    });
    output::say_table(std::iter::once(header).chain(rows))?;
    output::say(&format!("{}: pictures, charts and recommendations", folder.join("report.html").display()))
}
