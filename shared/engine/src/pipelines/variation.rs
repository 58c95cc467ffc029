//! Variations: noise that lies between the noise of two seeds.

use crate::noise::TorchRng;
use crate::{Error, Result};

/// Above this cosine two noises are taken as parallel, and mixed along a straight line.
const PARALLEL: f64 = 0.9995;

/// Another seed, and how far to go towards it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variation {
    /// The other seed. Its noise is the first that its generator draws.
    pub seed: u64,
    /// 0 is the noise of the call's own seed, 1 that of the other.
    pub strength: f64,
}

impl Variation {
    /// The noise `from`, moved towards this seed's.
    pub(super) fn of(self, from: Vec<f32>) -> Result<Vec<f32>> {
        if !(0.0..=1.0).contains(&self.strength) {
            return Err(Error::Parameter {
                parameter: "variation_strength",
                fault: format!("is `{}`", self.strength),
                hint: "choose a number from 0 to 1; 0.1 is a small change".to_owned(),
            });
        }
        if self.strength == 0.0 {
            return Ok(from);
        }
        let to = TorchRng::new(self.seed).randn(from.len());
        Ok(slerp(self.strength, &from, &to))
    }
}

/// Spherical interpolation of two noises as long vectors (Shoemake, 1985): with the angle `theta` between them,
/// `sin((1 - t) theta) / sin(theta) * a + sin(t theta) / sin(theta) * b`.
///
/// A mean of two noises would be too faint for a network that expects noise of spread 1; along the sphere the spread stays.
/// Angle and weights are computed in f64.
fn slerp(t: f64, a: &[f32], b: &[f32]) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let cosine = dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt());
    let (keep, take) = if cosine.abs() > PARALLEL {
        (1.0 - t, t)
    } else {
        let theta = cosine.acos();
        (((1.0 - t) * theta).sin() / theta.sin(), (t * theta).sin() / theta.sin())
    };
    a.iter().zip(b).map(|(&a, &b)| (keep * f64::from(a) + take * f64::from(b)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[f32]) -> f64 {
        (values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn the_ends_are_the_two_noises() {
        let (own, other) = (TorchRng::new(1).randn(256), TorchRng::new(2).randn(256));
        let between = |strength| Variation { seed: 2, strength }.of(own.clone()).unwrap();
        assert_eq!(between(0.0), own);
        let apart = between(1.0).iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-6, "{apart}");
    }

    #[test]
    fn between_them_the_noise_keeps_its_spread() {
        let own = TorchRng::new(5).randn(4096);
        for strength in [0.1, 0.5, 0.9] {
            let mixed = Variation { seed: 6, strength }.of(own.clone()).unwrap();
            assert!((spread(&mixed) - 1.0).abs() < 0.03, "{strength}: {}", spread(&mixed));
        }
    }

    #[test]
    fn the_formula_is_torchs() {
        // def slerp(t, a, b):
        //     dot = (a / a.norm() * b / b.norm()).sum(); theta = torch.acos(dot)
        //     return torch.sin((1 - t) * theta) / torch.sin(theta) * a + torch.sin(t * theta) / torch.sin(theta) * b
        // slerp(0.3, *[torch.randn(4, generator=torch.Generator().manual_seed(s)) for s in (0, 1)])
        let mixed = Variation { seed: 1, strength: 0.3 }.of(TorchRng::new(0).randn(4)).unwrap();
        let expected: [f32; 4] = [1.44719076, -0.132263884, -1.68257129, 0.671480715];
        for (got, expected) in mixed.iter().zip(expected) {
            assert!((got - expected).abs() < 2e-6, "{mixed:?}");
        }
    }

    #[test]
    fn the_same_seed_changes_nothing() {
        let own = TorchRng::new(9).randn(64);
        let mixed = Variation { seed: 9, strength: 0.4 }.of(own.clone()).unwrap();
        assert!(mixed.iter().zip(&own).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn strengths_beyond_the_ends_are_refused() {
        for strength in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let refusal = Variation { seed: 1, strength }.of(vec![0.0; 4]).unwrap_err().to_string();
            assert!(refusal.contains("`variation_strength`") && refusal.contains("hint: "), "{refusal}");
        }
    }
}
