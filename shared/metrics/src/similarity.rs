//! The angle between embeddings.

use crate::MetricError;
use crate::error::same_length;

/// Cosine of the angle between two vectors, `a.b / (|a| |b|)`, from -1 to 1.
///
/// # Errors
/// Vectors of different lengths, empty ones, and zeros, which have no direction.
pub fn cosine(a: &[f32], b: &[f32]) -> Result<f64, MetricError> {
    same_length(a.len(), b.len())?;
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms == 0.0 {
        return Err(MetricError::ZeroVector);
    }
    Ok((dot(a, b) / norms).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direction_counts_and_length_does_not() {
        assert!((cosine(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]).unwrap() - 1.0).abs() < 1e-15);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 5.0]), Ok(0.0));
        assert_eq!(cosine(&[1.0, 0.0], &[-2.0, 0.0]), Ok(-1.0));
        assert_eq!(cosine(&[1.0, 2.0], &[3.0, -1.0]), cosine(&[3.0, -1.0], &[1.0, 2.0]));
    }

    #[test]
    fn no_direction_is_an_error() {
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), Err(MetricError::ZeroVector));
    }
}
