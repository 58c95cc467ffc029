//! `chapan bench generate`: seconds for a picture and peak memory.
//!
//! With `--python` the same weights, prompt, seed and parameters run in diffusers, in a process of its own. The two take
//! turns, so that whatever else the machine does hits both; one round before the measured ones warms caches. Times are
//! medians, and the pictures are compared: a ratio between different pictures would mean nothing.

use std::path::PathBuf;
use std::time::Instant;

use chapan_engine::lora::Application;
use chapan_engine::pipelines::{GenerationParams, Picture, Silent, StableDiffusionXl};
use chapan_engine::prompt::PromptSyntax;
use clap::Args;
use serde::Serialize;

use super::reference::Reference;
use super::{median, peak_memory_bytes};
use crate::cli::installed::{ModelOptions, model_folders};
use crate::cli::loras::{self, LoraOptions};
use crate::cli::{Failure, output};
use crate::config::Environment;

/// Options of `chapan bench generate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan bench generate
  chapan bench generate --lora ink.safetensors:0.8                 # with and without it, in turns
  chapan bench generate --rounds 7 --python ~/venv/bin/python      # a Python with torch and diffusers")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    loras: LoraOptions,
    /// A Python with diffusers, to run the same weights there.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Measured rounds; one more warms up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// What to draw.
    #[arg(long, default_value = "a man with a thin mustache in a red shirt, flat")]
    prompt: String,
    /// Denoising steps.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    num_inference_steps: u32,
    /// Classifier-free guidance.
    #[arg(long, default_value_t = 5.0)]
    guidance_scale: f64,
    /// Width and height in pixels [default: the model's own]
    #[arg(long)]
    size: Option<u32>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Figures of one side.
#[derive(Debug, Serialize)]
struct Side {
    median_seconds: f64,
    seconds: Vec<f64>,
    peak_memory_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Report {
    model: String,
    device: String,
    dtype: String,
    size: usize,
    num_inference_steps: u32,
    guidance_scale: f64,
    threads: usize,
    ours: Side,
    /// The same pictures with the LoRAs.
    #[serde(skip_serializing_if = "Option::is_none")]
    with_loras: Option<Side>,
    /// The median with LoRAs divided by that without.
    #[serde(skip_serializing_if = "Option::is_none")]
    lora_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diffusers: Option<Side>,
    /// Our median divided by theirs: below 1 we are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    /// The greatest difference of any channel of any pixel, in levels of 255.
    #[serde(skip_serializing_if = "Option::is_none")]
    greatest_difference: Option<u8>,
}

/// Measures and reports.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let installed = arguments.model.find(environment)?;
    let place = arguments.model.place()?;
    let mut pipeline = installed.load(&place)?;
    let folders = model_folders(arguments.model.data_dir.as_deref(), environment);
    let (prompt, loras) = arguments.loras.choose(&arguments.prompt, &folders)?;
    let loras = loras::read(&pipeline, &loras)?;
    let size = arguments.size.map_or(pipeline.default_size(), |size| size as usize);
    let params = GenerationParams {
        prompt,
        prompt_syntax: if arguments.loras.prompt_weighting() {
            PromptSyntax::Weighted
        } else {
            PromptSyntax::Plain
        },
        width: size,
        height: size,
        num_inference_steps: arguments.num_inference_steps as usize,
        guidance_scale: arguments.guidance_scale,
        ..GenerationParams::default()
    };
    let mut reference =
        arguments.python.as_deref().map(|python| Reference::start(python, &installed.path)).transpose()?;

    let bar = output::progress_bar(u64::from(arguments.rounds) + 1, "measuring");
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    let mut changed = Vec::new();
    let mut greatest_difference = None;
    for round in 0..=arguments.rounds {
        // The seed changes, so that no cache of a whole picture could help.
        let params = GenerationParams { seed: u64::from(round), ..params.clone() };
        pipeline.set_loras(&[], Application::Unmerged)?;
        let (seconds, picture) = draw(&pipeline, &params)?;
        if !loras.is_empty() {
            pipeline.set_loras(&loras, Application::Unmerged)?;
            changed.push(draw(&pipeline, &params)?.0);
        }
        if let Some(reference) = &mut reference {
            let answer = reference.draw(&params)?;
            greatest_difference = greatest_difference.max(Some(difference(&picture, &answer.rgb)?));
            theirs.push(answer.seconds);
        }
        ours.push(seconds);
        bar.inc(1);
    }
    bar.finish_and_clear();

    let ours = side(ours, peak_memory_bytes());
    let diffusers = match reference {
        Some(reference) => Some(side(theirs, reference.finish()?)),
        None => None,
    };
    let with_loras = (!loras.is_empty()).then(|| side(changed, peak_memory_bytes()));
    let lora_ratio = with_loras.as_ref().map(|changed| changed.median_seconds / ours.median_seconds);
    let ratio = diffusers.as_ref().map(|theirs| ours.median_seconds / theirs.median_seconds);
    let report = Report {
        model: installed.id.to_string(),
        device: place.name,
        dtype: place.dtype.as_str().to_owned(),
        size,
        num_inference_steps: arguments.num_inference_steps,
        guidance_scale: arguments.guidance_scale,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        ours,
        with_loras,
        lora_ratio,
        diffusers,
        ratio,
        greatest_difference,
    };
    if arguments.json { output::say_json(&report) } else { say(&report) }
}

fn draw(pipeline: &StableDiffusionXl, params: &GenerationParams) -> Result<(f64, Picture), Failure> {
    let started = Instant::now();
    let generated = pipeline.generate(params, &mut Silent)?;
    Ok((started.elapsed().as_secs_f64(), generated.image))
}

fn difference(picture: &Picture, other: &[u8]) -> Result<u8, Failure> {
    if picture.rgb.len() != other.len() {
        let fact =
            format!("diffusers made a picture of {} bytes, ours has {}", other.len(), picture.rgb.len());
        return Err(Failure::new(fact, "choose a size that the model supports"));
    }
    Ok(picture.rgb.iter().zip(other).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0))
}

/// The figures of a side; the first round only warmed up.
fn side(seconds: Vec<f64>, peak_memory_bytes: Option<u64>) -> Side {
    let seconds: Vec<f64> = seconds.into_iter().skip(1).collect();
    Side { median_seconds: median(&seconds), seconds, peak_memory_bytes }
}

fn say(report: &Report) -> Result<(), Failure> {
    output::say(&format!(
        "{}: {}x{}, {} steps, guidance {}, {} {}, {} threads, median of {}",
        report.model,
        report.size,
        report.size,
        report.num_inference_steps,
        report.guidance_scale,
        report.device,
        report.dtype,
        report.threads,
        report.ours.seconds.len(),
    ))?;
    let row = |name: &str, side: &Side| {
        let memory = side.peak_memory_bytes.map_or_else(|| "?".to_owned(), output::size);
        [name.to_owned(), format!("{:.3} s", side.median_seconds), memory]
    };
    let header = ["", "A PICTURE", "PEAK MEMORY"].map(str::to_owned);
    let rows = std::iter::once(row("chapan", &report.ours));
    let rows = rows.chain(report.with_loras.as_ref().map(|side| row("with LoRAs", side)));
    let rows = rows.chain(report.diffusers.as_ref().map(|side| row("diffusers", side)));
    output::say_table(std::iter::once(header).chain(rows))?;
    if let Some(ratio) = report.lora_ratio {
        output::say(&format!("with LoRAs a picture takes {ratio:.2} times as long"))?;
    }
    if let (Some(ratio), Some(levels)) = (report.ratio, report.greatest_difference) {
        output::say(&format!(
            "ratio {ratio:.2} (below 1: chapan is faster); pictures differ by at most {levels} of 255"
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::side;

    #[test]
    fn the_median_leaves_the_first_round_out() {
        assert_eq!(side(vec![100.0, 1.0, 3.0, 2.0], None).median_seconds, 2.0);
        assert_eq!(side(vec![100.0, 1.0, 3.0], None).median_seconds, 2.0);
    }
}
