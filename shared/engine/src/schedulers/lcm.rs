//! Latent consistency models: `LCMScheduler` of diffusers (Luo et al., 2023, algorithm 3).
//!
//! For checkpoints distilled to jump from any noise level straight to the picture. Each step jumps, then adds fresh noise back
//! to the level of the next timestep; the last step only jumps.

use crate::noise::TorchRng;
use crate::schedulers::ddim::mix;
use crate::schedulers::noise_schedule::{BetaDefaults, ZeroSnr};
use crate::schedulers::prediction::Clipping;
use crate::schedulers::spacing;
use crate::schedulers::{NoiseSchedule, PredictionType, Scheduler, SchedulerConfig, zip2};
use crate::{Error, Result};

/// Spread of the data that the boundary condition assumes.
const SIGMA_DATA: f32 = 0.5;

/// `LCMScheduler`.
#[derive(Clone, Debug)]
pub struct Lcm {
    schedule: NoiseSchedule,
    timesteps: Vec<f32>,
    timestep_scaling: f32,
    prediction: PredictionType,
    clipping: Clipping,
}

impl Lcm {
    /// Plans `steps` steps, chosen among the `original_inference_steps` the checkpoint was distilled on.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let schedule = NoiseSchedule::new(config, &BetaDefaults::LCM, ZeroSnr::Exact)?;
        spacing::check_steps(steps, &schedule)?;
        let original = config.integer("original_inference_steps", 50)?;
        if original < 1 || original as usize > schedule.len() {
            return Err(Error::config(
                "scheduler",
                format!("`original_inference_steps` is `{original}`"),
                format!("it lies between 1 and `num_train_timesteps`, {}", schedule.len()),
            ));
        }
        let original = original as usize;
        if steps > original {
            return Err(Error::Parameter {
                parameter: "num_inference_steps",
                fault: format!("is `{steps}`, `lcm` visits a subset of {original} timesteps"),
                hint: format!("choose 1 to {original} steps; 4 to 8 are usual"),
            });
        }
        let stride = schedule.len() / original;
        let even = original as f64 / steps as f64;
        let timesteps = (0..steps)
            .map(|i| {
                let skipped = (i as f64 * even).floor() as usize;
                ((original - skipped) * stride) as f32 - 1.0
            })
            .collect();
        Ok(Self {
            schedule,
            timesteps,
            timestep_scaling: config.number("timestep_scaling", 10.0)? as f32,
            prediction: PredictionType::from_config(config)?,
            clipping: Clipping::from_config(config, Some(false))?,
        })
    }
}

impl Scheduler for Lcm {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn step(&mut self, model_output: &[f32], index: usize, sample: &[f32], rng: &mut TorchRng) -> Vec<f32> {
        let timestep = self.timesteps[index];
        let alpha = self.schedule.alpha(timestep as i64);
        let (signal, spread) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let clean =
            zip2(sample, model_output, |x, o| self.prediction.denoise_preserving(x, o, signal, spread));
        let clean = self.clipping.apply(clean);

        // The boundary condition: at timestep 0 the sample is returned as it is.
        let scaled = timestep * self.timestep_scaling;
        let power = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
        let (skip, out) = (SIGMA_DATA * SIGMA_DATA / power, scaled / power.sqrt());
        let denoised = zip2(&clean, sample, |x0, x| out * x0 + skip * x);
        match self.timesteps.get(index + 1) {
            Some(&next) => mix(&self.schedule, next as i64, &denoised, &rng.randn(sample.len())),
            None => denoised,
        }
    }

    fn add_noise(&self, original: &[f32], noise: &[f32], index: usize) -> Vec<f32> {
        mix(&self.schedule, self.timesteps[index] as i64, original, noise)
    }
}
