//! The UNet, with both text encoders unfrozen.
//!
//! Velocity prediction with the same weight at every noise level (min-SNR weights would all but pass over the noisy steps, where
//! the text alone decides what is drawn), and more weight where small things are: features are learnt in the order of their
//! area, so the latent cells of eyes, mouths, lamps and windows count more.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};
use half::f16;
use rayon::prelude::*;

use super::attributes::pictures;
use super::begin::Begin;
use super::chance::{Chance, rounds};
use super::family::Family;
use super::losses;
use super::scenes::Scenes;
use super::stage::{Beginning, Figure, Kept, Loss, Moment, Recipe, Stage};
use super::store::numbers;
use crate::models::clip_text::ClipTextModel;
use crate::models::unet::UNet2DConditionModel;
use crate::models::vae::AutoencoderKl;
use crate::nn::traced;
use crate::schedulers::SchedulerConfig;
use crate::weights::Scope;
use crate::{Error, Result};

/// Scenes in a step.
const BATCH: usize = 24;
/// Noise levels of each scene and caption in a step: the text encoders run once for both.
const LEVELS: usize = 2;
/// Scenes that are trained on; each is encoded once.
const POOL: usize = 12_000;
/// Scenes whose latents say what latents are multiplied with.
const SAMPLE: u64 = 200;
/// Learning rate of the text encoders over that of the UNet.
const TEXT_RATE: f64 = 0.4;
/// Additional weight of the smallest things.
const SMALL: f32 = 2.5;
/// Cells of a thing that gets all of it.
const SMALL_CELLS: f32 = 20.0;
/// Share of scenes without text: guidance needs both.
const UNCONDITIONAL: f64 = 0.09;
/// Share of captions that say nothing, and of those that say everything.
const EMPTY: f64 = 0.03;
const FULL: f64 = 0.15;
/// Captions have 46 tokens at most: most steps leave the last padding away, the others learn all positions.
const SHORT_TEXT: usize = 48;
/// Held-out scenes that the velocity is measured on.
const SCENES: usize = 64;

/// Trains a denoiser on the latents of an autoencoder.
pub struct Denoiser<'a> {
    scenes: &'a dyn Scenes,
    family: &'a Family,
    vae: AutoencoderKl,
    texts: BTreeMap<String, Tensor>,
    alphas: Vec<f32>,
    latents: Mutex<HashMap<u64, Arc<[f16]>>>,
    batch: usize,
    pool: usize,
}

impl<'a> Denoiser<'a> {
    /// For a trained autoencoder; `texts` are the weights of the text-image stage, of which `first` and `second` are taken.
    ///
    /// # Errors
    /// When the family's scheduler is not understood.
    pub fn new(
        scenes: &'a dyn Scenes,
        family: &'a Family,
        vae: AutoencoderKl,
        texts: &BTreeMap<String, Tensor>,
    ) -> Result<Self> {
        let path = "chapan-mini/scheduler/scheduler_config.json";
        let missing =
            || Error::config("pretraining", format!("`{path}` is missing"), "name a complete folder");
        let config = SchedulerConfig::from_json(family.files.get(path).ok_or_else(missing)?, None)?;
        let encoders = |name: &String| name.starts_with("first.") || name.starts_with("second.");
        let texts = texts.iter().filter(|(name, _)| encoders(name));
        Ok(Self {
            scenes,
            family,
            vae,
            texts: texts.map(|(name, tensor)| (name.clone(), tensor.clone())).collect(),
            alphas: config.training_schedule()?.alphas_cumprod,
            latents: Mutex::default(),
            batch: BATCH,
            pool: POOL,
        })
    }

    /// With another number of scenes in a step, of this many in all.
    #[must_use]
    pub fn with_batch(self, batch: usize, pool: usize) -> Self {
        Self { batch, pool, ..self }
    }

    fn cells(&self) -> usize {
        self.family.side / self.family.vae.downscale()
    }

    /// The middle of the encoder's distribution for a scene, rounded to 16 bits.
    fn latents(&self, scene: u64) -> Result<Arc<[f16]>> {
        let lock = || self.latents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&scene) {
            return Ok(known.clone());
        }
        let side = self.family.side;
        let picture = pictures(1, side, |_| self.scenes.draw(scene, side).rgb, |_, _| {})?;
        let mean = numbers(&self.vae.encode(&picture)?.mean)?;
        let found: Arc<[f16]> = mean.into_iter().map(f16::from_f32).collect();
        lock().insert(scene, found.clone());
        Ok(found)
    }

    /// For each cell 1, and up to `1 + SMALL` where small things are.
    fn weights(&self, scene: u64) -> Vec<f32> {
        let (cells, cell) = (self.cells(), self.family.vae.downscale() as f32);
        let mut weights = vec![1f32; cells * cells];
        for [left, top, right, bottom] in self.scenes.draw(scene, self.family.side).boxes {
            let area = ((right - left) * (bottom - top) / (cell * cell)).max(1.0);
            let boost = 1.0 + SMALL * (SMALL_CELLS / area).min(1.0);
            let from = |edge: f32| ((edge / cell - 0.2).max(0.0) as usize).min(cells);
            let to = |edge: f32| ((edge / cell + 0.2).ceil().max(0.0) as usize).min(cells);
            for y in from(top)..to(bottom) {
                for x in from(left)..to(right) {
                    let weight = &mut weights[y * cells + x];
                    *weight = weight.max(boost);
                }
            }
        }
        weights
    }

    /// Ids of captions, `length` each.
    fn ids(&self, texts: &[String], which: usize, length: usize) -> Result<Tensor> {
        let ids = texts.iter().flat_map(|text| self.family.tokenizers[which].encode(text, length));
        Ok(Tensor::from_vec(ids.collect::<Vec<u32>>(), (texts.len(), length), &Device::Cpu)?)
    }

    /// What a step sees of these scenes.
    fn noisy(
        &self,
        scenes: &[u64],
        captions: &[String],
        (length, factor): (usize, f32),
        chance: &mut Chance,
    ) -> Result<Noisy> {
        let (cells, channels) = (self.cells(), self.family.vae.latent_channels);
        let (size, count) = (cells * cells * channels, scenes.len() * LEVELS);
        let clean: Vec<Arc<[f16]>> =
            scenes.par_iter().map(|scene| self.latents(*scene)).collect::<Result<_>>()?;
        let by_cell: Vec<Vec<f32>> = scenes.par_iter().map(|scene| self.weights(*scene)).collect();
        let mean = by_cell.iter().flatten().map(|weight| f64::from(*weight)).sum::<f64>()
            / (scenes.len() * cells * cells) as f64;
        let noise = chance.normal(count * size);
        let (mut noisy, mut velocity) = (Vec::with_capacity(count * size), Vec::with_capacity(count * size));
        let (mut timesteps, mut weights) = (Vec::with_capacity(count), Vec::with_capacity(count * size));
        for item in 0..count {
            // Times are spread: each item has a part of the schedule to itself.
            let share = (item as f64 + chance.unit()) / count as f64;
            let time = ((share * self.alphas.len() as f64) as usize).min(self.alphas.len() - 1);
            let (signal, rest) = (self.alphas[time].sqrt(), (1.0 - self.alphas[time]).sqrt());
            let clean = clean[item % scenes.len()].iter().map(|value| value.to_f32() * factor);
            for (clean, noise) in clean.zip(&noise[item * size..][..size]) {
                noisy.push(signal * clean + rest * noise);
                velocity.push(signal * noise - rest * clean);
            }
            timesteps.push(time as f64);
            let cells = by_cell[item % scenes.len()].iter().map(|weight| (f64::from(*weight) / mean) as f32);
            let plane: Vec<f32> = cells.collect();
            (0..channels).for_each(|_| weights.extend(&plane));
        }
        let drop = (0..scenes.len()).map(|_| if chance.unit() < UNCONDITIONAL { 0.0 } else { 1.0 });
        let keep: Vec<f32> = drop.collect();
        let side = self.family.side as f64;
        let time_ids = (0..count).map(|_| {
            // A quarter at other sizes, so that they are harmless.
            let mut size = || (1 + chance.below(8)) as f64 * 64.0;
            let other = vec![size(), size(), 0.0, 0.0, size(), size()];
            if chance.unit() < 0.25 { other } else { vec![side, side, 0.0, 0.0, side, side] }
        });
        Ok(Noisy {
            time_ids: time_ids.collect(),
            ids: [self.ids(captions, 0, length)?, self.ids(captions, 1, length)?],
            keep: Tensor::from_vec(keep, scenes.len(), &Device::Cpu)?,
            noisy: Tensor::from_vec(noisy, (count, channels, cells, cells), &Device::Cpu)?,
            velocity,
            weights,
            timesteps,
        })
    }

    fn factor(kept: &Kept) -> Result<f32> {
        let missing = || Error::config("unet", "the scale of its latents is missing", "begin the stage anew");
        kept.get("scale").and_then(|values| values.first()).copied().ok_or_else(missing)
    }
}

/// What is trained together.
#[derive(Debug)]
pub struct Joint {
    unet: UNet2DConditionModel,
    first: ClipTextModel,
    second: ClipTextModel,
}

/// What a step sees.
#[derive(Debug)]
pub struct Noisy {
    /// Captions for the two encoders.
    pub ids: [Tensor; 2],
    /// For each caption 1, or 0 where the picture is drawn without text.
    pub keep: Tensor,
    /// Noisy latents, every scene at as many levels.
    pub noisy: Tensor,
    /// What is to be predicted.
    pub velocity: Vec<f32>,
    /// How much each number counts, one on the whole.
    pub weights: Vec<f32>,
    /// The times.
    pub timesteps: Vec<f64>,
    /// Sizes, as the pipeline says them.
    pub time_ids: Vec<Vec<f64>>,
}

impl Joint {
    /// The velocity that is predicted.
    pub fn forward(&self, batch: &Noisy) -> Result<Tensor> {
        let missing = || Error::config("unet", "the second encoder has no projection", "see its config.json");
        let levels = batch.timesteps.len() / batch.keep.elem_count().max(1);
        let first = self.first.forward(&batch.ids[0])?;
        let second = self.second.forward(&batch.ids[1])?;
        let pooled = second.text_embeds.as_ref().ok_or_else(missing)?;
        let keep = batch.keep.reshape(((), 1))?;
        let wide = keep.unsqueeze(2)?;
        let context = traced(&[first.penultimate(0)?, second.penultimate(0)?], move |t| {
            let both = Tensor::cat(&[t[0], t[1]], 2)?.broadcast_mul(&wide)?;
            Ok(Tensor::cat(&vec![&both; levels], 0)?)
        })?;
        let pooled = traced(&[pooled], move |t| {
            let pooled = t[0].broadcast_mul(&keep)?;
            Ok(Tensor::cat(&vec![&pooled; levels], 0)?)
        })?;
        let conditioning = self.unet.condition(&context, Some(&pooled), Some(&batch.time_ids))?;
        self.unet.forward_tapped(
            &batch.noisy,
            &batch.timesteps,
            &conditioning,
            &mut crate::models::Tap::none(),
        )
    }
}

impl Stage for Denoiser<'_> {
    type Networks = Joint;
    type Batch = Noisy;

    fn name(&self) -> &'static str {
        "unet"
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            rate: 1e-3,
            warmup: 150,
            tail: 0.4,
            floor: 0.02,
            betas: (0.9, 0.99),
            weight_decay: 0.01,
            clip: Some(1.0),
            mean_decay: Some(0.998),
        }
    }

    fn begin(&self) -> Begin {
        Begin::Texts { depths: [0, self.family.text.num_hidden_layers, self.family.text_2.num_hidden_layers] }
    }

    fn expected(&self) -> &[&'static str] {
        &["second.text_projection.weight"]
    }

    fn beginning(&self, _seed: u64) -> Result<Beginning> {
        let count = SAMPLE.min(self.pool as u64);
        let rows: Vec<Arc<[f16]>> =
            (0..count).into_par_iter().map(|scene| self.latents(scene)).collect::<Result<_>>()?;
        let all = || rows.iter().flat_map(|row| row.iter()).map(|value| value.to_f64());
        let len = rows.iter().map(|row| row.len()).sum::<usize>().max(1) as f64;
        let mean = all().sum::<f64>() / len;
        let variance = all().map(|value| (value - mean).powi(2)).sum::<f64>() / len;
        // As it is written in the autoencoder's configuration, with six digits.
        let scale = (1e6 / variance.sqrt()).round() / 1e6;
        Ok(Beginning { weights: self.texts.clone(), kept: [("scale".to_owned(), vec![scale as f32])].into() })
    }

    fn share(&self, name: &str) -> Option<f64> {
        Some(if name.starts_with("unet.") { 1.0 } else { TEXT_RATE })
    }

    fn load(&self, scope: &Scope) -> Result<Joint> {
        Ok(Joint {
            unet: UNet2DConditionModel::load(&scope.pp("unet"), &self.family.unet)?,
            first: ClipTextModel::load(&scope.pp("first"), &self.family.text)?,
            second: ClipTextModel::load(&scope.pp("second"), &self.family.text_2)?,
        })
    }

    fn batch(&self, moment: Moment, kept: &Kept) -> Result<Noisy> {
        let picked = rounds(moment.seed, "latents", self.pool, moment.place(self.batch), self.batch);
        let scenes: Vec<u64> = picked.into_iter().map(|scene| scene as u64).collect();
        let mut chance = Chance::new(moment.seed, "noise", moment.step as u64);
        let captions: Vec<String> = (scenes.iter())
            .map(|scene| match chance.unit() {
                kind if kind < EMPTY => String::new(),
                kind if kind < EMPTY + FULL => self.scenes.full_caption(*scene),
                _ => self.scenes.caption(*scene, None, chance.bits()).text,
            })
            .collect();
        let most = self.family.text.max_position_embeddings.min(self.family.text_2.max_position_embeddings);
        let length = if moment.step % 10 < 7 { SHORT_TEXT.min(most) } else { most };
        self.noisy(&scenes, &captions, (length, Self::factor(kept)?), &mut chance)
    }

    fn moved(&self, batch: Noisy, device: &Device) -> Result<Noisy> {
        let [ids_1, ids_2] = &batch.ids;
        Ok(Noisy {
            ids: [ids_1.to_device(device)?, ids_2.to_device(device)?],
            keep: batch.keep.to_device(device)?,
            noisy: batch.noisy.to_device(device)?,
            ..batch
        })
    }

    fn loss(&self, networks: &Joint, batch: &Noisy, _: Moment, _: &Kept) -> Result<Loss> {
        let made = networks.forward(batch)?;
        let value = losses::weighted_square(&made, &batch.velocity, &batch.weights)?;
        Ok(Loss { value, kept: Kept::new() })
    }

    fn pictures(&self) -> usize {
        self.batch * LEVELS
    }

    fn figures(&self, networks: &Joint, kept: &Kept, scenes: Option<usize>) -> Result<Vec<Figure>> {
        let count = scenes.unwrap_or(SCENES);
        let held: Vec<u64> = (0..count as u64).map(|index| self.scenes.held_out(index)).collect();
        let most = self.family.text.max_position_embeddings;
        let (mut total, mut len) = (0.0, 0);
        for (index, part) in held.chunks(self.batch).enumerate() {
            let captions: Vec<String> = part.iter().map(|scene| self.scenes.full_caption(*scene)).collect();
            // Always the same noise and times.
            let mut chance = Chance::new(0, "measured", index as u64);
            let batch = self.noisy(part, &captions, (most, Self::factor(kept)?), &mut chance)?;
            let made = numbers(&networks.forward(&batch)?.contiguous()?)?;
            total += made
                .iter()
                .zip(&batch.velocity)
                .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                .sum::<f64>();
            len += made.len();
        }
        Ok(vec![Figure {
            name: "share of the velocity explained".to_owned(),
            value: 1.0 - total / len as f64,
            gate: None,
        }])
    }
}
