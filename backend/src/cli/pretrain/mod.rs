//! `chapan pretrain`: the mini family, measured.

mod analysis;
mod evaluate;
mod gates;

use std::path::PathBuf;

use clap::Args;

use super::Failure;

/// Options of `chapan pretrain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan pretrain --evaluate                           # every gate on 500 held-out scenes
  chapan pretrain --evaluate --scenes 100 --json       # a quicker look, for programs
  chapan pretrain --analysis                           # is `chapan analyze` right? by group
Held-out scenes are drawn here from seeds that training never saw. The pictures of the prompt gates take most of the time.")]
pub struct Arguments {
    /// Measure the family in `--models` and print every gate.
    #[arg(long, required_unless_present = "analysis")]
    evaluate: bool,
    /// Measure only how right the analysis of references is, on as many held-out portraits as `--scenes`.
    #[arg(long, conflicts_with = "evaluate")]
    analysis: bool,
    /// The folder with chapan-mini, chapan-mini-clip and chapan-mini-judge [default: assets/models]
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
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Measures the family.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.analysis { analysis::run(arguments) } else { evaluate::run(arguments) }
}
