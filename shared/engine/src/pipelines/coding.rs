//! Between pictures and latents: the autoencoder at both ends of a call.

use candle_core::{DType, Tensor};

use crate::models::vae::Posterior;
use crate::noise::TorchRng;
use crate::pipelines::{GenerationParams, Picture, StableDiffusionXl};
use crate::{Error, Result};

impl StableDiffusionXl {
    /// Encodes planes (red, green, blue; -1..1) to latents of `shape`, as the denoiser works on them. What comes out is a
    /// sample of the encoder's distribution, whose noise `rng` draws.
    pub(super) fn encode(
        &self,
        planes: &[f32],
        shape: (usize, usize, usize, usize),
        rng: &mut TorchRng,
    ) -> Result<Vec<f32>> {
        let side = self.vae.config().downscale();
        let picture = Tensor::from_slice(planes, (1, 3, shape.2 * side, shape.3 * side), &self.device)?;
        let posterior = self.vae.encode(&picture.to_dtype(self.vae_dtype)?)?;
        let noise = rng.randn(shape.1 * shape.2 * shape.3);
        let noise = Tensor::from_vec(noise, shape, &self.device)?.to_dtype(self.vae_dtype)?;
        let sample = posterior.sample(&noise)?.to_dtype(DType::F32)?;
        let latents = self.vae.scale(&sample)?.flatten_all()?.to_vec1::<f32>()?;
        if latents.iter().any(|value| !value.is_finite()) {
            return Err(overflow("the encoded picture"));
        }
        Ok(latents)
    }

    /// The autoencoder's distribution of latents of a picture, `(1, channels, height / f, width / f)`, not scaled: what
    /// training draws from.
    ///
    /// # Errors
    /// When its sides are not multiples of the autoencoder's factor, or the latents are not finite.
    pub fn encode_picture(&self, picture: &Picture) -> Result<Posterior> {
        let Picture { width, height, rgb } = picture;
        let plane = width * height;
        let planes: Vec<f32> = (0..3)
            .flat_map(|channel| {
                (0..plane).map(move |pixel| f32::from(rgb[pixel * 3 + channel]) / 127.5 - 1.0)
            })
            .collect();
        let picture = Tensor::from_vec(planes, (1, 3, *height, *width), &self.device)?;
        let posterior = self.vae.encode(&picture.to_dtype(self.vae_dtype)?)?;
        let posterior = Posterior {
            mean: posterior.mean.to_dtype(DType::F32)?,
            logvar: posterior.logvar.to_dtype(DType::F32)?,
        };
        let sums = (&posterior.mean + &posterior.logvar)?.sum_all()?.to_scalar::<f32>()?;
        if sums.is_finite() { Ok(posterior) } else { Err(overflow("the encoded picture")) }
    }

    /// Channels of the latents.
    pub fn latent_channels(&self) -> usize {
        self.vae.config().latent_channels
    }

    /// Side of the pixels that one cell of latents stands for.
    pub fn cell_side(&self) -> usize {
        self.vae.config().downscale()
    }

    /// Decodes latents of a picture of this size, such as those of a step.
    ///
    /// # Errors
    /// When there are not `channels * height / f * width / f` of them.
    pub fn decode_latents(&self, latents: &[f32], width: usize, height: usize) -> Result<Picture> {
        let (side, channels) = (self.vae.config().downscale(), self.vae.config().latent_channels);
        let shape = (1, channels, height / side, width / side);
        if latents.len() != channels * shape.2 * shape.3 || latents.is_empty() {
            return Err(Error::shape("decode", format!("{shape:?}"), &[latents.len()]));
        }
        self.decode(latents, shape, &GenerationParams { width, height, ..GenerationParams::default() })
    }

    /// Decodes final latents to a picture.
    pub(super) fn decode(
        &self,
        latents: &[f32],
        shape: (usize, usize, usize, usize),
        params: &GenerationParams,
    ) -> Result<Picture> {
        let config = self.vae.config();
        let factor = config.scaling_factor as f32;
        let plane = shape.2 * shape.3;
        let unscaled: Vec<f32> = match (&config.latents_mean, &config.latents_std) {
            (Some(mean), Some(std)) => {
                let cell =
                    |(i, x): (usize, &f32)| x * std[i / plane] as f32 / factor + mean[i / plane] as f32;
                latents.iter().enumerate().map(cell).collect()
            }
            _ => latents.iter().map(|x| x / factor).collect(),
        };
        let unscaled = Tensor::from_vec(unscaled, shape, &self.device)?.to_dtype(self.vae_dtype)?;
        let decoded = self.vae.decode(&unscaled)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        if decoded.iter().any(|value| value.is_nan()) {
            return Err(overflow("the decoded picture"));
        }
        Ok(Picture::from_planes(params.width, params.height, &decoded))
    }
}

fn overflow(what: &str) -> Error {
    Error::NotFinite {
        what: what.to_owned(),
        hint: "the autoencoder overflows in this element type; use f32 or bf16".to_owned(),
    }
}
