//! `vae/config.json`, with diffusers' defaults.

use serde::Deserialize;

use crate::models::PerBlock;
use crate::models::config::require;
use crate::{Error, Result};

const WHAT: &str = "vae";

/// Configuration of an `AutoencoderKL`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the checkpoint's own")]
#[expect(clippy::struct_excessive_bools, reason = "so does the file")]
pub struct VaeConfig {
    pub in_channels: usize,
    pub out_channels: usize,
    pub down_block_types: Vec<String>,
    pub up_block_types: Vec<String>,
    pub block_out_channels: Vec<usize>,
    pub layers_per_block: usize,
    pub act_fn: String,
    pub latent_channels: usize,
    pub norm_num_groups: usize,
    pub sample_size: PerBlock<usize>,
    pub scaling_factor: f64,
    pub shift_factor: Option<f64>,
    pub latents_mean: Option<Vec<f64>>,
    pub latents_std: Option<Vec<f64>>,
    pub force_upcast: bool,
    pub use_quant_conv: bool,
    pub use_post_quant_conv: bool,
    pub mid_block_add_attention: bool,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec!["DownEncoderBlock2D".into()],
            up_block_types: vec!["UpDecoderBlock2D".into()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            act_fn: "silu".into(),
            latent_channels: 4,
            norm_num_groups: 32,
            sample_size: PerBlock::All(32),
            scaling_factor: 0.18215,
            shift_factor: None,
            latents_mean: None,
            latents_std: None,
            force_upcast: true,
            use_quant_conv: true,
            use_post_quant_conv: true,
            mid_block_add_attention: true,
        }
    }
}

impl VaeConfig {
    /// Side of a picture over side of its latents.
    pub fn downscale(&self) -> usize {
        1 << self.block_out_channels.len().saturating_sub(1)
    }

    /// Refuses what is not implemented.
    pub(super) fn check(&self) -> Result<()> {
        let count = self.block_out_channels.len();
        let of =
            |types: &[String], known: &str| types.len() == count && types.iter().all(|kind| kind == known);
        if count == 0
            || !of(&self.down_block_types, "DownEncoderBlock2D")
            || !of(&self.up_block_types, "UpDecoderBlock2D")
        {
            return Err(Error::config(
                WHAT,
                format!(
                    "`down_block_types` are {:?} and `up_block_types` {:?} for {count} `block_out_channels`",
                    self.down_block_types, self.up_block_types
                ),
                "implemented are `DownEncoderBlock2D` and `UpDecoderBlock2D`, one for each entry",
            ));
        }
        if !["silu", "swish"].contains(&self.act_fn.as_str()) {
            require(WHAT, "act_fn", &self.act_fn.as_str(), &"silu")?;
        }
        for (field, values) in [("latents_mean", &self.latents_mean), ("latents_std", &self.latents_std)] {
            let got = values.as_ref().map_or(self.latent_channels, Vec::len);
            if got != self.latent_channels {
                let fault = format!("`{field}` has {got} entries for {} channels", self.latent_channels);
                return Err(Error::config(WHAT, fault, "one number for each latent channel"));
            }
        }
        require(WHAT, "latents_std", &self.latents_std.is_some(), &self.latents_mean.is_some())
    }
}
