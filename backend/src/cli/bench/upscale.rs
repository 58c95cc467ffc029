//! `chapan bench upscale`: seconds and peak memory of a large enlargement.
//!
//! Speed and memory of a network do not depend on what it has learned, so by default the network is `RRDBNet` of Real-ESRGAN with
//! random weights, and nothing has to be downloaded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use chapan_engine::models::Upscaler;
use chapan_engine::noise::TorchRng;
use chapan_engine::pipelines::upscale::DEFAULT_TILE;
use chapan_engine::pipelines::{Flow, Picture};
use chapan_engine::weights::{InMemory, SafetensorsFile, write_safetensors};
use chapan_engine::{Device, Tensor};
use clap::Args;
use serde::Serialize;

use super::{forget_peak_memory, peak_memory_bytes};
use crate::cli::installed::find_place;
use crate::cli::{Failure, output};
use crate::hub::UpscalerFile;
use crate::jobs::{Enlargement, enlarge, upscale_memory};

/// Channels that each convolution of a dense block adds in Real-ESRGAN.
const GROWTH: usize = 32;

/// Options of `chapan bench upscale`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan bench upscale                                    # RRDBNet of Real-ESRGAN x4plus, 1024 to 4096
  chapan bench upscale --size 256 --model RealESRGAN_x4plus.safetensors")]
pub struct Arguments {
    /// Width and height of the picture in pixels.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=8192))]
    size: u32,
    /// Side of the result over side of the picture.
    #[arg(long, default_value_t = 4.0)]
    scale: f64,
    /// Side of a tile in pixels; 0 computes all at once.
    #[arg(long, default_value_t = DEFAULT_TILE)]
    tile: usize,
    /// A file of weights instead of random ones.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Blocks of the random network.
    #[arg(long, default_value_t = 23, value_parser = clap::value_parser!(u32).range(1..=100))]
    blocks: u32,
    /// Channels of the random network.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=256))]
    features: u32,
    /// Where to run: auto, cpu, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    architecture: &'static str,
    device: String,
    dtype: String,
    width: usize,
    height: usize,
    tile: usize,
    threads: usize,
    seconds: f64,
    peak_memory_bytes: Option<u64>,
    /// Whether the peak is that of the enlargement alone, the network included; else making random weights counts too.
    peak_is_clean: bool,
    /// What the server would plan with.
    planned_memory_bytes: u64,
}

/// Measures and reports.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let how = Enlargement { scale: arguments.scale, tile: arguments.tile };
    how.check()?;
    let place = find_place(&arguments.device, None)?;
    let side = arguments.size as usize;
    let (upscaler, size_bytes) = if let Some(path) = &arguments.model {
        let source = SafetensorsFile::open(path)?;
        let bytes = std::fs::metadata(path).map_or(0, |entry| entry.len());
        (Upscaler::load(source, &place.device, place.dtype)?, bytes)
    } else {
        let file = random_rrdb(arguments.blocks as usize, arguments.features as usize)?;
        let bytes = file.len() as u64;
        (Upscaler::load(InMemory::new("random weights", file)?, &place.device, place.dtype)?, bytes)
    };
    let noise = TorchRng::new(1).randn(side * side * 3);
    let rgb = noise.into_iter().map(|value| (value * 40.0 + 128.0).clamp(0.0, 255.0) as u8).collect();
    let picture = Picture { width: side, height: side, rgb };

    let peak_is_clean = forget_peak_memory();
    let bar = output::progress_bar(1, "enlarging");
    let started = Instant::now();
    let larger = enlarge(&upscaler, &picture, how, &mut |tiles| {
        bar.set_length(tiles.total as u64);
        bar.set_position(tiles.done as u64);
        Flow::Continue
    })?;
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let path = arguments.model.clone().unwrap_or_default();
    // Random weights have no file, and what is no file is counted as 16-bit numbers: half the bytes, as many numbers.
    let size_bytes = if arguments.model.is_some() { size_bytes } else { size_bytes / 2 };
    let file = UpscalerFile { id: "bench".to_owned().into(), path, size_bytes };
    let report = Report {
        architecture: upscaler.architecture(),
        device: place.name,
        dtype: place.dtype.as_str().to_owned(),
        width: larger.width,
        height: larger.height,
        tile: arguments.tile,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        seconds,
        peak_memory_bytes: peak_memory_bytes(),
        peak_is_clean,
        planned_memory_bytes: upscale_memory(&file, (arguments.size, arguments.size), arguments.scale),
    };
    if arguments.json {
        return output::say_json(&report);
    }
    let peak = report.peak_memory_bytes.map_or_else(|| "?".to_owned(), output::size);
    output::say(&format!(
        "{}: {side}x{side} to {}x{} in {seconds:.1} s ({}, {}, {} threads); peak memory {peak}, planned with {}",
        report.architecture,
        report.width,
        report.height,
        report.device,
        report.dtype,
        report.threads,
        output::size(report.planned_memory_bytes)
    ))
}

/// The file of an `RRDBNet` that enlarges by 4, with random weights small enough for numbers to stay in range.
fn random_rrdb(blocks: usize, features: usize) -> Result<Vec<u8>, Failure> {
    let mut layers = vec![("conv_first".to_owned(), 3, features)];
    for block in 0..blocks {
        for dense in 1..=3 {
            for conv in 0..5 {
                let out = if conv == 4 { features } else { GROWTH };
                let name = format!("body.{block}.rdb{dense}.conv{}", conv + 1);
                layers.push((name, features + conv * GROWTH, out));
            }
        }
    }
    for name in ["conv_body", "conv_up1", "conv_up2", "conv_hr"] {
        layers.push((name.to_owned(), features, features));
    }
    layers.push(("conv_last".to_owned(), features, 3));
    let mut rng = TorchRng::new(0);
    let mut tensors = Vec::new();
    for (name, inputs, outputs) in layers {
        let spread = 0.5 / (inputs as f32 * 9.0).sqrt();
        let weights = rng.randn(outputs * inputs * 9).into_iter().map(|value| value * spread).collect();
        let of = |values: Vec<f32>, shape: &[usize]| {
            Tensor::from_vec(values, shape, &Device::Cpu).map_err(chapan_engine::Error::from)
        };
        tensors.push((format!("{name}.weight"), of(weights, &[outputs, inputs, 3, 3])?));
        tensors.push((format!("{name}.bias"), of(vec![0.0; outputs], &[outputs])?));
    }
    Ok(write_safetensors(tensors, &BTreeMap::new())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chapan_engine::DType;

    #[test]
    fn the_random_network_is_the_published_one() {
        let file = InMemory::new("random weights", random_rrdb(1, 8).unwrap()).unwrap();
        let upscaler = Upscaler::load(file, &Device::Cpu, DType::F32).unwrap();
        assert_eq!((upscaler.architecture(), upscaler.scale()), ("RRDBNet", 4));
        // RealESRGAN_x4plus has 16,697,987 parameters.
        let whole = random_rrdb(23, 64).unwrap();
        assert_eq!((whole.len() - 8).abs_diff(16_697_987 * 4) / 100_000, 0, "{}", whole.len());
    }
}
