//! Heun's method: `HeunDiscreteScheduler` of diffusers (Karras et al., 2022, algorithm 2 without churn).
//!
//! Every step looks twice: an Euler step to the next sigma, the derivative there, then the step again with the mean of both
//! derivatives. So each timestep but the first stands twice in the plan.

use crate::Result;
use crate::noise::TorchRng;
use crate::schedulers::euler::{init_noise_sigma, scale_by_sigma};
use crate::schedulers::noise_schedule::{BetaDefaults, ZeroSnr};
use crate::schedulers::prediction::Clipping;
use crate::schedulers::spacing::{self, Spacing, Spread};
use crate::schedulers::{NoiseSchedule, PredictionType, Scheduler, SchedulerConfig, zip2, zip3};

/// `HeunDiscreteScheduler`.
#[derive(Clone, Debug)]
pub struct Heun {
    timesteps: Vec<f32>,
    sigmas: Vec<f32>,
    prediction: PredictionType,
    clipping: Clipping,
    spacing: Spacing,
    /// What the first look left for the second.
    first: Option<FirstLook>,
}

#[derive(Clone, Debug)]
struct FirstLook {
    sample: Vec<f32>,
    derivative: Vec<f32>,
    dt: f32,
}

impl Heun {
    /// Plans `steps` steps, that is `2 * steps - 1` network calls.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let schedule = NoiseSchedule::new(config, &BetaDefaults::HEUN, ZeroSnr::Unknown)?;
        spacing::check_steps(steps, &schedule)?;
        let spacing = Spacing::from_config(config, "linspace")?;
        let mut timesteps =
            spacing.timesteps(schedule.len(), steps, config.integer("steps_offset", 0)?, false);
        let trained = schedule.sigmas();
        let mut sigmas: Vec<f64> = timesteps.iter().map(|&t| spacing::interpolate(t, &trained)).collect();
        let spread = Spread::from_config(config)?;
        if spread != Spread::Schedule {
            sigmas = spread.sigmas(config, sigmas[0], sigmas[sigmas.len() - 1], steps)?;
            let logs = schedule.log_sigmas();
            timesteps = sigmas.iter().map(|&sigma| spacing::sigma_to_timestep(sigma, &logs) as f32).collect();
        }
        let mut sigmas: Vec<f32> = twice_but_the_first(sigmas.into_iter().map(|sigma| sigma as f32));
        sigmas.push(0.0);
        Ok(Self {
            timesteps: twice_but_the_first(timesteps.into_iter()),
            sigmas,
            prediction: PredictionType::from_config(config)?,
            clipping: if config.flag("clip_sample", false)? {
                Clipping::Clamp { range: config.number("clip_sample_range", 1.0)? as f32 }
            } else {
                Clipping::Off
            },
            spacing,
            first: None,
        })
    }
}

fn twice_but_the_first(values: impl Iterator<Item = f32>) -> Vec<f32> {
    values.enumerate().flat_map(|(i, value)| std::iter::repeat_n(value, if i == 0 { 1 } else { 2 })).collect()
}

impl Scheduler for Heun {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn order(&self) -> usize {
        2
    }

    fn init_noise_sigma(&self) -> f32 {
        init_noise_sigma(&self.sigmas, self.spacing)
    }

    fn scale_model_input(&self, sample: &[f32], index: usize) -> Vec<f32> {
        scale_by_sigma(sample, self.sigmas[index])
    }

    fn step(&mut self, model_output: &[f32], index: usize, sample: &[f32], _: &mut TorchRng) -> Vec<f32> {
        let sigma = self.sigmas[index];
        let clean = self
            .clipping
            .apply(zip2(sample, model_output, |x, o| self.prediction.denoise_exploding(x, o, sigma)));
        let derivative = zip2(sample, &clean, |x, clean| (x - clean) / sigma);
        match self.first.take() {
            None => {
                let dt = self.sigmas[index + 1] - sigma;
                let next = zip2(sample, &derivative, |x, d| x + d * dt);
                self.first = Some(FirstLook { sample: sample.to_vec(), derivative, dt });
                next
            }
            Some(first) => zip3(&first.sample, &first.derivative, &derivative, |x, d1, d2| {
                x + ((d1 + d2) * 0.5) * first.dt
            }),
        }
    }

    fn add_noise(&self, original: &[f32], noise: &[f32], index: usize) -> Vec<f32> {
        let sigma = self.sigmas[index];
        zip2(original, noise, |x, n| x + n * sigma)
    }
}
