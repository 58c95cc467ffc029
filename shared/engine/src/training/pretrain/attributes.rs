//! The judge, and the picture tower of the scoring CLIP: two trainings of one kind, by two seeds. A network that is to measure
//! must not be what anything was trained against.

use std::sync::OnceLock;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::chance::Chance;
use super::losses::{self, Weighing};
use super::scenes::{Scenes, outputs};
use super::stage::{Beginning, Figure, Kept, Loss, Moment, Recipe, Stage};
use super::store::Store;
use super::tower::TrainedTower;
use crate::evaluate::{LayerConfig, Tower};
use crate::weights::Scope;
use crate::{Error, Result};

/// Pictures in a step.
const BATCH: usize = 48;
/// What the judge should reach on pictures of the renderer, over all groups.
const GATE: f64 = 0.97;
/// Scenes that the gate is measured on.
const SCENES: usize = 500;
/// Scenes that are looked at together.
const LOOK: usize = 50;
/// What is taken from the right answer and spread over all, so that no answer is ever quite sure.
const SMOOTHING: f64 = 0.02;

/// Numbers of the noise that pictures get, each from another place on: drawing as many for each would take as long as drawing
/// the picture.
const NOISE: usize = 1 << 18;

/// Trains a tower to say which value of every group a picture shows.
pub struct Attributes<'a> {
    name: &'static str,
    scenes: &'a dyn Scenes,
    layers: &'a [LayerConfig],
    side: usize,
    batch: usize,
    noise: OnceLock<Vec<f32>>,
}

impl<'a> Attributes<'a> {
    /// The stage `name`, for a tower of these layers that looks at pictures of `side` pixels.
    ///
    /// # Errors
    /// When the last layer has not an output for every value of the world.
    pub fn new(
        name: &'static str,
        scenes: &'a dyn Scenes,
        layers: &'a [LayerConfig],
        side: usize,
    ) -> Result<Self> {
        let wanted = outputs(scenes.groups());
        match layers.last() {
            Some(LayerConfig::Linear { out, .. }) if *out == wanted => {
                Ok(Self { name, scenes, layers, side, batch: BATCH, noise: OnceLock::new() })
            }
            _ => Err(Error::config(
                "judge",
                format!("the last layer does not say `{wanted}` values, as many as the world has"),
                "take the configuration that was made for this world",
            )),
        }
    }

    /// With another number of pictures in a step.
    #[must_use]
    pub fn with_batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }
}

/// Pictures with what they show.
#[derive(Debug)]
pub struct Labelled {
    pictures: Tensor,
    values: Vec<Vec<Option<usize>>>,
}

impl Labelled {
    /// `pictures` `(batch, 3, size, size)` in -1..1, and for each the value of every group.
    pub fn new(pictures: Tensor, values: Vec<Vec<Option<usize>>>) -> Self {
        Self { pictures, values }
    }
}

/// Levels as numbers in -1..1, planes first.
pub(super) fn planes(rgb: &[u8]) -> Vec<f32> {
    (0..3).flat_map(|c| rgb.iter().skip(c).step_by(3).map(|level| level_of(*level))).collect()
}

fn level_of(level: u8) -> f32 {
    f32::from(level) / 127.5 - 1.0
}

/// Pictures `(count, 3, side, side)` in -1..1 that lie as the kernels like them; `draw` gives the levels of each, and `change`
/// may change its numbers.
pub(super) fn pictures(
    count: usize,
    side: usize,
    draw: impl Fn(usize) -> Vec<u8> + Sync,
    change: impl Fn(usize, &mut [f32]) + Sync,
) -> Result<Tensor> {
    let len = 3 * side * side;
    let mut values = vec![0f32; count * len];
    values.par_chunks_mut(len).enumerate().for_each(|(index, picture)| {
        for (value, level) in picture.iter_mut().zip(draw(index)) {
            *value = level_of(level);
        }
        change(index, picture);
    });
    Ok(Tensor::from_vec(values, (count, side, side, 3), &Device::Cpu)?.permute((0, 3, 1, 2))?)
}

/// The mean of every pixel and its eight neighbours; those outside are as the nearest inside.
fn blur(picture: &mut [f32], side: usize) {
    let sharp = picture.to_vec();
    let near = |at: usize| [at.saturating_sub(1), at, (at + 1).min(side - 1)];
    for (place, out) in picture.chunks_exact_mut(3).enumerate() {
        let (rows, columns) = (near(place / side), near(place % side));
        for (c, out) in out.iter_mut().enumerate() {
            let sum: f32 = rows.iter().flat_map(|y| columns.map(|x| sharp[(y * side + x) * 3 + c])).sum();
            *out = sum / 9.0;
        }
    }
}

impl Stage for Attributes<'_> {
    type Networks = TrainedTower;
    type Batch = Labelled;

    fn name(&self) -> &'static str {
        self.name
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            rate: 3e-3,
            warmup: 50,
            tail: 0.7,
            floor: 0.01,
            betas: (0.9, 0.999),
            weight_decay: 0.02,
            clip: None,
            mean_decay: None,
        }
    }

    fn beginning(&self, _seed: u64) -> Result<Beginning> {
        Ok(Beginning::default())
    }

    fn load(&self, scope: &Scope) -> Result<TrainedTower> {
        TrainedTower::load(scope, self.layers)
    }

    fn batch(&self, moment: Moment, _kept: &Kept) -> Result<Labelled> {
        // Every step sees scenes that no step saw before.
        let (first, side) = (moment.place(self.batch), self.side);
        // Blur and noise, so that the tower looks at shapes, not at the renderer's last pixel.
        let mut chance = Chance::new(moment.seed, "blemish", moment.step as u64);
        let (blurred, strength) = (chance.unit() < 0.4, 0.12 * chance.unit() as f32);
        let bank = self.noise.get_or_init(|| Chance::new(moment.seed, "picture noise", 0).normal(NOISE));
        let scene = |index: usize| first + index as u64;
        let draw = |index: usize| self.scenes.draw(scene(index), side).rgb;
        let pictures = pictures(self.batch, side, draw, |index, picture| {
            if blurred {
                blur(picture, side);
            }
            let from = Chance::new(moment.seed, "place in the noise", scene(index)).below(NOISE);
            for (value, noise) in picture.iter_mut().zip(bank.iter().cycle().skip(from)) {
                *value += strength * noise;
            }
        })?;
        let values = (0..self.batch).map(|index| self.scenes.values(scene(index)));
        Ok(Labelled { pictures, values: values.collect() })
    }

    fn moved(&self, batch: Labelled, device: &Device) -> Result<Labelled> {
        Ok(Labelled { pictures: batch.pictures.to_device(device)?, ..batch })
    }

    fn loss(&self, tower: &TrainedTower, batch: &Labelled, _: Moment, kept: &Kept) -> Result<Loss> {
        let seen = tower.forward(&batch.pictures, kept)?;
        let groups = self.scenes.groups();
        let value = losses::attributes(&seen.output, groups, &batch.values, SMOOTHING, Weighing::ByPicture)?;
        Ok(Loss { value, kept: seen.kept })
    }

    fn pictures(&self) -> usize {
        self.batch
    }

    fn figures(&self, tower: &TrainedTower, kept: &Kept, scenes: Option<usize>) -> Result<Vec<Figure>> {
        let scope = |tensors| Store::new(tensors, None, &[], &Device::Cpu).scope();
        let tower = tower.finished(self.layers, kept, scope)?;
        let count = scenes.unwrap_or(SCENES);
        let seen = |index: usize| self.scenes.held_out(index as u64);
        let right = answers(&tower, self.scenes, self.side, count, |index| {
            self.scenes.draw(seen(index), self.side).rgb
        })?;
        Ok(right.figures("judge", GATE))
    }
}

/// Right answers by group.
pub(super) struct Right {
    names: Vec<String>,
    counts: Vec<(usize, usize)>,
}

impl Right {
    /// The mean over groups with its gate, then every group's share.
    pub(super) fn figures(&self, what: &str, gate: f64) -> Vec<Figure> {
        let known = self.names.iter().zip(&self.counts).filter(|(_, (_, seen))| *seen > 0);
        let mut figures: Vec<Figure> = known
            .map(|(name, (right, seen))| {
                let name = format!("{what}, {name}");
                Figure { name, value: *right as f64 / *seen as f64, gate: None }
            })
            .collect();
        let mean = figures.iter().map(|figure| figure.value).sum::<f64>() / figures.len().max(1) as f64;
        figures.insert(0, Figure { name: format!("{what}, all groups"), value: mean, gate: Some(gate) });
        figures
    }
}

/// The tower's answers on held-out scenes, of which `show` gives pictures.
pub(super) fn answers(
    tower: &Tower,
    scenes: &dyn Scenes,
    side: usize,
    count: usize,
    show: impl Fn(usize) -> Vec<u8> + Sync,
) -> Result<Right> {
    let groups = scenes.groups();
    let mut counts = vec![(0, 0); groups.len()];
    for first in (0..count).step_by(LOOK) {
        let indices = first..(first + LOOK).min(count);
        let pictures = pictures(indices.len(), side, |index| show(first + index), |_, _| {})?;
        let (_, logits) = tower.forward(&pictures)?;
        for (logits, index) in logits.to_vec2::<f32>()?.iter().zip(indices) {
            let values = scenes.values(scenes.held_out(index as u64));
            for ((group, value), (right, seen)) in groups.iter().zip(values).zip(&mut counts) {
                let Some(value) = value else { continue };
                let own = &logits[group.offset..group.offset + group.values.len()];
                *right += usize::from(own.iter().all(|logit| *logit <= own[value]));
                *seen += 1;
            }
        }
    }
    Ok(Right { names: groups.iter().map(|group| group.name.clone()).collect(), counts })
}
