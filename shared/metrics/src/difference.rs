//! Pixel by pixel: mean squared error and peak signal-to-noise ratio.

use crate::MetricError;
use crate::error::same_length;

/// Mean squared error, `mean((a - b)^2)`, 0 for equal inputs.
///
/// # Errors
/// Inputs of different lengths, or empty ones.
pub fn mse(a: &[f64], b: &[f64]) -> Result<f64, MetricError> {
    same_length(a.len(), b.len())?;
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    Ok(sum / a.len() as f64)
}

/// Peak signal-to-noise ratio in decibels, `10 log10(data_range^2 / mse)`; infinite for equal inputs.
///
/// `data_range` is the distance between the least and the greatest possible value: 255 for 8 bits. From 30 dB on, a
/// decoded picture is hard to tell from its original at a glance.
pub fn psnr(a: &[f64], b: &[f64], data_range: f64) -> Result<f64, MetricError> {
    Ok(10.0 * (data_range * data_range / mse(a, b)?).log10())
}

/// [`psnr`] of 8-bit pictures.
///
/// # Errors
/// As [`mse`].
pub fn psnr8(a: &[u8], b: &[u8]) -> Result<f64, MetricError> {
    same_length(a.len(), b.len())?;
    // Rows short enough for their sums to fit 32 bits.
    let row = |(a, b): (&[u8], &[u8])| {
        let square = |(a, b): (&u8, &u8)| u32::from(a.abs_diff(*b)).pow(2);
        u64::from(a.iter().zip(b).map(square).sum::<u32>())
    };
    let sum: u64 = a.chunks(1 << 15).zip(b.chunks(1 << 15)).map(row).sum();
    Ok(10.0 * (255.0 * 255.0 * a.len() as f64 / sum as f64).log10())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_inputs_have_no_error_and_infinite_ratio() {
        assert_eq!(mse(&[1.0, 2.0], &[1.0, 2.0]), Ok(0.0));
        assert_eq!(psnr(&[1.0, 2.0], &[1.0, 2.0], 255.0), Ok(f64::INFINITY));
        assert_eq!(psnr8(&[1, 2], &[1, 2]), Ok(f64::INFINITY));
    }

    #[test]
    fn bytes_and_numbers_have_the_same_ratio() {
        let a: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let b: Vec<u8> = a.iter().rev().copied().collect();
        let wide = |pixels: &[u8]| pixels.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let expected = psnr(&wide(&a), &wide(&b), 255.0).unwrap();
        assert!((psnr8(&a, &b).unwrap() - expected).abs() < 1e-12);
        // All as far apart as can be: the largest sums.
        assert!(psnr8(&vec![0; 70_000], &vec![255; 70_000]).unwrap().abs() < 1e-12);
    }

    #[test]
    fn one_level_everywhere_is_48_decibels() {
        // 20 log10(255)
        assert!((psnr(&[0.0; 9], &[1.0; 9], 255.0).unwrap() - 48.130_803_608_679_1).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        assert_eq!(mse(&[], &[]), Err(MetricError::Empty));
        assert_eq!(mse(&[1.0], &[1.0, 2.0]), Err(MetricError::LengthMismatch { left: 1, right: 2 }));
    }
}
