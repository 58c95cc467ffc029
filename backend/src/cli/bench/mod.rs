//! `chapan bench`: how long things take here, and in the reference library on the same machine.

mod generate;
mod reference;
mod ssim;

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
    /// Milliseconds for a structural similarity, here and with scikit-image, in turns
    Ssim(ssim::Arguments),
}

/// Measures.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    match &arguments.what {
        What::Generate(arguments) => generate::run(arguments, environment),
        What::Ssim(arguments) => ssim::run(arguments),
    }
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
