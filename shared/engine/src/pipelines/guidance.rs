//! Classifier-free guidance: steering a prediction away from the negative prompt and towards the prompt.

/// Combines two predictions (Ho and Salimans, 2022): `negative + scale * (positive - negative)`. With `rescale` above 0 the
/// result is pulled towards the spread of the positive prediction, against overexposure (Lin et al., 2023, section 3.4).
pub(super) fn guide(negative: &[f32], positive: &[f32], scale: f64, rescale: f64) -> Vec<f32> {
    let scale = scale as f32;
    let mut guided: Vec<f32> = negative.iter().zip(positive).map(|(u, c)| u + scale * (c - u)).collect();
    if rescale > 0.0 {
        let ratio = spread(positive) / spread(&guided);
        let (share, rest) = (rescale as f32, (1.0 - rescale) as f32);
        for value in &mut guided {
            *value = share * (*value * ratio) + rest * *value;
        }
    }
    guided
}

/// The size of what guidance adds to the negative prediction: the root mean square of `scale * (positive - negative)`.
pub(super) fn pull(negative: &[f32], positive: &[f32], scale: f64) -> f32 {
    let squares: f64 = negative.iter().zip(positive).map(|(u, c)| f64::from(c - u).powi(2)).sum();
    (scale.abs() * (squares / negative.len().max(1) as f64).sqrt()) as f32
}

/// Standard deviation with Bessel's correction, as `torch.std`.
fn spread(values: &[f32]) -> f32 {
    let count = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let squares = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>();
    (squares / (count - 1.0)).sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_one_is_the_positive_prediction() {
        assert_eq!(guide(&[0.5, 1.0], &[1.0, -2.0], 1.0, 0.0), [1.0, -2.0]);
        assert_eq!(guide(&[0.5, 1.0], &[1.0, -2.0], 3.0, 0.0), [2.0, -8.0]);
    }

    #[test]
    fn the_pull_is_the_length_of_an_average_cell() {
        assert_eq!(pull(&[0.0, 1.0], &[3.0, -3.0], 2.0), 2.0 * 12.5f32.sqrt());
        assert_eq!(pull(&[0.5, 1.0], &[0.5, 1.0], 7.0), 0.0);
    }

    #[test]
    fn full_rescale_has_the_spread_of_the_positive_prediction() {
        let (negative, positive) = ([0.3, -0.2, 0.9, 0.0], [1.0, -2.0, 0.5, 0.1]);
        let guided = guide(&negative, &positive, 7.5, 1.0);
        assert!((spread(&guided) - spread(&positive)).abs() < 1e-6);
    }
}
