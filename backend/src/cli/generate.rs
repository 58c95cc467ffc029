//! `chapan generate`: a prompt becomes pictures, without a server; of noise, of another picture, or within a mask.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use chapan_api::generation::SCHEDULERS;
use chapan_api::image::{ImageRecord, Ingredients};
use chapan_api::validation::{Checker, Rule};
use chapan_engine::pipelines::{
    Flow, Generated, GenerationParams, ProgressEvent, StableDiffusionXl, Start, Variation,
};
use chapan_engine::schedulers::SchedulerName;
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;

use super::installed::{Installed, ModelOptions, Place, model_folders};
use super::loras::{self, LoraOptions};
use super::source::{Source, SourceOptions, drawn_size};
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
/// The most pictures of one call.
const MAX_IMAGES: f64 = 1_000.0;

const SCHEDULER_HELP: &str = "Sampling algorithm: ddim, euler, euler_a, heun, dpmpp_2m, unipc or lcm; with Karras noise \
    levels: euler_k, heun_k, dpmpp_2m_k or unipc_k [default: the model's own]";

/// Options of `chapan generate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan generate --prompt \"a man in a red shirt, flat\" --output man.png
  chapan generate --prompt \"a hotel room, night\" --seed 7 --num-inference-steps 30 --guidance-scale 4 --output room.png
  chapan generate --prompt \"a (red:1.2) hat\" --prompt-weighting --lora ink.safetensors:0.8 --output hat.png
  chapan generate --prompt \"a lighthouse\" --model path/to/sdxl --device cuda:0 --output lighthouse.png
  chapan generate --prompt \"a man in a green shirt, flat\" --image man.png --strength 0.5 --output green.png
  chapan generate --prompt \"a hat\" --image man.png --mask-image head.png --output hat.png
  chapan generate --prompt \"a man\" --seed 7 --variation-strength 0.1 --num-images-per-prompt 4 --output like.png
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
    /// Width in pixels, a multiple of 8 [default: the picture's to start from, or the model's own]
    #[arg(long)]
    width: Option<u32>,
    /// Height in pixels, a multiple of 8 [default: the picture's to start from, or the model's own]
    #[arg(long)]
    height: Option<u32>,
    #[arg(long, value_name = "NAME", help = SCHEDULER_HELP)]
    scheduler: Option<String>,
    /// How many pictures to make. Each has a seed of its own, counting up; several are written as FILE-1.png, FILE-2.png, ...
    #[arg(long, value_name = "N", default_value_t = 1)]
    num_images_per_prompt: u32,
    /// Another seed, whose noise is mixed in [default: a random one, which is printed]
    #[arg(long, value_name = "SEED", requires = "variation_strength")]
    variation_seed: Option<u64>,
    /// How much of the other seed's noise, 0 to 1: 0.1 is a small change
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    variation_strength: Option<f64>,
    #[command(flatten)]
    source: SourceOptions,
    #[command(flatten)]
    loras: LoraOptions,
    /// The PNG file to write.
    #[arg(long, value_name = "FILE.png")]
    output: PathBuf,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// One picture of the report.
#[derive(Serialize)]
struct Report {
    output: String,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    variation_seed: Option<u64>,
    #[serde(flatten)]
    record: ImageRecord,
}

/// The report of several pictures.
#[derive(Serialize)]
struct Reports {
    images: Vec<Report>,
}

/// Draws the pictures and writes them with their records.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    check(arguments)?;
    check_output(&arguments.output)?;
    let Source { start, size } = arguments.source.read()?;
    let installed = arguments.model.find(environment)?;
    let place = arguments.model.place()?;
    let folders = model_folders(arguments.model.data_dir.as_deref(), environment);
    let (prompt, loras) = arguments.loras.choose(&arguments.prompt, &folders)?;
    let recorded = loras::tagged(&prompt, &loras);

    let bar = output::progress_bar(u64::from(arguments.num_inference_steps), "loading");
    let mut started = Instant::now();
    let mut pipeline = installed.load(&place)?;
    loras::put_on(&mut pipeline, &loras)?;
    let (width, height) = drawn_size(size, (arguments.width, arguments.height), pipeline.default_size())?;
    let params = GenerationParams {
        prompt,
        prompt_syntax: arguments.loras.prompt_syntax(),
        negative_prompt: arguments.negative_prompt.clone(),
        width,
        height,
        num_inference_steps: arguments.num_inference_steps as usize,
        guidance_scale: arguments.guidance_scale,
        seed: arguments.seed.unwrap_or_else(new_seed),
        variation: arguments
            .variation_strength
            .map(|strength| Variation { seed: arguments.variation_seed.unwrap_or_else(new_seed), strength }),
        scheduler: arguments.scheduler.as_deref().map(SchedulerName::from_str).transpose()?,
        start,
        ..GenerationParams::default()
    };
    std::thread::scope(|scope| {
        // Large models take seconds to hash: meanwhile the first picture is drawn.
        let mut hash = Some(scope.spawn(|| installed.sha256()));
        let mut sha256 = String::new();
        let mut reports = Vec::new();
        for index in 0..arguments.num_images_per_prompt {
            let params = params.for_image(index as usize);
            let generated = draw(&pipeline, &params, &bar)?;
            if let Some(hash) = hash.take() {
                let failed = |_| Err(Failure::new("the model's hash was not computed", "try again"));
                sha256 = hash.join().unwrap_or_else(failed)?;
            }
            let record = record(&params, &installed, &place, sha256.clone());
            let record = ImageRecord { prompt: recorded.clone(), ..record };
            let path = numbered(&arguments.output, index, arguments.num_images_per_prompt);
            let variation_seed = params.variation.map(|variation| variation.seed);
            reports.push(write(&path, &generated, (record, variation_seed), &mut started)?);
        }
        bar.finish_and_clear();
        say(reports, arguments.json)
    })
}

/// Torch's generator uses 32 bits of a seed; more would only be longer to type.
fn new_seed() -> u64 {
    random_u64() >> 32
}

/// Draws one picture.
fn draw(
    pipeline: &StableDiffusionXl,
    params: &GenerationParams,
    bar: &ProgressBar,
) -> Result<Generated, Failure> {
    Ok(pipeline.generate(params, &mut |event: ProgressEvent<'_>| {
        match event {
            ProgressEvent::Encoding => bar.set_message("reading the prompt"),
            ProgressEvent::Encoded => {}
            ProgressEvent::Step { index, total, .. } => {
                bar.set_message("drawing");
                bar.set_length(total as u64);
                bar.set_position(index as u64 + 1);
            }
            ProgressEvent::Decoding => bar.set_message("decoding"),
        }
        Flow::Continue
    })?)
}

/// Where picture `index` of `count` goes.
fn numbered(output: &Path, index: u32, count: u32) -> PathBuf {
    if count == 1 {
        return output.to_owned();
    }
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{stem}-{}.png", index + 1))
}

/// Writes one picture with its record. `started` is when it was begun, and then when the next is.
fn write(
    path: &Path,
    generated: &Generated,
    (record, variation_seed): (ImageRecord, Option<u64>),
    started: &mut Instant,
) -> Result<Report, Failure> {
    let image = &generated.image;
    let png = encode_png(image.width as u32, image.height as u32, &image.rgb, &record)
        .map_err(|error| Failure::from_text(&error.to_string()))?;
    output::write_file(path, &png)?;
    let duration_ms = started.elapsed().as_millis() as u64;
    *started = Instant::now();
    Ok(Report { output: path.display().to_string(), duration_ms, variation_seed, record })
}

/// Tells what was made.
fn say(mut reports: Vec<Report>, json: bool) -> Result<(), Failure> {
    if json {
        return match reports.pop() {
            Some(report) if reports.is_empty() => output::say_json(&report),
            last => output::say_json(&Reports { images: reports.into_iter().chain(last).collect() }),
        };
    }
    for Report { output, duration_ms, variation_seed, record } in reports {
        let towards = variation_seed.map_or_else(String::new, |seed| format!(" towards {seed}"));
        output::say(&format!(
            "{output}: {}x{}, seed {}{towards}, {} steps of {} in {:.1} s ({}, {})",
            record.width,
            record.height,
            record.seed,
            record.num_inference_steps,
            record.scheduler,
            duration_ms as f64 / 1000.0,
            record.device,
            record.dtype
        ))?;
    }
    Ok(())
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
        ingredients: Ingredients {
            strength: match &params.start {
                Start::Noise => None,
                Start::Picture(start) => Some(start.strength),
                Start::Masked(start) => Some(start.strength),
            },
            variation_seed: params.variation.map(|variation| variation.seed),
            variation_strength: params.variation.map(|variation| variation.strength),
            ..Ingredients::default()
        },
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
    checker.number("num_images_per_prompt", f64::from(arguments.num_images_per_prompt), 1.0, MAX_IMAGES);
    if let Some(strength) = arguments.variation_strength {
        checker.number("variation_strength", strength, 0.0, 1.0);
    }
    arguments.source.check(&mut checker);
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
pub fn check_output(path: &Path) -> Result<(), Failure> {
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
