//! The one loop that runs every stage.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::checkpoint::Progress;
use super::stage::{Figure, Kept, Moment, Stage};
use super::store::{Store, numbers};
use crate::nn::{on_workers, record};
use crate::training::optimizer::{self, Adam, Moments};
use crate::{Error, Result};

/// Added to the root of the second moment.
const EPSILON: f64 = 1e-8;
/// Gradients longer than this are passed over: one bad batch shall not cost a training.
const ABSURD: f64 = 1e4;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Which step, from 1.
    pub step: usize,
    /// Its loss, before the weights moved.
    pub loss: f64,
    /// The learning rate.
    pub rate: f64,
    /// The length of the gradient before it was clipped.
    pub norm: f64,
}

/// What is remembered of a trained tensor besides its numbers.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub moments: Moments,
    pub mean: Option<Vec<f32>>,
}

/// A stage under way.
#[derive(Debug)]
pub struct Pretrainer<S> {
    pub(super) stage: S,
    pub(super) store: Store,
    pub(super) memory: BTreeMap<String, Memory>,
    pub(super) kept: Kept,
    pub(super) progress: Progress,
    pub(super) device: Device,
}

impl<S: Stage> Pretrainer<S> {
    /// Begins a stage of `steps` steps.
    ///
    /// # Errors
    /// When what it begins with cannot be computed.
    pub fn begin(stage: S, seed: u64, steps: usize, device: &Device) -> Result<Self> {
        let beginning = on_workers(|| stage.beginning(seed))?;
        let given = beginning.weights.into_iter();
        let given = given.map(|(name, tensor)| Ok((name, tensor.to_device(device)?)));
        let given = given.collect::<Result<BTreeMap<_, _>>>()?;
        let store = Store::new(given, Some((seed, stage.begin())), stage.expected(), device);
        let progress = Progress { stage: stage.name().to_owned(), seed, step: 0, steps };
        let (kept, device) = (beginning.kept, device.clone());
        let mut trainer = Self { stage, store, memory: BTreeMap::new(), kept, progress, device };
        // The first load makes the weights.
        trainer.stage.load(&trainer.store.scope())?;
        trainer.memory = trainer.fresh_memory()?;
        Ok(trainer)
    }

    fn fresh_memory(&self) -> Result<BTreeMap<String, Memory>> {
        let trained = self.store.all().into_iter().filter(|(name, _)| self.stage.share(name).is_some());
        let averaged = self.stage.recipe().mean_decay.is_some();
        let remember = |(name, tensor): (String, Tensor)| {
            let mean = averaged.then(|| numbers(&tensor)).transpose()?;
            Ok((name, Memory { moments: Moments::zeros(tensor.elem_count()), mean }))
        };
        trained.map(remember).collect()
    }

    /// The stage.
    pub fn stage(&self) -> &S {
        &self.stage
    }

    /// Where it stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Sets how many steps there will be in all: what is left of the schedule is stretched or shortened.
    pub fn set_steps(&mut self, steps: usize) {
        self.progress.steps = steps.max(self.progress.step);
    }

    /// Whether the last step is done.
    pub fn is_done(&self) -> bool {
        self.progress.step >= self.progress.steps
    }

    /// Numbers that are not trained.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    fn moment(&self) -> Moment {
        let Progress { seed, step, steps, .. } = self.progress;
        Moment { seed, step, steps }
    }

    /// Loss and gradients of the next step, by name.
    ///
    /// # Errors
    /// When the loss is not finite or a weight has no gradient.
    pub fn gradients(&mut self) -> Result<(f64, BTreeMap<String, Vec<f32>>)>
    where
        S: Send,
    {
        let (moment, store, stage, kept) = (self.moment(), &self.store, &self.stage, &self.kept);
        let device = &self.device;
        let names: Vec<String> = self.memory.keys().cloned().collect();
        let (loss, gradients, new) = on_workers(|| {
            let networks = stage.load(&store.scope())?;
            let batch = stage.moved(stage.batch(moment, kept)?, device)?;
            let tensors = store.all();
            let trained = names.iter().filter_map(|name| Some((name, tensors.get(name)?)));
            let watched: Vec<(&String, &Tensor)> = trained.collect();
            let ids: Vec<&Tensor> = watched.iter().map(|(_, tensor)| *tensor).collect();
            let (loss, tape) = record(&ids, || stage.loss(&networks, &batch, moment, kept))?;
            let value = numbers(&loss.value)?.first().map_or(f64::NAN, |value| f64::from(*value));
            if !value.is_finite() {
                return Err(not_finite(format!("the loss of step {}", moment.step + 1)));
            }
            let mut found = tape.backward(&loss.value, &loss.value.ones_like()?)?;
            let gradients = watched.iter().map(|(name, tensor)| match found.take(tensor) {
                Some(gradient) => Ok(((*name).clone(), numbers(&gradient)?)),
                // What this moment's loss does not look at stays where it is.
                None => Ok(((*name).clone(), vec![0.0; tensor.elem_count()])),
            });
            Ok((value, gradients.collect::<Result<BTreeMap<_, _>>>()?, loss.kept))
        })?;
        self.kept.extend(new);
        Ok((loss, gradients))
    }

    /// One step.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when loss or gradients leave the range of numbers: the last checkpoint is whole.
    pub fn step(&mut self) -> Result<Report>
    where
        S: Send,
    {
        let (loss, gradients) = self.gradients()?;
        self.apply(loss, &gradients)
    }

    /// Moves the weights along these gradients.
    fn apply(&mut self, loss: f64, gradients: &BTreeMap<String, Vec<f32>>) -> Result<Report> {
        let recipe = self.stage.recipe();
        let (rate, step) = (recipe.rate_at(self.moment()), self.progress.step);
        let norm = optimizer::norm(gradients.values().map(Vec::as_slice));
        if !norm.is_finite() {
            return Err(not_finite(format!("the gradient of step {}", step + 1)));
        }
        if norm < ABSURD {
            let factor = recipe.clip.map_or(1.0, |longest| optimizer::clip(norm, longest));
            let adam = Adam {
                beta1: recipe.betas.0,
                beta2: recipe.betas.1,
                epsilon: EPSILON,
                weight_decay: recipe.weight_decay,
            };
            let keep = recipe.mean_decay.map(|decay| optimizer::ema_decay(decay, step) as f32);
            let tensors = self.store.all();
            let (stage, device) = (&self.stage, &self.device);
            let move_one = |(name, memory): (&String, &mut Memory)| -> Result<Option<(String, Tensor)>> {
                let (Some(tensor), Some(gradient)) = (tensors.get(name), gradients.get(name)) else {
                    return Ok(None);
                };
                let mut values = numbers(tensor)?;
                let gradient: Vec<f32> = gradient.iter().map(|value| value * factor).collect();
                let rate = rate * stage.share(name).unwrap_or(0.0);
                optimizer::update(&mut values, &mut memory.moments, &gradient, rate, step + 1, adam);
                if let (Some(mean), Some(keep)) = (&mut memory.mean, keep) {
                    for (mean, value) in mean.iter_mut().zip(&values) {
                        *mean = *mean * keep + value * (1.0 - keep);
                    }
                }
                let tensor = Tensor::from_vec(values, tensor.shape(), &Device::Cpu)?.to_device(device)?;
                Ok(Some((name.clone(), tensor)))
            };
            let mut remembered: Vec<(&String, &mut Memory)> = self.memory.iter_mut().collect();
            let moved: Vec<_> = remembered
                .par_iter_mut()
                .map(|(name, memory)| move_one((*name, &mut **memory)))
                .collect::<Result<_>>()?;
            for (name, tensor) in moved.into_iter().flatten() {
                self.store.put(&name, tensor);
            }
        }
        self.progress.step += 1;
        Ok(Report { step: self.progress.step, loss, rate, norm })
    }

    /// The weights that figures and files are made of: the running mean where there is one.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn result(&self) -> Result<BTreeMap<String, Tensor>> {
        let averaged = |(name, tensor): (String, Tensor)| {
            let mean = self.memory.get(&name).and_then(|memory| memory.mean.as_ref());
            let tensor = match mean {
                Some(mean) => Tensor::from_slice(mean, tensor.shape(), &self.device)?,
                None => tensor,
            };
            Ok((name, tensor))
        };
        self.store.all().into_iter().map(averaged).collect()
    }

    /// What the stage reaches on scenes that are kept for measuring.
    ///
    /// # Errors
    /// When a computation fails.
    pub fn figures(&self, scenes: Option<usize>) -> Result<Vec<Figure>>
    where
        S: Send,
    {
        let result = self.result()?.into_iter();
        let on_cpu = result.map(|(name, tensor)| Ok((name, tensor.to_device(&Device::Cpu)?)));
        let store = Store::new(on_cpu.collect::<Result<_>>()?, None, &[], &Device::Cpu);
        on_workers(|| self.stage.figures(&self.stage.load(&store.scope())?, &self.kept, scenes))
    }
}

fn not_finite(what: String) -> Error {
    Error::NotFinite {
        what,
        hint: "go on from the last checkpoint, which is whole, or begin with another seed".to_owned(),
    }
}
