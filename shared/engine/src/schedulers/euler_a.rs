//! Euler's method with fresh noise at every step: `EulerAncestralDiscreteScheduler` of diffusers.
//!
//! Each step goes further down than the plan says and then adds noise to come back up to it, so that errors of earlier steps
//! are washed out and every seed wanders its own way.

use crate::noise::TorchRng;
use crate::schedulers::euler::{init_noise_sigma, scale_by_sigma};
use crate::schedulers::noise_schedule::{BetaDefaults, ZeroSnr};
use crate::schedulers::spacing::{self, Spacing};
use crate::schedulers::{NoiseSchedule, PredictionType, Scheduler, SchedulerConfig, zip2, zip3};
use crate::{Error, Result};

/// `EulerAncestralDiscreteScheduler`.
#[derive(Clone, Debug)]
pub struct EulerA {
    timesteps: Vec<f32>,
    sigmas: Vec<f32>,
    prediction: PredictionType,
    spacing: Spacing,
}

impl EulerA {
    /// Plans `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let schedule = NoiseSchedule::new(config, &BetaDefaults::LINEAR, ZeroSnr::Finite)?;
        spacing::check_steps(steps, &schedule)?;
        let prediction = PredictionType::from_config(config)?;
        if prediction == PredictionType::Sample {
            return Err(Error::config(
                "scheduler",
                "`prediction_type` is `sample`, which `euler_a` does not define",
                "use `euler` for this checkpoint",
            ));
        }
        let spacing = Spacing::from_config(config, "linspace")?;
        let timesteps = spacing.timesteps(schedule.len(), steps, config.integer("steps_offset", 0)?, false);
        let trained = schedule.sigmas();
        let mut sigmas: Vec<f32> =
            timesteps.iter().map(|&t| spacing::interpolate(t, &trained) as f32).collect();
        sigmas.push(0.0);
        Ok(Self { timesteps, sigmas, prediction, spacing })
    }
}

impl Scheduler for EulerA {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f32 {
        init_noise_sigma(&self.sigmas, self.spacing)
    }

    fn scale_model_input(&self, sample: &[f32], index: usize) -> Vec<f32> {
        scale_by_sigma(sample, self.sigmas[index])
    }

    fn step(&mut self, model_output: &[f32], index: usize, sample: &[f32], rng: &mut TorchRng) -> Vec<f32> {
        let (from, to) = (self.sigmas[index], self.sigmas[index + 1]);
        let up = (to * to * (from * from - to * to) / (from * from)).sqrt();
        let down = (to * to - up * up).sqrt();
        let dt = down - from;
        // Drawn at the last step too, where it is multiplied by zero: the generator must move as it does in diffusers.
        let noise = rng.randn(sample.len());
        zip3(sample, model_output, &noise, |x, output, n| {
            let clean = self.prediction.denoise_exploding(x, output, from);
            let derivative = (x - clean) / from;
            (x + derivative * dt) + n * up
        })
    }

    fn add_noise(&self, original: &[f32], noise: &[f32], index: usize) -> Vec<f32> {
        let sigma = self.sigmas[index];
        zip2(original, noise, |x, n| x + n * sigma)
    }
}
