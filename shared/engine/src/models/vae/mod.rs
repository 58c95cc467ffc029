//! The autoencoder between pictures and latents: `AutoencoderKL` of diffusers.

mod blocks;
mod config;
mod tiled;

use candle_core::Tensor;

use self::blocks::{EPS, Level, Mid};
use crate::nn::{Activation, Conv2d, Conv2dShape, GroupNorm, on_workers};
use crate::weights::Scope;
use crate::{Error, Result};

pub use config::VaeConfig;
pub use tiled::Tiling;

/// Memory from which a picture is encoded and decoded in tiles: below it SDXL's 1024x1024 is one piece, and up to about
/// 1400x1400. It does not depend on the machine, so that the same parameters give the same picture everywhere; in the
/// browser, which has 4 GiB of addresses at most, it is smaller.
pub const WHOLE_BYTES: u64 = if cfg!(target_arch = "wasm32") { 1 << 30 } else { 6 << 30 };

/// Turns pictures into latents and back. Pictures are `(batch, 3, height, width)` in -1..1.
#[derive(Debug)]
pub struct AutoencoderKl {
    config: VaeConfig,
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
}

impl AutoencoderKl {
    /// Loads encoder and decoder from a checkpoint in diffusers layout.
    pub fn load(scope: &Scope, config: &VaeConfig) -> Result<Self> {
        config.check()?;
        let (latent, point) = (config.latent_channels, Conv2dShape::same(1));
        Ok(Self {
            encoder: Encoder::load(&scope.pp("encoder"), config)?,
            decoder: Decoder::load(&scope.pp("decoder"), config)?,
            quant_conv: config
                .use_quant_conv
                .then(|| Conv2d::load(&scope.pp("quant_conv"), 2 * latent, 2 * latent, point))
                .transpose()?,
            post_quant_conv: config
                .use_post_quant_conv
                .then(|| Conv2d::load(&scope.pp("post_quant_conv"), latent, latent, point))
                .transpose()?,
            config: config.clone(),
        })
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// An estimate of the working memory for a picture of this many pixels, computed at once: the last level keeps three maps
    /// that are as wide as the level before it.
    pub fn working_bytes(&self, height: usize, width: usize) -> u64 {
        let widths = &self.config.block_out_channels;
        let widest = widths.iter().take(2).max().copied().unwrap_or(1);
        let size = self.decoder.conv_in.weight().dtype().size_in_bytes();
        3 * (height as u64) * (width as u64) * (widest * size) as u64
    }

    /// The tiles for a picture of this size, if it is too large to be computed at once (see [`WHOLE_BYTES`]).
    fn tiling(&self, height: usize, width: usize) -> Option<Tiling> {
        let tiling = Tiling::of(&self.config);
        let large = self.working_bytes(height, width) > WHOLE_BYTES;
        (large && height.max(width) > tiling.pixels).then_some(tiling)
    }

    /// The distribution of latents of `picture`, in tiles where the picture is large.
    pub fn encode(&self, picture: &Tensor) -> Result<Posterior> {
        let side = self.config.downscale();
        let &[_, channels, height, width] = picture.dims() else {
            return Err(Error::shape("vae encode", "(batch, channels, height, width)", picture.dims()));
        };
        if channels != self.config.in_channels || height % side != 0 || width % side != 0 {
            let expected =
                format!("(batch, {}, multiple of {side}, multiple of {side})", self.config.in_channels);
            return Err(Error::shape("vae encode", expected, picture.dims()));
        }
        self.encode_in(picture, self.tiling(height, width))
    }

    /// The same in these tiles, or at once.
    pub fn encode_in(&self, picture: &Tensor, tiling: Option<Tiling>) -> Result<Posterior> {
        on_workers(|| {
            let moments = match tiling {
                Some(tiling) => tiling.encode(picture, |picture| self.moments(picture))?,
                None => self.moments(picture)?,
            };
            let latent = self.config.latent_channels;
            Ok(Posterior {
                mean: moments.narrow(1, 0, latent)?.contiguous()?,
                logvar: moments.narrow(1, latent, latent)?.contiguous()?.clamp(-30f32, 20f32)?,
            })
        })
    }

    /// What the encoder says, `(batch, 2 * latent_channels, height, width)`: means, then logarithms of variances as they are.
    pub fn moments(&self, picture: &Tensor) -> Result<Tensor> {
        let moments = self.encoder.forward(picture)?;
        self.quant_conv.as_ref().map_or(Ok(moments.clone()), |conv| conv.forward(&moments))
    }

    /// The picture of `latents` `(batch, latent_channels, height, width)`, which are not scaled; in tiles where the picture
    /// is large.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = latents.dims4()?;
        let side = self.config.downscale();
        self.decode_in(latents, self.tiling(height * side, width * side))
    }

    /// The same in these tiles, or at once.
    pub fn decode_in(&self, latents: &Tensor, tiling: Option<Tiling>) -> Result<Tensor> {
        let whole = |latents: &Tensor| match &self.post_quant_conv {
            Some(conv) => self.decoder.forward(&conv.forward(latents)?),
            None => self.decoder.forward(latents),
        };
        on_workers(|| match tiling {
            Some(tiling) => tiling.decode(latents, whole),
            None => whole(latents),
        })
    }

    /// From the autoencoder's latents to those that the denoiser works on.
    pub fn scale(&self, latents: &Tensor) -> Result<Tensor> {
        let centred = match (&self.config.latents_mean, self.config.shift_factor) {
            (Some(mean), _) => latents.broadcast_sub(&per_channel(mean, latents)?)?,
            (None, Some(shift)) => (latents - shift)?,
            (None, None) => latents.clone(),
        };
        let scaled = (centred * self.config.scaling_factor)?;
        match &self.config.latents_std {
            Some(std) => Ok(scaled.broadcast_div(&per_channel(std, latents)?)?),
            None => Ok(scaled),
        }
    }

    /// The reverse of [`Self::scale`].
    pub fn unscale(&self, latents: &Tensor) -> Result<Tensor> {
        let wide = match &self.config.latents_std {
            Some(std) => latents.broadcast_mul(&per_channel(std, latents)?)?,
            None => latents.clone(),
        };
        // A division, not a multiplication by the inverse: the last bit counts.
        let factor =
            Tensor::new(self.config.scaling_factor as f32, latents.device())?.to_dtype(latents.dtype())?;
        let unscaled = wide.broadcast_div(&factor)?;
        match (&self.config.latents_mean, self.config.shift_factor) {
            (Some(mean), _) => Ok(unscaled.broadcast_add(&per_channel(mean, latents)?)?),
            (None, Some(shift)) => Ok((unscaled + shift)?),
            (None, None) => Ok(unscaled),
        }
    }
}

/// One number for each channel, ready to broadcast over `like`.
fn per_channel(values: &[f64], like: &Tensor) -> Result<Tensor> {
    let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    let count = values.len();
    Ok(Tensor::from_vec(values, (1, count, 1, 1), like.device())?.to_dtype(like.dtype())?)
}

/// A Gaussian over latents: one mean and one variance for every element.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// `(batch, latent_channels, height, width)`.
    pub mean: Tensor,
    /// Natural logarithm of the variance, clamped to -30..20.
    pub logvar: Tensor,
}

impl Posterior {
    /// A sample: `mean + std * noise`.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        Ok((&self.mean + ((&self.logvar * 0.5)?.exp()? * noise)?)?)
    }
}

#[derive(Debug)]
struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<Level>,
    mid_block: Mid,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    fn load(scope: &Scope, config: &VaeConfig) -> Result<Self> {
        let widths = &config.block_out_channels;
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let (conv, blocks) = (Conv2dShape::same(3), scope.pp("down_blocks"));
        // Zeros on the right and below only.
        let halve = Conv2dShape { kernel: 3, stride: 2, pad_before: 0, pad_after: 1 };
        let sizes = (config.layers_per_block, config.norm_num_groups);
        Ok(Self {
            conv_in: Conv2d::load(&scope.pp("conv_in"), config.in_channels, first, conv)?,
            down_blocks: (0..widths.len())
                .map(|i| {
                    let resampler = (i + 1 < widths.len()).then_some(("downsamplers", halve));
                    Level::load(&blocks.pp(i), widths[i.saturating_sub(1)], widths[i], sizes, resampler)
                })
                .collect::<Result<_>>()?,
            mid_block: Mid::load(&scope.pp("mid_block"), last, config)?,
            conv_norm_out: GroupNorm::load(&scope.pp("conv_norm_out"), config.norm_num_groups, last, EPS)?,
            conv_out: Conv2d::load(&scope.pp("conv_out"), last, 2 * config.latent_channels, conv)?,
        })
    }

    fn forward(&self, picture: &Tensor) -> Result<Tensor> {
        let mut x = self.conv_in.forward(picture)?;
        for block in &self.down_blocks {
            x = block.forward_down(&x)?;
        }
        let x = self.mid_block.forward(&x)?;
        self.conv_out.forward(&self.conv_norm_out.forward_activated(&x, Activation::Silu)?)
    }
}

#[derive(Debug)]
struct Decoder {
    conv_in: Conv2d,
    mid_block: Mid,
    up_blocks: Vec<Level>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    fn load(scope: &Scope, config: &VaeConfig) -> Result<Self> {
        let widths: Vec<usize> = config.block_out_channels.iter().rev().copied().collect();
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let (conv, blocks) = (Conv2dShape::same(3), scope.pp("up_blocks"));
        let sizes = (config.layers_per_block + 1, config.norm_num_groups);
        Ok(Self {
            conv_in: Conv2d::load(&scope.pp("conv_in"), config.latent_channels, first, conv)?,
            mid_block: Mid::load(&scope.pp("mid_block"), first, config)?,
            up_blocks: (0..widths.len())
                .map(|i| {
                    let resampler = (i + 1 < widths.len()).then_some(("upsamplers", conv));
                    Level::load(&blocks.pp(i), widths[i.saturating_sub(1)], widths[i], sizes, resampler)
                })
                .collect::<Result<_>>()?,
            conv_norm_out: GroupNorm::load(&scope.pp("conv_norm_out"), config.norm_num_groups, last, EPS)?,
            conv_out: Conv2d::load(&scope.pp("conv_out"), last, config.out_channels, conv)?,
        })
    }

    fn forward(&self, latents: &Tensor) -> Result<Tensor> {
        let mut x = self.mid_block.forward(&self.conv_in.forward(latents)?)?;
        for block in &self.up_blocks {
            x = block.forward_up(&x)?;
        }
        self.conv_out.forward(&self.conv_norm_out.forward_activated(&x, Activation::Silu)?)
    }
}
