//! `chapan noise`: the exact initial latents of a seed, as a file that any tool can compare.

use std::path::PathBuf;

use chapan_engine::noise::TorchRng;
use chapan_engine::weights::write_safetensors;
use chapan_engine::{Device, Tensor};
use clap::Args;
use serde::Serialize;

use super::{Failure, output};

/// The most values drawn: 1 GiB of them.
const MAX_VALUES: usize = 1 << 28;

/// Options of `chapan noise`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan noise --seed 12345 --shape 1,4,128,128 --output noise.safetensors
  python -c \"import torch; print(torch.randn(1, 4, 128, 128, generator=torch.Generator().manual_seed(12345)))\"
Both give the same bits.")]
pub struct Arguments {
    /// Seed of the generator, 0 to 2^64 - 1. Torch uses its low 32 bits.
    #[arg(long)]
    seed: u64,
    /// Shape, comma-separated; a picture of 1024x1024 in SDXL starts from 1,4,128,128.
    #[arg(long, value_delimiter = ',', required = true)]
    shape: Vec<usize>,
    /// The safetensors file to write; the tensor is called "noise".
    #[arg(long, value_name = "FILE.safetensors")]
    output: PathBuf,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    seed: u64,
    shape: &'a [usize],
    output: String,
    first: &'a [f32],
}

/// Draws the noise and writes it.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let shape = arguments.shape.as_slice();
    let values = shape.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim));
    let values = values.filter(|values| (1..=MAX_VALUES).contains(values)).ok_or_else(|| {
        Failure::usage(
            format!("`--shape {shape:?}` does not hold between 1 and {MAX_VALUES} values"),
            "a picture of 1024x1024 in SDXL starts from 1,4,128,128",
        )
    })?;
    let noise = TorchRng::new(arguments.seed).randn(values);
    let first = noise[..values.min(4)].to_vec();
    let tensor = Tensor::from_vec(noise, shape, &Device::Cpu).map_err(chapan_engine::Error::from)?;
    let bytes = write_safetensors(
        [("noise".to_owned(), tensor)],
        &[("seed".to_owned(), arguments.seed.to_string())].into(),
    )?;
    output::write_file(&arguments.output, &bytes)?;
    let output = arguments.output.display().to_string();
    if arguments.json {
        return output::say_json(&Report { seed: arguments.seed, shape, output, first: &first });
    }
    output::say(&format!("{output}: {values} values of seed {}, starting {first:?}", arguments.seed))
}
