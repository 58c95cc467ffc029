//! Sampling algorithms, one a file, with the configuration and the numbers of diffusers.
//!
//! A scheduler turns a network's prediction into the next, less noisy sample. It knows neither networks nor devices: samples
//! are plain `f32` slices on the host, so that every device and the browser compute the same bits, and each file can be read
//! beside its paper. The arithmetic follows diffusers operation by operation, because the order of roundings is part of
//! "same seed, same picture".
//!
//! [`SchedulerConfig`] reads a checkpoint's `scheduler_config.json` and builds any of the algorithms from it, with the meaning
//! of diffusers' `OtherScheduler.from_config(pipe.scheduler.config)`.

mod config;
mod ddim;
mod dpmpp_2m;
mod euler;
mod euler_a;
mod float;
mod heun;
mod lcm;
mod name;
mod noise_level;
mod noise_schedule;
mod prediction;
mod spacing;
mod unipc;

pub use config::SchedulerConfig;
pub use ddim::Ddim;
pub use dpmpp_2m::Dpmpp2m;
pub use euler::Euler;
pub use euler_a::EulerA;
pub use heun::Heun;
pub use lcm::Lcm;
pub use name::SchedulerName;
pub use noise_level::NoiseLevel;
pub use noise_schedule::NoiseSchedule;
pub use prediction::PredictionType;
pub use unipc::UniPc;

use crate::noise::TorchRng;

/// A sampling algorithm set up for a number of steps.
///
/// `index` counts through [`Self::timesteps`]; steps must be taken in order, from the first used index to the last. All
/// functions panic when `index` lies outside the timesteps or slices differ in length: both are mistakes of the caller.
pub trait Scheduler: Send {
    /// The timesteps at which the network is called, from noise to picture.
    fn timesteps(&self) -> &[f32];

    /// Network calls for each planned step: 2 for Heun, else 1.
    fn order(&self) -> usize {
        1
    }

    /// What standard normal noise is multiplied with to become the first sample.
    fn init_noise_sigma(&self) -> f32 {
        1.0
    }

    /// Scales a sample to what the network was trained on at this step.
    fn scale_model_input(&self, sample: &[f32], index: usize) -> Vec<f32> {
        let _ = index;
        sample.to_vec()
    }

    /// Takes one step: the network's output for `sample` at `timesteps()[index]` gives the next sample. `rng` is the
    /// generator that drew the initial noise; only algorithms that add noise draw from it.
    fn step(&mut self, model_output: &[f32], index: usize, sample: &[f32], rng: &mut TorchRng) -> Vec<f32>;

    /// Noises a clean sample to the level at which step `index` starts.
    fn add_noise(&self, original: &[f32], noise: &[f32], index: usize) -> Vec<f32>;
}

/// Applies `f` to three slices element by element.
fn zip3(a: &[f32], b: &[f32], c: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> Vec<f32> {
    assert!(a.len() == b.len() && b.len() == c.len(), "samples of one run have one length");
    a.iter().zip(b).zip(c).map(|((&a, &b), &c)| f(a, b, c)).collect()
}

/// Applies `f` to two slices element by element.
fn zip2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    assert_eq!(a.len(), b.len(), "samples of one run have one length");
    a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
}
