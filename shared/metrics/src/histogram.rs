//! Which colours a picture has, wherever they are: a histogram, and the distance of two.

use crate::MetricError;
use crate::error::same_length;

/// Bins along each of red, green and blue.
const SIDE: usize = 8;

/// Shares of the colours of interleaved 8-bit RGB: 8 bins for each channel, 512 together, adding up to 1. Bin
/// `(red / 32) * 64 + (green / 32) * 8 + blue / 32`.
///
/// # Errors
/// No pixels, or bytes that are not whole pixels.
pub fn colour_histogram(rgb: &[u8]) -> Result<Vec<f64>, MetricError> {
    let (pixels, rest) = rgb.as_chunks::<3>();
    if pixels.is_empty() || !rest.is_empty() {
        return Err(MetricError::Empty);
    }
    let mut counts = vec![0u32; SIDE * SIDE * SIDE];
    for pixel in pixels {
        let [red, green, blue] = pixel.map(|level| usize::from(level) * SIDE / 256);
        counts[(red * SIDE + green) * SIDE + blue] += 1;
    }
    Ok(counts.into_iter().map(|count| f64::from(count) / pixels.len() as f64).collect())
}

/// The Hellinger distance `sqrt(1 - sum(sqrt(p q)))` of two histograms that each add up to 1: 0 for equal ones, 1 for those
/// without a common colour. The sum is Bhattacharyya's coefficient; OpenCV calls this distance `HISTCMP_BHATTACHARYYA`.
///
/// # Errors
/// Histograms of different lengths, or empty ones.
pub fn hellinger(p: &[f64], q: &[f64]) -> Result<f64, MetricError> {
    same_length(p.len(), q.len())?;
    let coefficient: f64 = p.iter().zip(q).map(|(p, q)| (p * q).sqrt()).sum();
    // Rounding may carry the coefficient of equal histograms beyond 1.
    Ok((1.0 - coefficient).max(0.0).sqrt())
}

/// The Hellinger distance of the colours of two RGB pictures, 0 to 1. They may be of different sizes.
///
/// # Errors
/// A picture without pixels.
pub fn histogram_distance(a: &[u8], b: &[u8]) -> Result<f64, MetricError> {
    hellinger(&colour_histogram(a)?, &colour_histogram(b)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_do_not_count_and_colours_do() {
        let (red, blue) = ([250, 3, 3], [3, 3, 250]);
        let a = [red, blue, red, red].concat();
        let b = [blue, red, red, red].concat();
        assert!(histogram_distance(&a, &b).unwrap() < 1e-7);
        assert_eq!(histogram_distance(&red, &blue), Ok(1.0));
        // sqrt(1 - (sqrt(0.75 * 0.25) * 2))
        let c = [blue, blue, red, blue].concat();
        let expected = (1.0 - 2.0 * (0.75f64 * 0.25).sqrt()).sqrt();
        assert!((histogram_distance(&a, &c).unwrap() - expected).abs() < 1e-12);
        assert_eq!(histogram_distance(&a, &c), histogram_distance(&c, &a));
    }

    #[test]
    fn nothing_has_no_histogram() {
        assert_eq!(colour_histogram(&[]), Err(MetricError::Empty));
        assert_eq!(colour_histogram(&[1, 2, 3, 4]), Err(MetricError::Empty));
        assert_eq!(hellinger(&[1.0], &[0.5, 0.5]), Err(MetricError::LengthMismatch { left: 1, right: 2 }));
    }
}
