//! `chapan pretrain`: the mini family, trained and measured.

mod analysis;
mod evaluate;
mod gates;
mod scenes;
mod stages;
mod train;

use std::path::{Path, PathBuf};

use chapan_engine::training::pretrain::Family;
use clap::Args;

use self::scenes::World;
use self::stages::StageName;
use self::train::{Ended, Run};
use super::train_lora::stop_at_interrupt;
use super::{Failure, output};
use crate::jobs::open_device;

/// Options of `chapan pretrain`.
#[derive(Debug, Args)]
#[command(after_help = "Stages, in the order in which they are trained:
  judge        needs nothing
  autoencoder  needs nothing
  tower        needs nothing
  text-image   needs the tower
  unet         needs autoencoder and text-image
  polish       needs the autoencoder
Examples:
  chapan pretrain --output family                         # every stage, for its default time
  chapan pretrain --output family --stage judge --seconds 300
  chapan pretrain --output family                         # again: goes on where it was stopped or killed
  chapan pretrain --evaluate --models family              # every gate on 500 held-out scenes
  chapan pretrain --evaluate --scenes 100 --json          # the shipped family, a quicker look, for programs
  chapan pretrain --analysis                              # is `chapan analyze` right? by group
Pictures and captions are drawn from the world as they are needed: no data is downloaded or stored. A stage trains for a number
of steps; seconds are turned into steps by the speed of the first dozen. The same seed and steps give the same bytes on the CPU
with any number of threads, also when the training was stopped (Ctrl-C) or killed in between. Checkpoints lie in `stages` below
the output folder, models beside it in the layout of assets/models. When a stage ends it says what it reached on scenes that
training never saw, and by how much it falls short of what it should.")]
pub struct Arguments {
    #[command(flatten)]
    training: Training,
    /// Measure the family in `--models` and print every gate.
    #[arg(long)]
    evaluate: bool,
    /// Measure only how right the analysis of references is, on as many held-out portraits as `--scenes`.
    #[arg(long, conflicts_with = "evaluate")]
    analysis: bool,
    /// The folder with chapan-mini, chapan-mini-clip and chapan-mini-judge: what is measured, or whose configurations and
    /// tokenizers a training takes [default: assets/models]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Held-out scenes for every gate but retrieval, which takes 1,000.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1000))]
    scenes: u32,
    /// Pictures generated for the prompt gates [default: as many as scenes]
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=1000))]
    prompts: Option<u32>,
    /// Denoising steps of the generated pictures.
    #[arg(long, default_value_t = 20)]
    num_inference_steps: u32,
    /// Classifier-free guidance of the generated pictures.
    #[arg(long, default_value_t = 4.0)]
    guidance_scale: f64,
    /// Report as JSON; a training says one line for each event.
    #[arg(long)]
    json: bool,
}

/// How it is trained.
#[derive(Debug, Args)]
struct Training {
    /// Train: the folder for checkpoints and models.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["analysis", "evaluate"], conflicts_with_all = ["analysis", "evaluate"])]
    output: Option<PathBuf>,
    /// Only this stage; repeat for several [default: all].
    #[arg(long, value_enum, requires = "output")]
    stage: Vec<StageName>,
    /// Steps of each stage; one that is under way stretches or shortens what is left of its schedule.
    #[arg(long, requires = "output", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    steps: Option<u64>,
    /// Seconds of each stage that is not under way yet [default: by stage, some minutes to some hours].
    #[arg(long, requires = "output", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// Write a checkpoint after every so many steps too [default: every minute].
    #[arg(long, requires = "output", value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..))]
    checkpointing_steps: Option<u32>,
    /// All chance follows from it.
    #[arg(long, requires = "output", default_value_t = 20_261_121)]
    seed: u64,
    /// Where to compute: auto, cpu, cuda:N or metal.
    #[arg(long, requires = "output", default_value = "cpu")]
    device: String,
    /// Go on from checkpoints in the output folder. This is the default.
    #[arg(long, requires = "output", conflicts_with = "restart")]
    resume: bool,
    /// Begin the chosen stages anew, whatever lies in the output folder.
    #[arg(long, requires = "output")]
    restart: bool,
}

/// Trains or measures the family.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.training.output {
        Some(output) => pretrain(arguments, output),
        None if arguments.analysis => analysis::run(arguments),
        None => evaluate::run(arguments),
    }
}

/// Trains the chosen stages one after the other.
fn pretrain(arguments: &Arguments, folder: &Path) -> Result<(), Failure> {
    let training = &arguments.training;
    let models = evaluate::models_folder(arguments.models.as_deref())?;
    let family = Family::read(|path| {
        let path = models.join(path);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(chapan_engine::Error::File {
                path,
                source,
                hint: "name a folder with the family's configurations".to_owned(),
            }),
        }
    })?;
    let stop = stop_at_interrupt();
    let run = Run {
        output: folder,
        belongs_to: format!("{} world {}", family.digest(), chapan_world::RENDERER_VERSION),
        seed: training.seed,
        steps: training.steps.map(|steps| steps as usize),
        seconds: training.seconds.map(f64::from),
        checkpoint_every: training.checkpointing_steps.map(|steps| steps as usize),
        restart: training.restart,
        device: open_device(&training.device)?.1,
        json: arguments.json,
        stop: &stop,
    };
    let world = World::new();
    let chosen = StageName::ALL.into_iter();
    for stage in chosen.filter(|stage| training.stage.is_empty() || training.stage.contains(stage)) {
        if stages::train(stage, &family, &world, &run)? == Ended::Stopped {
            return Ok(());
        }
    }
    if arguments.json { Ok(()) } else { output::say(&format!("models are in `{}`", folder.display())) }
}
