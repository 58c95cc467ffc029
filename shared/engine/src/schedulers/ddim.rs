//! Denoising diffusion implicit models, eta 0: `DDIMScheduler` of diffusers (Song et al., 2020, equation 12).
//!
//! A sample is `x = sqrt(alpha) * x0 + sqrt(1 - alpha) * noise`. Each step estimates `x0` and the noise, and mixes them again
//! with the alpha of the next timestep. Nothing random happens after the first noise.

use crate::Result;
use crate::noise::TorchRng;
use crate::schedulers::noise_schedule::{BetaDefaults, ZeroSnr};
use crate::schedulers::prediction::Clipping;
use crate::schedulers::spacing::{self, Spacing};
use crate::schedulers::{NoiseSchedule, PredictionType, Scheduler, SchedulerConfig, zip2};

/// `DDIMScheduler`.
#[derive(Clone, Debug)]
pub struct Ddim {
    schedule: NoiseSchedule,
    timesteps: Vec<f32>,
    /// How far the schedule moves in one step.
    stride: i64,
    /// Alpha after the last step: 1, or that of timestep 0.
    final_alpha: f32,
    prediction: PredictionType,
    clipping: Clipping,
}

impl Ddim {
    /// Plans `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let schedule = NoiseSchedule::new(config, &BetaDefaults::LINEAR, ZeroSnr::Exact)?;
        spacing::check_steps(steps, &schedule)?;
        let spacing = Spacing::from_config(config, "leading")?;
        let timesteps = spacing.timesteps(schedule.len(), steps, config.integer("steps_offset", 0)?, true);
        schedule.check_timesteps(&timesteps)?;
        let to_one = config.flag("set_alpha_to_one", true)?;
        Ok(Self {
            stride: (schedule.len() / steps) as i64,
            final_alpha: if to_one { 1.0 } else { schedule.alphas_cumprod[0] },
            schedule,
            timesteps,
            prediction: PredictionType::from_config(config)?,
            clipping: Clipping::from_config(config, Some(true))?,
        })
    }
}

impl Scheduler for Ddim {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn step(&mut self, model_output: &[f32], index: usize, sample: &[f32], _: &mut TorchRng) -> Vec<f32> {
        let timestep = self.timesteps[index] as i64;
        let previous = timestep - self.stride;
        let alpha = self.schedule.alpha(timestep);
        let alpha_previous = if previous >= 0 { self.schedule.alpha(previous) } else { self.final_alpha };
        let (signal, noise) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let clean =
            zip2(sample, model_output, |x, o| self.prediction.denoise_preserving(x, o, signal, noise));
        let clean = self.clipping.apply(clean);
        // The noise is the network's own estimate, from before any clipping of the clean sample.
        let epsilon = zip2(sample, model_output, |x, output| match self.prediction {
            PredictionType::Epsilon => output,
            PredictionType::VPrediction => signal * output + noise * x,
            PredictionType::Sample => (x - signal * output) / noise,
        });
        let (signal_previous, direction) = (alpha_previous.sqrt(), (1.0 - alpha_previous).sqrt());
        zip2(&clean, &epsilon, |x0, epsilon| signal_previous * x0 + direction * epsilon)
    }

    fn add_noise(&self, original: &[f32], noise: &[f32], index: usize) -> Vec<f32> {
        mix(&self.schedule, self.timesteps[index] as i64, original, noise)
    }
}

/// `sqrt(alpha) * original + sqrt(1 - alpha) * noise` at a timestep.
pub(super) fn mix(schedule: &NoiseSchedule, timestep: i64, original: &[f32], noise: &[f32]) -> Vec<f32> {
    let alpha = schedule.alpha(timestep);
    let (signal, spread) = (alpha.sqrt(), (1.0 - alpha).sqrt());
    zip2(original, noise, |x, n| signal * x + spread * n)
}
