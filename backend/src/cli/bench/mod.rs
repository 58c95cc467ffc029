//! `chapan bench`: how long things take here, and in the reference library on the same machine.

mod browser;
mod generate;
mod reference;
mod ssim;
mod train;
mod upscale;

use clap::{Args, Subcommand};

use super::Failure;
use crate::config::Environment;

/// Options of `chapan bench`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Seconds and memory for a picture, here and with diffusers, in turns
    Generate(generate::Arguments),
    /// Seconds and peak memory of a large enlargement
    Upscale(upscale::Arguments),
    /// LoRA steps a second and memory, here and with diffusers and PEFT, in turns
    Train(train::Arguments),
    /// Milliseconds for a structural similarity, here, with scikit-image and in a browser, in turns
    Ssim(ssim::Arguments),
}

/// Measures.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    match &arguments.what {
        What::Generate(arguments) => generate::run(arguments, environment),
        What::Upscale(arguments) => upscale::run(arguments),
        What::Train(arguments) => train::run(arguments, environment),
        What::Ssim(arguments) => ssim::run(arguments),
    }
}

/// The most memory that this process ever held, where the system says so.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Forgets how much memory this process held before, where the system lets it: what was needed to prepare a measurement is no
/// part of it. Says whether it could.
fn forget_peak_memory() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The median of some figures; 0 of none.
fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => 0.0,
        0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}
