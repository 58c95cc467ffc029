//! `chapan generate`: a prompt becomes pictures, without a server; of noise, of another picture, or within a mask; drawn over
//! at a larger size; or made again from the record of one.

mod again;
mod hires;
mod report;

use std::path::{Path, PathBuf};
use std::time::Instant;

use chapan_api::generation::{CreateGeneration, Hires, SCHEDULERS};
use chapan_api::image::{HiresRecord, ImageRecord, Ingredients, LoraRecord};
use chapan_api::validation::{Checker, FieldError, Rule};
use chapan_engine::models::Upscaler;
use chapan_engine::pipelines::{Flow, GenerationParams, Picture, ProgressEvent, StableDiffusionXl, Start};
use chapan_engine::weights::SafetensorsFile;
use clap::Args;
use indicatif::ProgressBar;

use super::installed::{Installed, ModelOptions, Place, model_folders};
use super::loras::{self, LoraOptions};
use super::source::{Source, SourceOptions, drawn_size};
use super::upscale::find_upscaler;
use super::{Failure, output};
use crate::config::Environment;
use crate::hub::UpscalerFile;
use crate::ids::random_u64;
use crate::jobs::{engine_call, enlarge_for_hires, run_of, second_pass};

use again::Original;
use hires::HiresOptions;
use report::{Report, say};

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
  chapan generate --prompt \"a hotel room\" --image room.png --outpaint 64,64,0,0 --output wide.png
  chapan generate --prompt \"a man in a red shirt, flat\" --hires-scale 2 --output large.png
  chapan generate --prompt \"a man\" --seed 7 --variation-strength 0.1 --num-images-per-prompt 4 --output like.png
  chapan generate --again man.png --output same.png
The same prompt, seed, model and parameters give the same picture. The PNG says how it was made.")]
pub struct Arguments {
    /// What to draw.
    #[arg(long, required_unless_present = "again")]
    prompt: Option<String>,
    /// Makes the picture of this PNG again from its record, and compares the two; other options change what they name
    #[arg(long, value_name = "FILE.png")]
    again: Option<PathBuf>,
    /// What to keep out. Absent and empty differ: absent takes the model's own neutral condition.
    #[arg(long)]
    negative_prompt: Option<String>,
    #[command(flatten)]
    model: ModelOptions,
    /// Seed of the noise, 0 to 2^64 - 1 [default: a random one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Denoising steps [default: 20]
    #[arg(long)]
    num_inference_steps: Option<u32>,
    /// Classifier-free guidance: how strongly the prompt pulls. 1 and below switch it off [default: 5]
    #[arg(long, allow_negative_numbers = true)]
    guidance_scale: Option<f64>,
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
    hires: HiresOptions,
    #[command(flatten)]
    loras: LoraOptions,
    /// The PNG file to write.
    #[arg(long, value_name = "FILE.png")]
    output: PathBuf,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Draws the pictures and writes them with their records.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    check(arguments)?;
    check_output(&arguments.output)?;
    let original = arguments.again.as_deref().map(Original::read).transpose()?;
    let known = original.as_ref().map(|original| &original.record);
    let source = arguments.source.read(known.map(|known| &known.ingredients))?;
    let installed = arguments.model.find_or(known.map(|known| known.model.as_str()), environment)?;
    let place = arguments.model.place()?;
    let folders = model_folders(arguments.model.data_dir.as_deref(), environment);
    let typed = arguments.prompt.as_deref().or(known.map(|known| known.prompt.as_str()));
    let (prompt, mut loras) = arguments.loras.choose(typed.unwrap_or_default(), &folders)?;
    if let Some(known) = known.filter(|_| loras.is_empty()) {
        loras = loras::recorded(&known.ingredients.loras, &folders)?;
    }
    let request = CreateGeneration { prompt, ..request(arguments, known) };
    let request = source
        .fill(CreateGeneration { loras: loras.iter().map(loras::ChosenLora::wanted).collect(), ..request });
    let enlarging = match &request.hires {
        Some(hires) => Some(Enlarging::open(hires, &source, &folders, &place)?),
        None => None,
    };

    let bar = output::progress_bar(u64::from(request.num_inference_steps), "loading");
    let mut started = Instant::now();
    let mut pipeline = installed.load(&place)?;
    let unmatched = loras::put_on(&mut pipeline, &loras)?;
    let asked = (
        arguments.width.or(known.map(|known| known.width)),
        arguments.height.or(known.map(|known| known.height)),
    );
    let (width, height) = drawn_size(source.size, asked, pipeline.default_size())?;
    let request = CreateGeneration { width: width as u32, height: height as u32, ..request };
    if let Some(hires) = &request.hires {
        hires.validate(&request).map_err(|faults| refused(&faults))?;
    }
    let first = engine_call(&request, source.start.clone())?;
    std::thread::scope(|scope| {
        // Large models take seconds to hash: meanwhile the first picture is drawn.
        let mut hash = Some(scope.spawn(|| installed.sha256()));
        let mut sha256 = String::new();
        let mut reports = Vec::new();
        for index in 0..arguments.num_images_per_prompt {
            let call = first.for_image(index as usize);
            let picture = draw(&pipeline, &call, &bar)?;
            let (picture, hires) = match &enlarging {
                Some(enlarging) => enlarging.draw_over(&pipeline, &call, &picture, &bar)?,
                None => (picture, None),
            };
            if let Some(hash) = hash.take() {
                let failed = |_| Err(Failure::new("the model's hash was not computed", "try again"));
                sha256 = hash.join().unwrap_or_else(failed)?;
            }
            let records = loras.iter().zip(&unmatched).map(|(lora, unmatched)| lora.record(*unmatched));
            let records = records.collect::<Result<Vec<LoraRecord>, _>>()?;
            let ingredients = source.ingredients(&seeded(&request, &call), records, hires);
            let record = record(&seeded(&request, &call), &installed, &place, sha256.clone(), ingredients);
            let path = numbered(&arguments.output, index, arguments.num_images_per_prompt);
            reports.push(Report::write(&path, &picture, record, original.as_ref(), &mut started)?);
        }
        bar.finish_and_clear();
        say(reports, original.as_ref(), arguments.json)
    })
}

/// What is asked for, as options say it, and else the record of the picture that is made again; without prompt, LoRAs,
/// source and size.
fn request(arguments: &Arguments, known: Option<&ImageRecord>) -> CreateGeneration {
    let usual = CreateGeneration::default();
    let with = known.map(|known| &known.ingredients);
    let steps = arguments.num_inference_steps.or(known.map(|known| known.num_inference_steps));
    let steps = steps.unwrap_or(usual.num_inference_steps);
    let guidance = arguments.guidance_scale.or(known.map(|known| known.guidance_scale));
    let variation_strength = arguments.variation_strength.or(with.and_then(|with| with.variation_strength));
    let variation_seed = arguments.variation_seed.or(with.and_then(|with| with.variation_seed));
    let second = with.and_then(|with| with.hires.as_ref()).map(|hires| &hires.request);
    CreateGeneration {
        negative_prompt: arguments
            .negative_prompt
            .clone()
            .or_else(|| known.and_then(|known| known.negative_prompt.clone())),
        seed: Some(arguments.seed.or(known.map(|known| known.seed)).unwrap_or_else(new_seed)),
        num_inference_steps: steps,
        guidance_scale: guidance.unwrap_or(usual.guidance_scale),
        scheduler: arguments.scheduler.clone().or_else(|| known.map(|known| known.scheduler.clone())),
        variation_seed: variation_strength.map(|_| variation_seed.unwrap_or_else(new_seed)),
        variation_strength,
        prompt_weighting: arguments.loras.prompt_weighting()
            || with.is_some_and(|with| with.prompt_weighting),
        hires: arguments.hires.wanted(second, steps),
        ..usual
    }
}

/// The request with the seeds of one of its pictures.
fn seeded(request: &CreateGeneration, call: &GenerationParams) -> CreateGeneration {
    let variation_seed = call.variation.map(|variation| variation.seed);
    CreateGeneration { seed: Some(call.seed), variation_seed, ..request.clone() }
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
) -> Result<Picture, Failure> {
    let generated = pipeline.generate(params, &mut |event: ProgressEvent<'_>| {
        match event {
            ProgressEvent::Encoding => bar.set_message("reading the prompt"),
            ProgressEvent::Encoded | ProgressEvent::Window { .. } => {}
            ProgressEvent::Step { index, total, .. } => {
                bar.set_message("drawing");
                bar.set_length(total as u64);
                bar.set_position(index as u64 + 1);
            }
            ProgressEvent::Decoding => bar.set_message("decoding"),
        }
        Flow::Continue
    })?;
    Ok(generated.image)
}

/// The second pass, with the upscaler that it takes.
struct Enlarging {
    hires: Hires,
    file: UpscalerFile,
    sha256: String,
    upscaler: Upscaler,
}

impl Enlarging {
    fn open(hires: &Hires, source: &Source, folders: &[PathBuf], place: &Place) -> Result<Self, Failure> {
        if matches!(source.start, Start::Masked(_)) {
            let fact =
                "`--hires-scale` is given with a mask: the second pass would change what the mask keeps";
            return Err(Failure::usage(fact, "repaint first, then enlarge the result with `chapan upscale`"));
        }
        let name = hires.upscaler.as_ref().map(chapan_api::id::ModelId::as_str);
        let file = find_upscaler(name, folders)?;
        let upscaler = Upscaler::load(SafetensorsFile::open(&file.path)?, &place.device, place.dtype)?;
        let hash = file.weights().sha256();
        let sha256 = hash.map_err(|error| Failure::new(error, "can the upscaler's file be read?"))?;
        Ok(Self { hires: Hires { upscaler: Some(file.id.clone()), ..hires.clone() }, file, sha256, upscaler })
    }

    fn draw_over(
        &self,
        pipeline: &StableDiffusionXl,
        call: &GenerationParams,
        first: &Picture,
        bar: &ProgressBar,
    ) -> Result<(Picture, Option<HiresRecord>), Failure> {
        bar.set_message(format!("enlarging with {}", self.file.id));
        let enlarged = enlarge_for_hires(&self.upscaler, first, &self.hires, &mut |tiles| {
            bar.set_length(tiles.total as u64);
            bar.set_position(tiles.done as u64);
            Flow::Continue
        })?;
        let call = second_pass(call, &self.hires, enlarged, pipeline.default_size());
        let record = HiresRecord { request: self.hires.clone(), upscaler_hash: Some(self.sha256.clone()) };
        Ok((draw(pipeline, &call, bar)?, Some(record)))
    }
}

/// Where picture `index` of `count` goes.
fn numbered(output: &Path, index: u32, count: u32) -> PathBuf {
    if count == 1 {
        return output.to_owned();
    }
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{stem}-{}.png", index + 1))
}

fn record(
    request: &CreateGeneration,
    installed: &Installed,
    place: &Place,
    sha256: String,
    ingredients: Ingredients,
) -> ImageRecord {
    let own = installed.checkpoint.as_ref().map_or("euler", |checkpoint| &checkpoint.default_scheduler);
    let run = run_of(installed.id.clone(), sha256, own, &place.name, place.dtype);
    ImageRecord::of(request, run, ingredients)
}

/// The rules of requests in the server's words, with the wider ranges of a person at their own machine.
fn check(arguments: &Arguments) -> Result<(), Failure> {
    let mut checker = Checker::new();
    for (field, text) in [("prompt", &arguments.prompt), ("negative_prompt", &arguments.negative_prompt)] {
        if let Some(text) = text {
            checker.text(field, text, MAX_PROMPT_CHARS);
        }
    }
    if arguments.prompt.as_ref().is_some_and(|prompt| prompt.trim().is_empty()) {
        checker.fault("prompt", Rule::Required);
    }
    if let Some(steps) = arguments.num_inference_steps {
        checker.number("num_inference_steps", f64::from(steps), 1.0, MAX_STEPS);
    }
    if let Some(scale) = arguments.guidance_scale {
        checker.number("guidance_scale", scale, 0.0, MAX_GUIDANCE);
    }
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
    checker.finish().map_err(|faults| refused(&faults))
}

/// Faults of fields as faults of options: `hires.scale` is `--hires-scale`.
fn refused(faults: &[FieldError]) -> Failure {
    let option = |fault: &FieldError| {
        let name = format!("--{}", fault.field.replace(['_', '.'], "-"));
        fault.message().replacen(&format!("`{}`", fault.field), &format!("`{name}`"), 1)
    };
    let facts: Vec<String> = faults.iter().map(option).collect();
    let hints: Vec<String> = faults.iter().map(FieldError::hint).collect();
    Failure::usage(facts.join("; "), hints.join("; "))
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
