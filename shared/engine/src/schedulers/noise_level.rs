//! Where a step stands between picture and noise, and what the network's output says of the clean sample there.
//!
//! Every algorithm keeps samples of the form `x = signal * x0 + noise * n`; only the two factors differ (`signal` is 1 in the
//! Euler family). So one formula reads all of them.

use crate::Result;
use crate::schedulers::{PredictionType, Scheduler, SchedulerConfig, zip2};

/// The two factors of a step's samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseLevel {
    /// Factor of the clean sample.
    pub signal: f32,
    /// Factor of standard normal noise.
    pub noise: f32,
}

impl NoiseLevel {
    /// The level at which step `index` of `scheduler` starts.
    pub fn of(scheduler: &dyn Scheduler, index: usize) -> Self {
        // Noising is linear: it is asked for its factors.
        let factor = |original: f32, noise: f32| scheduler.add_noise(&[original], &[noise], index)[0];
        Self { signal: factor(1.0, 0.0), noise: factor(0.0, 1.0) }
    }

    /// Noise for one unit of signal: the sigma of Karras et al. (2022).
    pub fn sigma(self) -> f32 {
        self.noise / self.signal
    }

    /// The estimate of the clean sample in `sample`, from the network's `output` for it.
    pub fn clean(self, prediction: PredictionType, output: &[f32], sample: &[f32]) -> Vec<f32> {
        let spread = self.signal.hypot(self.noise);
        let (alpha, sigma) = (self.signal / spread, self.noise / spread);
        zip2(sample, output, |x, output| prediction.denoise_preserving(x / spread, output, alpha, sigma))
    }
}

impl SchedulerConfig {
    /// What the checkpoint's network predicts.
    pub fn prediction_type(&self) -> Result<PredictionType> {
        PredictionType::from_config(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::TorchRng;
    use crate::schedulers::SchedulerName;

    fn config(prediction: &str) -> SchedulerConfig {
        let json = format!(
            r#"{{"prediction_type": "{prediction}", "beta_schedule": "scaled_linear", "beta_start": 0.00085,
                "beta_end": 0.012, "steps_offset": 1, "timestep_spacing": "leading", "set_alpha_to_one": true}}"#
        );
        SchedulerConfig::from_json(json.as_bytes(), None).unwrap()
    }

    #[test]
    fn a_perfect_network_shows_the_clean_sample_at_every_step_of_every_algorithm() {
        let (clean, noise) = ([0.4f32, -1.2, 0.05], [1.1f32, 0.3, -0.7]);
        for prediction in ["epsilon", "v_prediction", "sample"] {
            for name in SchedulerName::ALL {
                let config = config(prediction);
                let scheduler = config.build(Some(name), 8);
                if (name, prediction) == (SchedulerName::EulerA, "sample") {
                    assert!(scheduler.is_err(), "diffusers does not define it either");
                    continue;
                }
                let scheduler = scheduler.unwrap();
                for index in 0..scheduler.timesteps().len() {
                    let level = NoiseLevel::of(&*scheduler, index);
                    let sample = scheduler.add_noise(&clean, &noise, index);
                    let spread = level.signal.hypot(level.noise);
                    let output = zip2(&clean, &noise, |x0, n| match prediction {
                        "epsilon" => n,
                        "sample" => x0,
                        _ => (level.signal * n - level.noise * x0) / spread,
                    });
                    let seen = level.clean(config.prediction_type().unwrap(), &output, &sample);
                    for (seen, wanted) in seen.iter().zip(clean) {
                        // Errors of the sample grow with the noise that is taken off.
                        let tolerance = 1e-6 * (1.0 + level.sigma());
                        assert!(
                            (seen - wanted).abs() < tolerance,
                            "{prediction} {name} {index}: {seen} {wanted}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_last_step_of_euler_lands_on_the_estimate() {
        let config = config("v_prediction");
        let mut scheduler = config.build(Some("euler".parse().unwrap()), 5).unwrap();
        let (output, sample) = ([0.3f32, -0.2], [0.8f32, 0.1]);
        let seen = NoiseLevel::of(&*scheduler, 4).clean(config.prediction_type().unwrap(), &output, &sample);
        let landed = scheduler.step(&output, 4, &sample, &mut TorchRng::new(1));
        for (seen, landed) in seen.iter().zip(landed) {
            assert!((seen - landed).abs() < 1e-6, "{seen} {landed}");
        }
    }
}
