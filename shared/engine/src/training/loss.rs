//! How far a prediction is from its target.
//!
//! The network sees `x = sqrt(a) x0 + sqrt(1 - a) noise` and is asked for the noise, or for the velocity
//! `sqrt(a) noise - sqrt(1 - a) x0` (Salimans and Ho, 2022). Timesteps can be weighted by `min(snr, gamma)`, where
//! `snr = a / (1 - a)` (Hang et al., 2023): divided by `snr` for noise and by `snr + 1` for a velocity.

use crate::schedulers::PredictionType;

/// `sqrt(a) x0 + sqrt(1 - a) noise`; `a` is the share of signal.
pub fn noisy(x0: &[f32], noise: &[f32], a: f32) -> Vec<f32> {
    let (signal, rest) = (a.sqrt(), (1.0 - a).sqrt());
    x0.iter().zip(noise).map(|(x0, noise)| signal * x0 + rest * noise).collect()
}

/// What the network is to predict.
pub fn target(kind: PredictionType, x0: &[f32], noise: &[f32], a: f32) -> Vec<f32> {
    match kind {
        PredictionType::Epsilon => noise.to_vec(),
        PredictionType::Sample => x0.to_vec(),
        PredictionType::VPrediction => {
            let (signal, rest) = (a.sqrt(), (1.0 - a).sqrt());
            x0.iter().zip(noise).map(|(x0, noise)| signal * noise - rest * x0).collect()
        }
    }
}

/// The weight of a timestep.
pub fn weight(kind: PredictionType, a: f32, snr_gamma: Option<f64>) -> f64 {
    let Some(gamma) = snr_gamma else { return 1.0 };
    let snr = f64::from(a) / (1.0 - f64::from(a));
    match kind {
        PredictionType::VPrediction => snr.min(gamma) / (snr + 1.0),
        // Without any signal the quotient's limit.
        _ if snr <= 0.0 => 1.0,
        PredictionType::Epsilon => snr.min(gamma) / snr,
        PredictionType::Sample => snr.min(gamma),
    }
}

/// The mean square of the difference, in 64 bits and one order.
pub fn mean_square(prediction: &[f32], target: &[f32]) -> f64 {
    let sum: f64 = prediction.iter().zip(target).map(|(p, t)| (f64::from(*p) - f64::from(*t)).powi(2)).sum();
    sum / target.len().max(1) as f64
}

/// The gradient of `share` times that mean with respect to the prediction.
pub fn gradient(prediction: &[f32], target: &[f32], share: f64) -> Vec<f32> {
    let factor = (2.0 * share / target.len().max(1) as f64) as f32;
    prediction.iter().zip(target).map(|(p, t)| factor * (p - t)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_follow_the_paper() {
        let at_snr = |snr: f64| (snr / (1.0 + snr)) as f32;
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-4, "{a} {b}");
        close(weight(PredictionType::Epsilon, at_snr(20.0), Some(5.0)), 0.25);
        close(weight(PredictionType::Epsilon, at_snr(1.0), Some(5.0)), 1.0);
        close(weight(PredictionType::VPrediction, at_snr(20.0), Some(5.0)), 5.0 / 21.0);
        close(weight(PredictionType::VPrediction, at_snr(1.0), Some(5.0)), 0.5);
        assert_eq!(weight(PredictionType::Epsilon, 0.0, Some(5.0)), 1.0);
        assert_eq!(weight(PredictionType::VPrediction, 0.3, None), 1.0);
    }

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let (prediction, target) = ([0.5f32, -1.0, 2.0], [0.0f32, 1.0, 1.5]);
        let found = gradient(&prediction, &target, 0.7);
        for index in 0..3 {
            let moved = |step: f32| {
                let mut moved = prediction;
                moved[index] += step;
                0.7 * mean_square(&moved, &target)
            };
            let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
            assert!((slope - f64::from(found[index])).abs() < 1e-4);
        }
    }
}
