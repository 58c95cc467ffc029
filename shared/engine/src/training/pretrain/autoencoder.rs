//! The autoencoder, and the polish of its decoder.
//!
//! The encoder is taught linear latents while the decoder learns to read them; then both are tuned together while a pull towards
//! those latents fades. The polish comes when the denoiser has learnt the latents: the encoder stays, the decoder learns more, in
//! the last three quarters of the time for the decibels alone.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::attributes::planes;
use super::chance::Chance;
use super::losses;
use super::principal::components;
use super::scenes::Scenes;
use super::stage::{Beginning, Figure, Kept, Loss, Moment, Recipe, Stage};
use crate::models::vae::{AutoencoderKl, VaeConfig};
use crate::nn::{Conv2d, Conv2dShape, add, scale, traced};
use crate::weights::Scope;
use crate::{Error, Result};

/// Pictures in a step.
const BATCH: usize = 8;
/// Held-out pictures that decibels are measured on.
const SCENES: usize = 60;
/// Chance that a crop looks at something small.
const SMALL: f64 = 0.6;
/// The decoder is trained to bear this much noise; while it is polished for decibels, less.
const NOISE: [f32; 2] = [0.05, 0.01];
/// The logarithm of the variance that says so: `ln(0.05^2)`.
const LOG_VARIANCE: f32 = -6.0;

/// Which of the two.
#[derive(Clone, Debug)]
pub enum Part {
    /// Encoder and decoder.
    Whole,
    /// The decoder of an autoencoder that is there.
    Decoder(BTreeMap<String, Tensor>),
}

/// Trains an autoencoder.
#[derive(Clone)]
pub struct Autoencoder<'a> {
    scenes: &'a dyn Scenes,
    config: &'a VaeConfig,
    side: usize,
    part: Part,
    batch: usize,
}

impl<'a> Autoencoder<'a> {
    /// For pictures of `side` pixels.
    pub fn new(scenes: &'a dyn Scenes, config: &'a VaeConfig, side: usize, part: Part) -> Self {
        Self { scenes, config, side, part, batch: BATCH }
    }

    fn is_polish(&self) -> bool {
        matches!(self.part, Part::Decoder(_))
    }

    /// Whether a step is for decibels alone.
    fn is_finish(&self, moment: Moment) -> bool {
        self.is_polish() && moment.done() >= 0.25
    }

    /// The upper left corner of a crop of half the side.
    fn corner(&self, boxes: &[[f32; 4]], chance: &mut Chance) -> (usize, usize) {
        let (side, crop) = (self.side as f64, self.side as f64 / 2.0);
        let most = (crop * crop * 0.88) as f32;
        let small: Vec<&[f32; 4]> = boxes.iter().filter(|b| (b[2] - b[0]) * (b[3] - b[1]) < most).collect();
        let (x, y) = if !small.is_empty() && chance.unit() < SMALL {
            let [left, top, right, bottom] = small[chance.below(small.len())].map(f64::from);
            let reach = crop * 0.19;
            let mut middle =
                |low: f64, high: f64| f64::midpoint(low, high) - crop / 2.0 + chance.between(-reach, reach);
            (middle(left, right), middle(top, bottom))
        } else {
            (chance.between(0.0, side - crop), chance.between(0.0, side - crop))
        };
        let inside = |value: f64| value.clamp(0.0, side - crop) as usize;
        (inside(y), inside(x))
    }
}

/// What a step sees.
#[derive(Debug)]
pub struct Pictures {
    /// `(batch, 3, side, side)` in -1..1.
    pub pictures: Tensor,
    /// The same numbers.
    pub real: Vec<f32>,
    /// The linear latents; none in a polish.
    pub target: Option<Tensor>,
    /// Noise to be added to the latents.
    pub noise: Tensor,
}

impl Stage for Autoencoder<'_> {
    type Networks = AutoencoderKl;
    type Batch = Pictures;

    fn name(&self) -> &'static str {
        if self.is_polish() { "polish" } else { "autoencoder" }
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            rate: if self.is_polish() { 1e-3 } else { 2e-3 },
            warmup: 100,
            tail: 0.6,
            floor: 0.02,
            betas: (0.9, 0.99),
            weight_decay: 0.01,
            clip: Some(1.0),
            mean_decay: Some(0.998),
        }
    }

    fn beginning(&self, _seed: u64) -> Result<Beginning> {
        if let Part::Decoder(weights) = &self.part {
            return Ok(Beginning { weights: weights.clone(), kept: Kept::new() });
        }
        let (cell, latents) = (self.config.downscale(), self.config.latent_channels);
        let found = components(self.scenes, self.side, cell, latents);
        let kept = [("principal.kernel", found.kernel), ("principal.bias", found.bias)];
        Ok(Beginning { weights: BTreeMap::new(), kept: kept.map(|(name, v)| (name.to_owned(), v)).into() })
    }

    fn share(&self, name: &str) -> Option<f64> {
        let decodes = name.starts_with("decoder.") || name.starts_with("post_quant_conv.");
        (!self.is_polish() || decodes).then_some(1.0)
    }

    fn load(&self, scope: &Scope) -> Result<AutoencoderKl> {
        AutoencoderKl::load(scope, self.config)
    }

    fn batch(&self, moment: Moment, kept: &Kept) -> Result<Pictures> {
        // Crops first, whole pictures in the last tenth.
        let whole = moment.done() > 0.9;
        let count = if whole { (self.batch / 4).max(2) } else { self.batch };
        let side = if whole { self.side } else { self.side / 2 };
        let first = moment.place(self.batch);
        let one = |index: usize| {
            let scene = first + index as u64;
            let drawn = self.scenes.draw(scene, self.side);
            let all = planes(&drawn.rgb);
            if whole {
                return all;
            }
            let (top, left) = self.corner(&drawn.boxes, &mut Chance::new(moment.seed, "crop", scene));
            let row = |c: usize, y: usize| &all[(c * self.side + top + y) * self.side + left..][..side];
            (0..3).flat_map(|c| (0..side).flat_map(move |y| row(c, y))).copied().collect()
        };
        let real: Vec<f32> = (0..count).into_par_iter().flat_map_iter(one).collect();
        let pictures = Tensor::from_slice(&real, (count, 3, side, side), &Device::Cpu)?;
        let (cell, latents) = (self.config.downscale(), self.config.latent_channels);
        let target = if self.is_polish() { None } else { Some(linear(&pictures, kept, (cell, latents))?) };
        let strength = NOISE[usize::from(self.is_finish(moment))];
        let shape = (count, latents, side / cell, side / cell);
        let mut chance = Chance::new(moment.seed, "latent noise", moment.step as u64);
        let noise = chance.normal(count * latents * (side / cell) * (side / cell));
        let noise = noise.into_iter().map(|value| value * strength).collect::<Vec<_>>();
        Ok(Pictures { pictures, real, target, noise: Tensor::from_vec(noise, shape, &Device::Cpu)? })
    }

    fn moved(&self, batch: Pictures, device: &Device) -> Result<Pictures> {
        Ok(Pictures {
            pictures: batch.pictures.to_device(device)?,
            target: batch.target.map(|target| target.to_device(device)).transpose()?,
            noise: batch.noise.to_device(device)?,
            ..batch
        })
    }

    fn loss(&self, vae: &AutoencoderKl, batch: &Pictures, moment: Moment, _: &Kept) -> Result<Loss> {
        let latents = self.config.latent_channels;
        let moments = vae.moments(&batch.pictures)?;
        let mean = traced(&[&moments], move |t| Ok(t[0].narrow(1, 0, latents)?.contiguous()?))?;
        let Some(target) = &batch.target else {
            let made = vae.decode_in(&add(&mean, &batch.noise)?, None)?;
            let value = if self.is_finish(moment) {
                losses::decibels(&made, &batch.real)?
            } else {
                losses::distance(&made, &batch.real)?
            };
            return Ok(Loss { value, kept: Kept::new() });
        };
        let spread = traced(&[&moments], move |t| Ok(t[0].narrow(1, latents, latents)?.contiguous()?))?;
        let wanted = super::store::numbers(target)?;
        let log_variance = vec![LOG_VARIANCE; wanted.len()];
        let near = losses::weighted_square(&mean, &wanted, &[])?;
        let sure = losses::weighted_square(&spread, &log_variance, &[])?;
        let mut pull = add(&near, &scale(&sure, 0.01)?)?;
        // First the decoder reads the linear latents themselves; then the encoder is freer as training goes on, but its channels
        // stay near unit variance.
        let done = moment.done();
        let seen = if done < 0.12 { target } else { &mean };
        if done >= 0.12 {
            pull = scale(&pull, (1.0 - (done - 0.12) / 0.25).max(0.03))?;
        }
        let made = vae.decode_in(&add(seen, &batch.noise)?, None)?;
        let value = add(&losses::distance(&made, &batch.real)?, &pull)?;
        Ok(Loss { value, kept: Kept::new() })
    }

    fn pictures(&self) -> usize {
        self.batch
    }

    fn figures(&self, vae: &AutoencoderKl, _: &Kept, scenes: Option<usize>) -> Result<Vec<Figure>> {
        let mut total = 0.0;
        let count = scenes.unwrap_or(SCENES);
        for index in 0..count {
            let real = planes(&self.scenes.draw(self.scenes.held_out(index as u64), self.side).rgb);
            let picture = Tensor::from_slice(&real, (1, 3, self.side, self.side), &Device::Cpu)?;
            let made = super::store::numbers(&vae.decode(&vae.encode(&picture)?.mean)?)?;
            let square = |(a, b): (&f32, &f32)| (f64::from(a.clamp(-1.0, 1.0)) - f64::from(*b)).powi(2);
            let error = made.iter().zip(&real).map(square).sum::<f64>() / real.len() as f64;
            total += 10.0 * (4.0 / error.max(1e-12)).log10();
        }
        let gate = self.is_polish().then_some(30.0);
        Ok(vec![Figure { name: "vae, decibels".to_owned(), value: total / count as f64, gate }])
    }
}

/// The linear latents of pictures.
fn linear(pictures: &Tensor, kept: &Kept, (cell, latents): (usize, usize)) -> Result<Tensor> {
    let missing = || Error::config("autoencoder", "its linear latents are missing", "begin the stage anew");
    let [kernel, bias] = ["kernel", "bias"].map(|what| kept.get(&format!("principal.{what}")));
    let (kernel, bias) = (kernel.ok_or_else(missing)?, bias.ok_or_else(missing)?);
    let weight = Tensor::from_slice(kernel, (latents, 3, cell, cell), &Device::Cpu)?;
    let bias = Tensor::from_slice(bias, latents, &Device::Cpu)?;
    let shape = Conv2dShape { kernel: cell, stride: cell, pad_before: 0, pad_after: 0 };
    Conv2d::new(weight, Some(bias), shape)?.forward(pictures)
}
