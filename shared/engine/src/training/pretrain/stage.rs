//! What a stage is.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::begin::Begin;
use crate::Result;
use crate::weights::Scope;

/// Numbers that belong to a network and are not trained by its gradient: running statistics, normalisations.
pub type Kept = BTreeMap<String, Vec<f32>>;

/// How a stage's weights move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// The highest learning rate.
    pub rate: f64,
    /// Steps in which it rises.
    pub warmup: usize,
    /// Share of the stage in which it falls, at the end, in a straight line.
    pub tail: f64,
    /// What it never falls below, as a share of the highest.
    pub floor: f64,
    /// Decays of `AdamW`'s moments.
    pub betas: (f64, f64),
    /// Share of every weight that a step of rate 1 takes away.
    pub weight_decay: f64,
    /// The longest gradient; longer ones are shortened to it.
    pub clip: Option<f64>,
    /// Decay of the running mean of weights that figures and files are made of.
    pub mean_decay: Option<f64>,
}

impl Recipe {
    /// The learning rate of a step.
    pub fn rate_at(&self, moment: Moment) -> f64 {
        let rise = ((moment.step + 1) as f64 / self.warmup as f64).min(1.0);
        self.rate * rise * ((1.0 - moment.done()) / self.tail).clamp(self.floor, 1.0)
    }
}

/// A step of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// All chance follows from it.
    pub seed: u64,
    /// The step, from 0.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
}

impl Moment {
    /// Share of the training that lies behind, 0 to below 1.
    pub fn done(self) -> f64 {
        self.step as f64 / self.steps.max(1) as f64
    }

    /// The number of the first of `batch` things of this step.
    pub fn place(self, batch: usize) -> u64 {
        (self.step * batch) as u64
    }
}

/// The loss of a batch.
#[derive(Debug)]
pub struct Loss {
    /// One number, on the tape.
    pub value: Tensor,
    /// What of [`Kept`] is new.
    pub kept: Kept,
}

/// What a stage has reached, and what it should.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// What it should reach, if something was promised; higher is better.
    pub gate: Option<f64>,
}

impl Figure {
    /// Whether the gate is reached; true where there is none.
    pub fn passes(&self) -> bool {
        self.gate.is_none_or(|gate| self.value >= gate)
    }
}

/// What a stage begins with.
#[derive(Debug, Default)]
pub struct Beginning {
    /// Weights that another stage made.
    pub weights: BTreeMap<String, Tensor>,
    /// Numbers that are not trained.
    pub kept: Kept,
}

/// One of the trainings that a family is made by.
pub trait Stage: Sync {
    /// Its networks, loaded for one step: weights are different tensors in every step.
    type Networks: Send;
    /// What a step sees.
    type Batch: Send;

    /// Its name, as the command line and files spell it.
    fn name(&self) -> &'static str;

    /// How its weights move.
    fn recipe(&self) -> Recipe;

    /// By whose habits weights begin.
    fn begin(&self) -> Begin {
        Begin::Layers
    }

    /// Names of weights that networks look for before they are made.
    fn expected(&self) -> &[&'static str] {
        &[]
    }

    /// What comes from other stages, and what is computed of the world before the first step.
    ///
    /// # Errors
    /// When a computation fails.
    fn beginning(&self, seed: u64) -> Result<Beginning>;

    /// What the learning rate of a weight is multiplied with; `None` where it is not trained.
    fn share(&self, _name: &str) -> Option<f64> {
        Some(1.0)
    }

    /// Loads the networks.
    ///
    /// # Errors
    /// When the configuration is not that of such networks.
    fn load(&self, scope: &Scope) -> Result<Self::Networks>;

    /// What a step sees, on the CPU: a function of the moment alone.
    ///
    /// # Errors
    /// When a computation fails.
    fn batch(&self, moment: Moment, kept: &Kept) -> Result<Self::Batch>;

    /// The same on the device that the networks are on.
    ///
    /// # Errors
    /// When the device has no room.
    fn moved(&self, batch: Self::Batch, device: &Device) -> Result<Self::Batch>;

    /// The loss, every operation on the way noted on the tape that runs.
    ///
    /// # Errors
    /// When a computation fails.
    fn loss(
        &self,
        networks: &Self::Networks,
        batch: &Self::Batch,
        moment: Moment,
        kept: &Kept,
    ) -> Result<Loss>;

    /// Pictures in a step.
    fn pictures(&self) -> usize;

    /// What the networks, on the CPU, reach on scenes that are kept for measuring; `scenes` of them, or as many as the gate asks for.
    ///
    /// # Errors
    /// When a computation fails.
    fn figures(&self, networks: &Self::Networks, kept: &Kept, scenes: Option<usize>) -> Result<Vec<Figure>>;
}
