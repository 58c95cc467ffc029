//! Euler's method on the probability-flow equation: `EulerDiscreteScheduler` of diffusers.
//!
//! A sample is `x = x0 + sigma * noise`. Its derivative by sigma is `(x - x0) / sigma`, with `x0` estimated by the network; one
//! step follows it to the next sigma (Karras et al., 2022, algorithm 2 without churn).

use crate::noise::TorchRng;
use crate::schedulers::noise_schedule::{self, BetaDefaults, ZeroSnr};
use crate::schedulers::spacing::{self, Spacing, Spread};
use crate::schedulers::{NoiseSchedule, PredictionType, Scheduler, SchedulerConfig, float, zip2};
use crate::{Error, Result};

/// `EulerDiscreteScheduler`.
#[derive(Clone, Debug)]
pub struct Euler {
    timesteps: Vec<f32>,
    sigmas: Vec<f32>,
    prediction: PredictionType,
    spacing: Spacing,
}

impl Euler {
    /// Plans `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let schedule = NoiseSchedule::new(config, &BetaDefaults::LINEAR, ZeroSnr::Finite)?;
        spacing::check_steps(steps, &schedule)?;
        let prediction = PredictionType::from_config(config)?;
        let spacing = Spacing::from_config(config, "linspace")?;
        let mut timesteps =
            spacing.timesteps(schedule.len(), steps, config.integer("steps_offset", 0)?, false);

        let trained = schedule.sigmas();
        let mut sigmas: Vec<f64> = match config.word("interpolation_type", "linear")? {
            "linear" => timesteps.iter().map(|&t| spacing::interpolate(t, &trained)).collect(),
            "log_linear" => {
                let logs = schedule.log_sigmas();
                let (high, low) = (f64::from(logs[logs.len() - 1]), f64::from(logs[0]));
                noise_schedule::linspace(high, low, steps + 1)
                    .into_iter()
                    .map(|log| float::exp(log).into())
                    .collect()
            }
            other => {
                return Err(Error::config(
                    "scheduler",
                    format!("`interpolation_type` is `{other}`"),
                    "known are `linear` and `log_linear`",
                ));
            }
        };
        let spread = Spread::from_config(config)?;
        if spread != Spread::Schedule {
            sigmas = spread.sigmas(config, sigmas[0], sigmas[sigmas.len() - 1], steps)?;
            let logs = schedule.log_sigmas();
            timesteps = sigmas.iter().map(|&sigma| spacing::sigma_to_timestep(sigma, &logs) as f32).collect();
        }
        let mut sigmas: Vec<f32> = sigmas.into_iter().map(|sigma| sigma as f32).collect();
        sigmas.push(spacing::final_sigma(config, &schedule)?);
        match config.word("timestep_type", "discrete")? {
            "continuous" if prediction == PredictionType::VPrediction => {
                timesteps = sigmas[..sigmas.len() - 1].iter().map(|&sigma| 0.25 * float::ln(sigma)).collect();
            }
            "discrete" | "continuous" => {}
            other => {
                return Err(Error::config(
                    "scheduler",
                    format!("`timestep_type` is `{other}`"),
                    "known are `discrete` and `continuous`",
                ));
            }
        }
        Ok(Self { timesteps, sigmas, prediction, spacing })
    }
}

/// What noise is multiplied with in the Euler family: the highest sigma, or for `leading`, which starts below it, the spread
/// of signal and noise together.
pub(super) fn init_noise_sigma(sigmas: &[f32], spacing: Spacing) -> f32 {
    let max = sigmas.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    match spacing {
        Spacing::Linspace | Spacing::Trailing => max,
        Spacing::Leading => (max * max + 1.0).sqrt(),
    }
}

/// Brings a sample of spread `sqrt(sigma^2 + 1)` to spread 1, which is what networks of the Euler family were trained on.
pub(super) fn scale_by_sigma(sample: &[f32], sigma: f32) -> Vec<f32> {
    let spread = (sigma * sigma + 1.0).sqrt();
    sample.iter().map(|x| x / spread).collect()
}

impl Scheduler for Euler {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f32 {
        init_noise_sigma(&self.sigmas, self.spacing)
    }

    fn scale_model_input(&self, sample: &[f32], index: usize) -> Vec<f32> {
        scale_by_sigma(sample, self.sigmas[index])
    }

    fn step(&mut self, model_output: &[f32], index: usize, sample: &[f32], _: &mut TorchRng) -> Vec<f32> {
        let sigma = self.sigmas[index];
        let dt = self.sigmas[index + 1] - sigma;
        zip2(sample, model_output, |x, output| {
            let clean = self.prediction.denoise_exploding(x, output, sigma);
            let derivative = (x - clean) / sigma;
            x + derivative * dt
        })
    }

    fn add_noise(&self, original: &[f32], noise: &[f32], index: usize) -> Vec<f32> {
        let sigma = self.sigmas[index];
        zip2(original, noise, |x, n| x + n * sigma)
    }
}
