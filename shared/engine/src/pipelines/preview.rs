//! A cheap look at latents: a linear map from latent channels to colours, no decoder involved.

use serde::Deserialize;

use crate::pipelines::Picture;
use crate::{Error, Result};

/// The linear map from latent channels to red, green and blue in [-1, 1].
///
/// A checkpoint may carry its own as `preview.json` beside `model_index.json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PreviewFactors {
    /// One `[red, green, blue]` for each latent channel.
    pub latent_rgb_factors: Vec<[f32; 3]>,
    /// Added to every pixel.
    #[serde(default)]
    pub latent_rgb_bias: [f32; 3],
}

impl PreviewFactors {
    /// The factors of SDXL's latent space, found by least squares on decoded pictures (in wide use since 2023).
    pub fn sdxl() -> Self {
        Self {
            latent_rgb_factors: vec![
                [0.3651, 0.4232, 0.4341],
                [-0.2533, -0.0042, 0.1068],
                [0.1076, 0.1111, -0.0362],
                [-0.3165, -0.2492, -0.2188],
            ],
            latent_rgb_bias: [0.1084, -0.0175, -0.0011],
        }
    }

    /// Reads `preview.json` for latents of `channels` channels.
    pub fn from_json(bytes: &[u8], channels: usize) -> Result<Self> {
        let factors: Self = serde_json::from_slice(bytes).map_err(|source| {
            Error::config(
                "preview.json",
                format!("does not parse: {source}"),
                "write `{\"latent_rgb_factors\": [[r, g, b], ...], \"latent_rgb_bias\": [r, g, b]}`",
            )
        })?;
        if factors.latent_rgb_factors.len() == channels {
            Ok(factors)
        } else {
            Err(Error::config(
                "preview.json",
                format!(
                    "`latent_rgb_factors` has {} rows, the latents have {channels} channels",
                    factors.latent_rgb_factors.len()
                ),
                "give one `[r, g, b]` for each latent channel",
            ))
        }
    }
}

/// Latents that can be looked at. [`Self::picture`] does the work, so an event nobody looks at costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct LatentPreview<'a> {
    pub(super) latents: &'a [f32],
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) factors: Option<&'a PreviewFactors>,
}

impl LatentPreview<'_> {
    /// Width of the preview in pixels: one for each latent cell.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height of the preview in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The latents themselves, channel after channel, each of `height` rows of `width` numbers.
    pub fn latents(&self) -> &[f32] {
        self.latents
    }

    /// Computes the preview, one pixel for each latent cell.
    pub fn picture(&self) -> Picture {
        let plane = self.width * self.height;
        let mut planes = vec![0f32; 3 * plane];
        match self.factors {
            Some(factors) => {
                for (colour, target) in planes.chunks_exact_mut(plane).enumerate() {
                    target.fill(factors.latent_rgb_bias[colour]);
                    for (row, channel) in
                        factors.latent_rgb_factors.iter().zip(self.latents.chunks_exact(plane))
                    {
                        for (pixel, value) in target.iter_mut().zip(channel) {
                            *pixel += row[colour] * value;
                        }
                    }
                }
            }
            None => {
                // Unknown latents: the first three channels, each stretched to two standard deviations.
                for (target, channel) in planes.chunks_exact_mut(plane).zip(self.latents.chunks_exact(plane))
                {
                    let mean = channel.iter().sum::<f32>() / plane as f32;
                    let variance = channel.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / plane as f32;
                    let spread = 2.0 * variance.sqrt().max(1e-6);
                    for (pixel, value) in target.iter_mut().zip(channel) {
                        *pixel = (value - mean) / spread;
                    }
                }
            }
        }
        Picture::from_planes(self.width, self.height, &planes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_map_channels_to_colours() {
        let factors = PreviewFactors {
            latent_rgb_factors: vec![[1.0, 0.0, -1.0], [0.0, 0.5, 0.0]],
            latent_rgb_bias: [0.0; 3],
        };
        let preview =
            LatentPreview { latents: &[1.0, -1.0, 2.0, 0.0], width: 2, height: 1, factors: Some(&factors) };
        assert_eq!(preview.picture().rgb, [255, 255, 0, 0, 128, 255]);
    }

    #[test]
    fn unknown_latents_show_their_first_three_channels() {
        let latents: Vec<f32> = (0..8 * 16).map(|i| (i % 7) as f32 * 40.0).collect();
        let picture = LatentPreview { latents: &latents, width: 4, height: 4, factors: None }.picture();
        assert_eq!((picture.width, picture.height, picture.rgb.len()), (4, 4, 48));
        assert!(picture.rgb.iter().any(|&v| v < 100) && picture.rgb.iter().any(|&v| v > 150));
    }

    #[test]
    fn rows_must_match_the_channels() {
        let json = br#"{"latent_rgb_factors": [[1, 0, 0], [0, 1, 0]]}"#;
        assert!(PreviewFactors::from_json(json, 2).is_ok());
        let refusal = PreviewFactors::from_json(json, 8).expect_err("two rows are not eight").to_string();
        assert!(
            refusal.contains("2 rows") && refusal.contains("8 channels") && refusal.contains("hint:"),
            "{refusal}"
        );
    }
}
