//! The step: draw, predict, go back, move the weights.

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::config::TrainingConfig;
use super::draws::{self, Draw};
use super::example::{Example, Role};
use super::factors::{Factors, Parameter};
use super::optimizer::{self, Moments};
use super::{loss, memory, schedule};
use crate::nn::{on_workers, record};
use crate::pipelines::StableDiffusionXl;
use crate::pipelines::text::{Negative, PromptEmbeds};
use crate::prompt::PromptSyntax;
use crate::schedulers::PredictionType;
use crate::{Error, Result};

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Which step, from 1.
    pub step: usize,
    /// The mean loss of its pictures, before the step.
    pub loss: f64,
    /// The UNet's learning rate.
    pub lr: f64,
    /// The length of all gradients together, before they were clipped.
    pub grad_norm: f64,
}

/// Loss and gradients of some pictures.
#[derive(Clone, Debug)]
pub struct Found {
    /// The weighted loss.
    pub loss: f64,
    /// A gradient for each parameter, in order.
    pub gradients: Vec<Vec<f32>>,
}

/// A training under way. The model is borrowed for as long as it lasts and is given back as it was.
#[derive(Debug)]
pub struct Trainer<'a> {
    pub(super) pipeline: &'a StableDiffusionXl,
    pub(super) config: TrainingConfig,
    examples: Vec<Example>,
    factors: Factors,
    pub(super) parameters: Vec<Parameter>,
    pub(super) moments: Vec<Moments>,
    pub(super) mean: Option<Vec<Vec<f32>>>,
    pub(super) step: usize,
    alphas: Vec<f32>,
    kind: PredictionType,
    /// Encoded captions, where the encoders are not trained.
    texts: HashMap<String, PromptEmbeds>,
}

impl<'a> Trainer<'a> {
    /// Begins a training: takes other LoRAs off, chooses layers, encodes captions.
    ///
    /// # Errors
    /// When a setting is out of range, there is no reference among the examples, or the model cannot be trained.
    pub fn new(
        pipeline: &'a mut StableDiffusionXl,
        examples: Vec<Example>,
        config: TrainingConfig,
    ) -> Result<Self> {
        config.check()?;
        if !examples.iter().any(|example| example.role == Role::Reference) {
            return Err(Error::Parameter {
                parameter: "references",
                fault: "are missing: there is no picture to learn from".to_owned(),
                hint: "give at least one; five to twenty are usual".to_owned(),
            });
        }
        if pipeline.is_for_inpainting() {
            return Err(Error::config(
                "training",
                "the checkpoint is made for inpainting",
                "train on the model that it was made of",
            ));
        }
        pipeline.set_loras(&[], crate::lora::Application::default())?;
        let pipeline = &*pipeline;
        let (factors, parameters) = Factors::choose(&pipeline.layers, &config)?;
        let kind = pipeline.scheduler.prediction_type()?;
        let alphas = pipeline.scheduler.training_schedule()?.alphas_cumprod;
        let moments = parameters.iter().map(|parameter| Moments::zeros(parameter.values.len())).collect();
        let mean =
            config.ema_decay.map(|_| parameters.iter().map(|parameter| parameter.values.clone()).collect());
        let mut trainer = Self {
            pipeline,
            config,
            examples,
            factors,
            parameters,
            moments,
            mean,
            step: 0,
            alphas,
            kind,
            texts: HashMap::new(),
        };
        if !trainer.config.targets.text_encoders {
            let mut captions: Vec<&str> =
                trainer.examples.iter().map(|example| example.caption.as_str()).collect();
            captions.sort_unstable();
            captions.dedup();
            let encoded =
                captions.into_iter().map(|text| Ok((text.to_owned(), trainer.encode(text, false)?)));
            trainer.texts = encoded.collect::<Result<_>>()?;
        }
        trainer.put_on()?;
        Ok(trainer)
    }

    /// The pictures.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// What the network is trained to predict.
    pub fn prediction_type(&self) -> PredictionType {
        self.kind
    }

    /// How many times the noise schedule has: a draw's lies below.
    pub fn training_timesteps(&self) -> usize {
        self.alphas.len()
    }

    /// The settings.
    pub fn config(&self) -> &TrainingConfig {
        &self.config
    }

    /// Steps that are done.
    pub fn steps_done(&self) -> usize {
        self.step
    }

    /// The model with the weights of this moment on it, to draw samples with.
    pub fn pipeline(&self) -> &StableDiffusionXl {
        self.pipeline
    }

    /// The trained tensors: name, shape, numbers.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Sets the numbers of the trained tensors, in order, as a beginning.
    ///
    /// # Errors
    /// When there are not as many as there are.
    pub fn set_parameters(&mut self, values: Vec<Vec<f32>>) -> Result<()> {
        let fits = values.len() == self.parameters.len()
            && values.iter().zip(&self.parameters).all(|(new, old)| new.len() == old.values.len());
        if !fits {
            return Err(Error::shape("trained tensors", "as many numbers as there are", &[values.len()]));
        }
        for (parameter, values) in self.parameters.iter_mut().zip(values) {
            parameter.values = values;
        }
        self.put_on()
    }

    /// Trains predictions of this kind instead of the checkpoint's own.
    pub fn set_prediction_type(&mut self, kind: PredictionType) {
        self.kind = kind;
    }

    /// One step of the optimiser.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when loss or gradients leave the range of numbers: then no weight was changed.
    pub fn train_step(&mut self) -> Result<StepReport> {
        let count = self.config.gradient_accumulation_steps;
        let mut all: Option<Found> = None;
        for micro in 0..count {
            let draws = self.draws(self.step * count + micro)?;
            let found = self.gradients(&draws)?;
            all = Some(match all {
                None => found,
                Some(before) => sum(before, &found),
            });
        }
        let Found { loss, mut gradients } =
            all.ok_or_else(|| Error::shape("training", "at least one picture", &[0]))?;
        if count > 1 {
            gradients.iter_mut().flatten().for_each(|value| *value /= count as f32);
        }
        self.apply(&Found { loss: loss / count as f64, gradients })
    }

    /// What step `micro` of gradients sees, counted through the whole training.
    fn draws(&self, micro: usize) -> Result<Vec<Draw>> {
        let sample = |example: &Example, noise: &[f32]| self.sample(example, noise);
        draws::draws(&self.config, &self.examples, sample, self.alphas.len(), micro)
    }

    /// Latents as the network works on them, of the encoder's distribution.
    fn sample(&self, example: &Example, noise: &[f32]) -> Result<Vec<f32>> {
        let mean = &example.posterior.mean;
        let noise = Tensor::from_slice(noise, mean.shape(), mean.device())?.to_dtype(mean.dtype())?;
        let sample = example.posterior.sample(&noise)?.to_dtype(DType::F32)?;
        Ok(self.pipeline.vae.scale(&sample)?.flatten_all()?.to_vec1()?)
    }

    /// Loss and gradients of these pictures: the mean over references, plus that over class pictures times its weight.
    ///
    /// # Errors
    /// When the loss is not finite or a gradient is missing: a layer that cannot be differentiated is never passed over.
    pub fn gradients(&self, draws: &[Draw]) -> Result<Found> {
        let tensors = self.factors.tensors(&self.parameters)?;
        self.factors.put(&tensors)?;
        let is_class = |draw: &Draw| self.examples[draw.example].role == Role::Class;
        let class = draws.iter().filter(|draw| is_class(draw)).count();
        let references = draws.len() - class;
        let one = |draw: &Draw| {
            let share = if is_class(draw) {
                self.config.prior_loss_weight / class as f64
            } else {
                1.0 / references as f64
            };
            self.one_picture(draw, share, &tensors)
        };
        // Pictures never look at each other: on the CPU each is computed on a thread of its own.
        let found: Vec<Found> = if self.pipeline.device.is_cpu() {
            on_workers(|| draws.par_iter().map(one).collect::<Result<_>>())?
        } else {
            draws.iter().map(one).collect::<Result<_>>()?
        };
        let mut found = found.into_iter();
        let first = found.next().ok_or_else(|| Error::shape("training", "at least one picture", &[0]))?;
        Ok(found.fold(first, |sum_so_far, next| sum(sum_so_far, &next)))
    }

    /// One picture forth and back; `share` is what its loss counts.
    fn one_picture(&self, draw: &Draw, share: f64, tensors: &[Tensor]) -> Result<Found> {
        let example = &self.examples[draw.example];
        let alpha = self.alphas[draw.timestep];
        let share = share * loss::weight(self.kind, alpha, self.config.snr_gamma);
        let watched: Vec<&Tensor> = tensors.iter().collect();
        let (prediction, tape) = record(&watched, || self.predict(example, draw))?;
        let values = prediction.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let target = loss::target(self.kind, &draw.latents, &draw.noise, alpha);
        let found = share * loss::mean_square(&values, &target);
        if !found.is_finite() {
            return Err(not_finite(&format!("the loss of step {}", self.step + 1)));
        }
        let gradient = loss::gradient(&values, &target, share);
        let gradient = Tensor::from_vec(gradient, prediction.shape(), prediction.device())?;
        let gradients = tape.backward(&prediction, &gradient.to_dtype(prediction.dtype())?)?;
        let gradients = tensors.iter().zip(&self.parameters).map(|(tensor, parameter)| {
            match gradients.get(tensor) {
                Some(gradient) => Ok(gradient.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?),
                // Without a caption there is no text for the encoders to be responsible for.
                None if parameter.of_text && draw.without_caption => Ok(vec![0.0; parameter.values.len()]),
                None => Err(Error::config(
                    "training",
                    format!("no gradient reaches `{}`", parameter.name),
                    "an operation of this model cannot be differentiated; please report the model",
                )),
            }
        });
        Ok(Found { loss: found, gradients: gradients.collect::<Result<_>>()? })
    }

    /// What the network says about one noisy picture.
    fn predict(&self, example: &Example, draw: &Draw) -> Result<Tensor> {
        let StableDiffusionXl { unet, device, dtype, .. } = self.pipeline;
        let text = match self.texts.get(&example.caption) {
            Some(known) if draw.without_caption => self.pipeline.text.absent_like(known)?,
            Some(known) => known.clone(),
            None => self.encode(&example.caption, draw.without_caption)?,
        };
        let time_ids = [example.time_ids.to_vec()];
        let mut conditioning = unet.condition(&text.states, Some(&text.pooled), Some(&time_ids))?;
        if self.config.gradient_checkpointing {
            conditioning = conditioning.recomputing();
        }
        let noisy = loss::noisy(&draw.latents, &draw.noise, self.alphas[draw.timestep]);
        let sample = Tensor::from_vec(noisy, example.posterior.mean.shape(), device)?.to_dtype(*dtype)?;
        unet.forward(&sample, &[draw.timestep as f64], &conditioning)
    }

    fn encode(&self, caption: &str, absent: bool) -> Result<PromptEmbeds> {
        let text = &self.pipeline.text;
        let encoded = text.encode_prompts(caption, Negative::Unguided, PromptSyntax::Plain)?;
        if absent { text.absent_like(&encoded) } else { Ok(encoded) }
    }

    /// Moves the weights along these gradients.
    ///
    /// # Errors
    /// When the gradients are not finite: then nothing is moved.
    pub fn apply(&mut self, found: &Found) -> Result<StepReport> {
        let norm = optimizer::norm(found.gradients.iter().map(Vec::as_slice));
        if !norm.is_finite() || !found.loss.is_finite() {
            return Err(not_finite(&format!("the gradient of step {}", self.step + 1)));
        }
        let clip = optimizer::clip(norm, self.config.max_grad_norm);
        let factor = schedule::factor(&self.config, self.step);
        self.step += 1;
        for ((parameter, moments), gradient) in
            self.parameters.iter_mut().zip(&mut self.moments).zip(&found.gradients)
        {
            let base =
                if parameter.of_text { self.config.text_encoder_lr } else { self.config.learning_rate };
            let gradient: Vec<f32> = gradient.iter().map(|value| value * clip).collect();
            let values = &mut parameter.values;
            optimizer::update(values, moments, &gradient, base * factor, self.step, self.config.adam());
        }
        if let (Some(mean), Some(decay)) = (&mut self.mean, self.config.ema_decay) {
            let kept = optimizer::ema_decay(decay, self.step) as f32;
            for (mean, parameter) in mean.iter_mut().zip(&self.parameters) {
                for (mean, value) in mean.iter_mut().zip(&parameter.values) {
                    *mean = *mean * kept + value * (1.0 - kept);
                }
            }
        }
        let lr = self.config.learning_rate * factor;
        Ok(StepReport { step: self.step, loss: found.loss, lr, grad_norm: norm })
    }

    /// The mean loss of the held-out pictures with fixed noise and times; `None` if there are none.
    ///
    /// # Errors
    /// When a computation fails.
    pub fn validation_loss(&self) -> Result<Option<f64>> {
        self.put_on()?;
        let sample = |example: &Example, noise: &[f32]| self.sample(example, noise);
        let draws = draws::validation_draws(self.config.seed, &self.examples, sample, self.alphas.len())?;
        if draws.is_empty() {
            return Ok(None);
        }
        let one = |draw: &Draw| {
            let prediction = self.predict(&self.examples[draw.example], draw)?;
            let values = prediction.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            let alpha = self.alphas[draw.timestep];
            Ok(loss::mean_square(&values, &loss::target(self.kind, &draw.latents, &draw.noise, alpha)))
        };
        let losses: Vec<f64> = on_workers(|| draws.par_iter().map(one).collect::<Result<_>>())?;
        Ok(Some(losses.iter().sum::<f64>() / losses.len() as f64))
    }

    /// An estimate of the memory beside the model's weights for pictures of this many pixels.
    pub fn working_bytes(&self, pixels: usize) -> u64 {
        let side = self.pipeline.cell_side();
        let parameters: usize = self.parameters.iter().map(|parameter| parameter.values.len()).sum();
        let at_once = if self.pipeline.device.is_cpu() { rayon::current_num_threads() } else { 1 };
        let pictures = at_once.min(2 * self.config.train_batch_size);
        let cells = (pixels / (side * side)) as u64;
        let unet = self.pipeline.unet.config();
        memory::working_bytes(unet, &self.config, parameters as u64, cells, pictures as u64)
    }

    /// Loss and gradients of the next step, without taking it: how long a step takes, and whether it can be taken.
    ///
    /// # Errors
    /// Those of [`Self::gradients`].
    pub fn try_step(&self) -> Result<Found> {
        self.gradients(&self.draws(self.step * self.config.gradient_accumulation_steps)?)
    }

    /// Puts the weights that samples and the file are made of on the model: the mean where there is one.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn put_on(&self) -> Result<()> {
        self.factors.put(&self.factors.tensors(&self.result())?)
    }

    /// The trained tensors as they go into the file: the running mean where there is one.
    pub fn result(&self) -> Vec<Parameter> {
        let mut result = self.parameters.clone();
        for (parameter, mean) in result.iter_mut().zip(self.mean.iter().flatten()) {
            parameter.values.clone_from(mean);
        }
        result
    }
}

impl Drop for Trainer<'_> {
    fn drop(&mut self) {
        self.factors.take_off();
    }
}

fn sum(mut a: Found, b: &Found) -> Found {
    a.loss += b.loss;
    for (a, b) in a.gradients.iter_mut().flatten().zip(b.gradients.iter().flatten()) {
        *a += b;
    }
    a
}

fn not_finite(what: &str) -> Error {
    Error::NotFinite {
        what: what.to_owned(),
        hint: "lower the learning rate, and go on from the last checkpoint, which is whole".to_owned(),
    }
}
