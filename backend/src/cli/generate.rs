//! `chapan generate`: a prompt becomes a picture, without a server.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use chapan_api::generation::SCHEDULERS;
use chapan_api::image::ImageRecord;
use chapan_api::validation::{Checker, Rule};
use chapan_engine::pipelines::{Flow, GenerationParams, ProgressEvent};
use chapan_engine::schedulers::SchedulerName;
use clap::Args;
use serde::Serialize;

use super::installed::{Installed, ModelOptions, Place};
use super::{Failure, output};
use crate::config::Environment;
use crate::files::png::encode_png;
use crate::ids::random_u64;

/// The longest prompt in characters: beyond any tokenizer, below any accident.
const MAX_PROMPT_CHARS: u64 = 100_000;
/// The most steps: as many as a model has timesteps, ten times over.
const MAX_STEPS: f64 = 10_000.0;
/// The greatest guidance scale.
const MAX_GUIDANCE: f64 = 1_000.0;
/// The largest side in pixels.
const MAX_SIDE: f64 = 16_384.0;

const SCHEDULER_HELP: &str = "Sampling algorithm: ddim, euler, euler_a, heun, dpmpp_2m, unipc or lcm; with Karras noise \
    levels: euler_k, heun_k, dpmpp_2m_k or unipc_k [default: the model's own]";

/// Options of `chapan generate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan generate --prompt \"a man in a red shirt, flat\" --output man.png
  chapan generate --prompt \"a hotel room, night\" --seed 7 --num-inference-steps 30 --guidance-scale 4 --output room.png
  chapan generate --prompt \"a lighthouse\" --model path/to/sdxl --device cuda:0 --output lighthouse.png
The same prompt, seed, model and parameters give the same picture. The PNG says how it was made.")]
pub struct Arguments {
    /// What to draw.
    #[arg(long)]
    prompt: String,
    /// What to keep out. Absent and empty differ: absent takes the model's own neutral condition.
    #[arg(long)]
    negative_prompt: Option<String>,
    #[command(flatten)]
    model: ModelOptions,
    /// Seed of the noise, 0 to 2^64 - 1 [default: a random one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Denoising steps.
    #[arg(long, default_value_t = 20)]
    num_inference_steps: u32,
    /// Classifier-free guidance: how strongly the prompt pulls. 1 and below switch it off.
    #[arg(long, default_value_t = 5.0, allow_negative_numbers = true)]
    guidance_scale: f64,
    /// Width in pixels, a multiple of 8 [default: the model's own]
    #[arg(long)]
    width: Option<u32>,
    /// Height in pixels, a multiple of 8 [default: the model's own]
    #[arg(long)]
    height: Option<u32>,
    #[arg(long, value_name = "NAME", help = SCHEDULER_HELP)]
    scheduler: Option<String>,
    /// The PNG file to write.
    #[arg(long, value_name = "FILE.png")]
    output: PathBuf,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    output: String,
    duration_ms: u64,
    #[serde(flatten)]
    record: ImageRecord,
}

/// Draws the picture and writes it with its record.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    check(arguments)?;
    check_output(&arguments.output)?;
    let installed = arguments.model.find(environment)?;
    let place = arguments.model.place()?;
    let started = Instant::now();

    let bar = output::progress_bar(u64::from(arguments.num_inference_steps), "loading");
    let pipeline = installed.load(&place)?;
    let side = pipeline.default_size();
    let params = GenerationParams {
        prompt: arguments.prompt.clone(),
        negative_prompt: arguments.negative_prompt.clone(),
        width: arguments.width.map_or(side, |width| width as usize),
        height: arguments.height.map_or(side, |height| height as usize),
        num_inference_steps: arguments.num_inference_steps as usize,
        guidance_scale: arguments.guidance_scale,
        // Torch's generator uses 32 bits of a seed; more would only be longer to type.
        seed: arguments.seed.unwrap_or_else(|| random_u64() >> 32),
        scheduler: arguments.scheduler.as_deref().map(SchedulerName::from_str).transpose()?,
        ..GenerationParams::default()
    };
    let (generated, sha256) = std::thread::scope(|scope| {
        // Large models take seconds to hash: meanwhile the picture is drawn.
        let hash = scope.spawn(|| installed.sha256());
        let generated = pipeline.generate(&params, &mut |event: ProgressEvent<'_>| {
            match event {
                ProgressEvent::Encoding => bar.set_message("reading the prompt"),
                ProgressEvent::Step { index, total, .. } => {
                    bar.set_message("drawing");
                    bar.set_length(total as u64);
                    bar.set_position(index as u64 + 1);
                }
                ProgressEvent::Decoding => bar.set_message("decoding"),
            }
            Flow::Continue
        });
        (generated, hash.join())
    });
    let image = generated?.image;
    let sha256 =
        sha256.unwrap_or_else(|_| Err(Failure::new("the model's hash was not computed", "try again")))?;
    bar.finish_and_clear();

    let record = record(&params, &installed, &place, sha256);
    let png = encode_png(image.width as u32, image.height as u32, &image.rgb, &record)
        .map_err(|error| Failure::from_text(&error.to_string()))?;
    output::write_file(&arguments.output, &png)?;
    let duration_ms = started.elapsed().as_millis() as u64;
    let output = arguments.output.display().to_string();
    if arguments.json {
        return output::say_json(&Report { output, duration_ms, record });
    }
    output::say(&format!(
        "{output}: {}x{}, seed {}, {} steps of {} in {:.1} s ({}, {})",
        record.width,
        record.height,
        record.seed,
        record.num_inference_steps,
        record.scheduler,
        duration_ms as f64 / 1000.0,
        record.device,
        record.dtype
    ))
}

fn record(params: &GenerationParams, installed: &Installed, place: &Place, sha256: String) -> ImageRecord {
    let own =
        installed.checkpoint.as_ref().map_or("euler", |checkpoint| checkpoint.default_scheduler.as_str());
    ImageRecord {
        prompt: params.prompt.clone(),
        negative_prompt: params.negative_prompt.clone(),
        model: installed.id.clone(),
        model_hash: Some(sha256),
        seed: params.seed,
        num_inference_steps: params.num_inference_steps as u32,
        guidance_scale: params.guidance_scale,
        width: params.width as u32,
        height: params.height as u32,
        scheduler: params.scheduler.map_or_else(|| own.to_owned(), |name| name.to_string()),
        device: place.name.clone(),
        dtype: place.dtype.as_str().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The rules of requests in the server's words, with the wider ranges of a person at their own machine.
fn check(arguments: &Arguments) -> Result<(), Failure> {
    let mut checker = Checker::new();
    if arguments.prompt.trim().is_empty() {
        checker.fault("prompt", Rule::Required);
    }
    checker.text("prompt", &arguments.prompt, MAX_PROMPT_CHARS);
    if let Some(text) = &arguments.negative_prompt {
        checker.text("negative_prompt", text, MAX_PROMPT_CHARS);
    }
    checker.number("num_inference_steps", f64::from(arguments.num_inference_steps), 1.0, MAX_STEPS);
    checker.number("guidance_scale", arguments.guidance_scale, 0.0, MAX_GUIDANCE);
    for (field, side) in [("width", arguments.width), ("height", arguments.height)] {
        if let Some(side) = side {
            checker.number(field, f64::from(side), 8.0, MAX_SIDE);
            checker.multiple(field, u64::from(side), 8);
        }
    }
    if let Some(name) = &arguments.scheduler {
        checker.name("scheduler", name, SCHEDULERS);
    }
    match checker.finish() {
        Ok(()) => Ok(()),
        Err(faults) => {
            let facts: Vec<String> = faults
                .iter()
                .map(|fault| fault.message().replacen('`', "`--", 1).replace('_', "-"))
                .collect();
            let hints: Vec<String> = faults.iter().map(chapan_api::validation::FieldError::hint).collect();
            Err(Failure::usage(facts.join("; "), hints.join("; ")))
        }
    }
}

/// Nobody should wait for a picture that cannot be written.
fn check_output(path: &Path) -> Result<(), Failure> {
    if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
        let fact = format!("`--output {}` does not end in .png", path.display());
        return Err(Failure::usage(fact, "pictures are written as PNG, which holds how they were made"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let fact = format!("the folder `{}` does not exist", folder.display());
        return Err(Failure::new(fact, "make it first, or choose another place"));
    }
    Ok(())
}
