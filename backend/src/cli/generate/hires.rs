//! The second pass at a larger size, as options.

use chapan_api::generation::Hires;
use chapan_api::id::ModelId;
use clap::Args;

/// Enlarging and drawing over.
#[derive(Debug, Args)]
#[command(next_help_heading = "Drawing over at a larger size (hires fix)")]
pub struct HiresOptions {
    /// Enlarges the picture so many times, above 1 to 4, and draws over it in windows of the model's own size
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    hires_scale: Option<f64>,
    /// What enlarges it: an upscaler's id or file [default: the mini family's own]
    #[arg(long, value_name = "ID|PATH", requires = "hires_scale")]
    pub hires_upscaler: Option<String>,
    /// How much is drawn anew, above 0 to 1 [default: 0.4]
    #[arg(long, value_name = "X", requires = "hires_scale", allow_negative_numbers = true)]
    hires_strength: Option<f64>,
    /// Steps that are planned, of which the last --hires-strength share is done [default: --num-inference-steps]
    #[arg(long, value_name = "N", requires = "hires_scale")]
    hires_steps: Option<u32>,
}

impl HiresOptions {
    /// The second pass that is asked for, or that a record tells of; `first` are the steps of the first.
    pub fn wanted(&self, known: Option<&Hires>, first: u32) -> Option<Hires> {
        let Some(scale) = self.hires_scale else { return known.cloned() };
        let usual = Hires::default();
        Some(Hires {
            scale,
            upscaler: self.hires_upscaler.clone().map(ModelId::new),
            strength: self.hires_strength.unwrap_or(usual.strength),
            steps: Some(self.hires_steps.unwrap_or(first)),
        })
    }
}
