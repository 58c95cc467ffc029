//! `chapan bench train`: LoRA steps a second and peak memory.
//!
//! With `--python` the same weights, LoRA, latents, noise and times are trained on with diffusers and PEFT, in a process of
//! its own. The two take turns, so that whatever else the machine does hits both; rounds before the measured ones warm caches.
//! Losses are compared in every round: a ratio between different work would mean nothing.

use std::path::{Path, PathBuf};
use std::time::Instant;

use chapan_engine::models::vae::Posterior;
use chapan_engine::noise::TorchRng;
use chapan_engine::training::{Draw, Example, FileFormat, Role, Targets, Trainer, TrainingConfig};
use chapan_engine::{Device, Tensor};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::reference::Conversation;
use super::{median, peak_memory_bytes};
use crate::cli::installed::ModelOptions;
use crate::cli::{Failure, output};
use crate::config::Environment;

const SCRIPT: &str = include_str!("../../../../tests/reference/bench_train.py");
/// Rounds that are not counted.
const WARM_UP: usize = 2;

/// Options of `chapan bench train`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan bench train
  chapan bench train --rounds 20 --python ~/venv/bin/python        # a Python with torch, diffusers and peft
  chapan bench train --gradient-checkpointing                      # less memory: compare the peaks of two runs")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelOptions,
    /// A Python with diffusers and PEFT, to train the same there.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Measured steps; some more warm up.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Columns of the factors.
    #[arg(long, default_value_t = 16)]
    rank: usize,
    /// Pictures in a step.
    #[arg(long, default_value_t = 4)]
    train_batch_size: usize,
    /// Train the feed-forward networks too.
    #[arg(long)]
    train_feed_forward: bool,
    /// Compute blocks twice instead of remembering them.
    #[arg(long)]
    gradient_checkpointing: bool,
    /// Width and height in pixels [default: the model's own]
    #[arg(long)]
    resolution: Option<usize>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Figures of one side.
#[derive(Debug, Serialize)]
struct Side {
    steps_per_second: f64,
    median_seconds: f64,
    seconds: Vec<f64>,
    peak_memory_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Report {
    model: String,
    resolution: usize,
    rank: usize,
    train_batch_size: usize,
    gradient_checkpointing: bool,
    trained_numbers: usize,
    device: String,
    dtype: &'static str,
    threads: usize,
    ours: Side,
    #[serde(skip_serializing_if = "Option::is_none")]
    diffusers: Option<Side>,
    /// Our steps a second over theirs: above 1 we are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    /// The greatest relative difference of any step's loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    greatest_difference: Option<f64>,
}

#[derive(Deserialize)]
struct Answer {
    seconds: f64,
    loss: f64,
    peak_memory_bytes: Option<u64>,
}

/// Measures and reports.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let installed = arguments.model.find(environment)?;
    let place = arguments.model.place()?;
    let mut pipeline = installed.load(&place)?;
    let side = arguments.resolution.unwrap_or(pipeline.default_size());
    let cells = side / pipeline.cell_side();
    let shape = [pipeline.latent_channels(), cells, cells];
    let config = TrainingConfig {
        rank: arguments.rank,
        alpha: arguments.rank as f64,
        targets: Targets { feed_forward: arguments.train_feed_forward, ..Targets::default() },
        train_batch_size: arguments.train_batch_size,
        gradient_checkpointing: arguments.gradient_checkpointing,
        ..TrainingConfig::default()
    };
    let prompts: Vec<String> = (0..arguments.train_batch_size)
        .map(|index| format!("a man in a red shirt, picture {index}"))
        .collect();
    let examples = examples(&prompts, shape, side)?;
    let mut trainer = Trainer::new(&mut pipeline, examples, config.clone())?;

    let folder = std::env::temp_dir().join(format!("chapan-bench-{}", std::process::id()));
    let mut reference = match &arguments.python {
        Some(python) => Some(begin(python, &installed.path, &folder, &trainer, &prompts)?),
        None => None,
    };
    let rounds = arguments.rounds as usize + WARM_UP;
    let bar = output::progress_bar(rounds as u64, "measuring");
    let (mut ours, mut theirs, mut difference, mut their_peak) = (Vec::new(), Vec::new(), 0f64, None);
    for round in 0..rounds {
        let draws = draws(round, prompts.len(), shape, trainer.training_timesteps());
        let started = Instant::now();
        let report = trainer.gradients(&draws).and_then(|found| trainer.apply(&found))?;
        ours.push(started.elapsed().as_secs_f64());
        if let Some(reference) = &mut reference {
            let timesteps: Vec<usize> = draws.iter().map(|draw| draw.timestep).collect();
            let asked =
                json!({ "seed": round, "timesteps": timesteps, "shape": shape, "size": [side, side] });
            let answer: Answer = reference.ask(&asked)?;
            theirs.push(answer.seconds);
            difference = difference.max((report.loss - answer.loss).abs() / answer.loss);
            their_peak = their_peak.max(answer.peak_memory_bytes);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let compared = reference.is_some();
    if let Some(reference) = reference {
        reference.finish()?;
        // Best effort: the system cleans its temporary folder too.
        let _ = std::fs::remove_dir_all(&folder);
    }
    let ours = side_of(ours, peak_memory_bytes());
    let diffusers = compared.then(|| side_of(theirs, their_peak));
    let report = Report {
        model: installed.id.to_string(),
        resolution: side,
        rank: config.rank,
        train_batch_size: config.train_batch_size,
        gradient_checkpointing: config.gradient_checkpointing,
        trained_numbers: trainer.parameters().iter().map(|parameter| parameter.values.len()).sum(),
        device: place.name,
        dtype: place.dtype.as_str(),
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        ratio: diffusers.as_ref().map(|theirs| theirs.median_seconds / ours.median_seconds),
        greatest_difference: compared.then_some(difference),
        ours,
        diffusers,
    };
    if arguments.json { output::say_json(&report) } else { say(&report) }
}

/// As many pictures as a step has, whose latents are given with each step.
fn examples(prompts: &[String], shape: [usize; 3], side: usize) -> Result<Vec<Example>, Failure> {
    let dims = (1, shape[0], shape[1], shape[2]);
    let zeros = || Tensor::from_vec(vec![0f32; shape.iter().product()], dims, &Device::Cpu);
    let pixels = side as f64;
    let example = |prompt: &String| {
        let posterior = Posterior { mean: zeros()?, logvar: zeros()? };
        let time_ids = [pixels, pixels, 0.0, 0.0, pixels, pixels];
        Ok(Example { role: Role::Reference, caption: prompt.clone(), posterior, time_ids })
    };
    prompts.iter().map(example).collect::<Result<_, chapan_engine::Error>>().map_err(Failure::from)
}

/// Latents, noise and times of a round; the other side draws the same from the same seed.
fn draws(round: usize, count: usize, shape: [usize; 3], timesteps: usize) -> Vec<Draw> {
    let len: usize = shape.iter().product();
    let mut rng = TorchRng::new(round as u64);
    let (latents, noise) = (rng.randn(count * len), rng.randn(count * len));
    (0..count)
        .map(|index| Draw {
            example: index,
            latents: latents[index * len..][..len].to_vec(),
            noise: noise[index * len..][..len].to_vec(),
            timestep: (index * 2 + 1) * timesteps / (2 * count),
            without_caption: false,
        })
        .collect()
}

/// Starts the other side with the same LoRA.
fn begin(
    python: &Path,
    model: &Path,
    folder: &Path,
    trainer: &Trainer<'_>,
    prompts: &[String],
) -> Result<Conversation, Failure> {
    let config = trainer.config();
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::new(error, "is there space in the temporary folder?"))?;
    let path = folder.join("lora.safetensors");
    output::write_file(&path, &trainer.file(FileFormat::Peft, &std::collections::BTreeMap::new())?)?;
    let given = json!({
        "lora": path,
        "prompts": prompts,
        "learning_rate": config.learning_rate,
        "weight_decay": config.adam_weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "gradient_checkpointing": config.gradient_checkpointing,
    });
    Conversation::start(python, SCRIPT, &[model], Some(&given))
}

fn side_of(seconds: Vec<f64>, peak_memory_bytes: Option<u64>) -> Side {
    let seconds: Vec<f64> = seconds.into_iter().skip(WARM_UP).collect();
    let median_seconds = median(&seconds);
    Side { steps_per_second: 1.0 / median_seconds, median_seconds, seconds, peak_memory_bytes }
}

fn say(report: &Report) -> Result<(), Failure> {
    output::say(&format!(
        "{}: LoRA of rank {} ({} numbers), {3}x{3}, batch {4}, {5} {6}, {7} threads, median of {8}",
        report.model,
        report.rank,
        report.trained_numbers,
        report.resolution,
        report.train_batch_size,
        report.device,
        report.dtype,
        report.threads,
        report.ours.seconds.len(),
    ))?;
    let row = |name: &str, side: &Side| {
        let memory = side.peak_memory_bytes.map_or_else(|| "?".to_owned(), output::size);
        [name.to_owned(), format!("{:.2}", side.steps_per_second), memory]
    };
    let header = ["", "STEPS A SECOND", "PEAK MEMORY"].map(str::to_owned);
    let rows = std::iter::once(row("chapan", &report.ours));
    let rows = rows.chain(report.diffusers.as_ref().map(|side| row("diffusers + peft", side)));
    output::say_table(std::iter::once(header).chain(rows))?;
    if let (Some(ratio), Some(difference)) = (report.ratio, report.greatest_difference) {
        output::say(&format!(
            "ratio {ratio:.2} (above 1: chapan is faster); losses differ by at most {difference:.1e}"
        ))?;
    }
    Ok(())
}
