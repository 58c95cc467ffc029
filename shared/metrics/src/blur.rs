//! Blurring 8-bit pictures exactly as Pillow does.
//!
//! Pillow's `ImageFilter.GaussianBlur` is not a Gaussian but three box blurs in a row, first along the rows, then along the
//! columns, with boxes of fractional length (Gwosdek et al., 2011, "Theoretical foundations of Gaussian convolution by
//! extended box filtering") and 24-bit fixed point. Masks are softened with it, and a soft mask decides which pixels are
//! repainted, so the same bytes must come out.

use crate::MetricError;

/// How many box blurs stand for a Gaussian.
const PASSES: u8 = 3;

/// The largest radius: beyond any picture, within 32-bit sums.
pub const MAX_RADIUS: f32 = 100_000.0;

/// Blurs rows of one channel by a Gaussian of standard deviation `radius` pixels; beyond the border the edge goes on.
///
/// The same bytes as `Image.filter(ImageFilter.GaussianBlur(radius))` of Pillow for mode `L`. A radius of 0 or less changes
/// nothing; one above [`MAX_RADIUS`] is taken as that.
///
/// # Errors
/// A slice that does not fit its size, or a side of zero.
pub fn gaussian_blur(
    pixels: &[u8],
    (width, height): (usize, usize),
    radius: f32,
) -> Result<Vec<u8>, MetricError> {
    let expected = width * height;
    if pixels.len() != expected {
        return Err(MetricError::WrongLength { width, height, channels: 1, expected, got: pixels.len() });
    }
    if expected == 0 {
        return Err(MetricError::Empty);
    }
    let mut pixels = pixels.to_vec();
    if radius > 0.0 {
        let kernel = Kernel::of_gaussian(radius.min(MAX_RADIUS));
        kernel.blur_rows(&mut pixels, width);
        let mut turned = transposed(&pixels, width);
        kernel.blur_rows(&mut turned, height);
        pixels = transposed(&turned, height);
    }
    Ok(pixels)
}

/// A box of fractional length: `whole` pixels to each side of the middle with full weight, one more with the rest.
struct Kernel {
    whole: usize,
    /// Weight of a full pixel, in units of 2^-24.
    full: u32,
    /// Weight of the two outermost pixels.
    outer: u32,
}

impl Kernel {
    /// The box whose repetition has the variance of the Gaussian: equations 7, 11 and 14 of the paper, in Pillow's floats.
    fn of_gaussian(radius: f32) -> Self {
        let variance = radius * radius / f32::from(PASSES);
        let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
        let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
        let mut rest = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance);
        rest /= 6.0 * (variance - (whole + 1.0) * (whole + 1.0));
        let radius = whole + rest;
        let whole = radius as usize;
        let full = (16_777_216.0 / (radius * 2.0 + 1.0)) as u32;
        let outer = ((1 << 24) - (whole as u32 * 2 + 1) * full) / 2;
        Self { whole, full, outer }
    }

    fn blur_rows(&self, pixels: &mut [u8], width: usize) {
        for row in pixels.chunks_exact_mut(width) {
            for _ in 0..PASSES {
                self.blur(row);
            }
        }
    }

    fn blur(&self, row: &mut [u8]) {
        let source = row.to_vec();
        let last = source.len() - 1;
        let reach = self.whole;
        // The pixel `left` places before or `right` places after `x`, or the edge.
        let before = |x: usize, left: usize| u32::from(source[x.saturating_sub(left)]);
        let after = |x: usize, right: usize| u32::from(source[(x + right).min(last)]);
        let mut sum: u32 = before(0, 0) * (reach as u32 + 1) + (1..=reach).map(|k| after(0, k)).sum::<u32>();
        for (x, pixel) in row.iter_mut().enumerate() {
            let outer = before(x, reach + 1) + after(x, reach + 1);
            let bulk = sum.wrapping_mul(self.full).wrapping_add(outer.wrapping_mul(self.outer));
            *pixel = (bulk.wrapping_add(1 << 23) >> 24) as u8;
            sum = sum + after(x, reach + 1) - before(x, reach);
        }
    }
}

/// Columns as rows.
fn transposed(pixels: &[u8], width: usize) -> Vec<u8> {
    let rows: Vec<&[u8]> = pixels.chunks_exact(width).collect();
    (0..width).flat_map(|x| rows.iter().map(move |row| row[x])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_radius_is_the_same_picture() {
        let pixels: Vec<u8> = (0..35).map(|i| (i * 37 % 256) as u8).collect();
        assert_eq!(gaussian_blur(&pixels, (7, 5), 0.0).unwrap(), pixels);
    }

    #[test]
    fn flat_levels_stay_flat() {
        for (level, radius) in [(0u8, 3.0), (255, 0.4), (255, 7.3), (90, 500.0)] {
            let out = gaussian_blur(&[level; 9 * 6], (9, 6), radius).unwrap();
            assert!(out.iter().all(|value| *value == level), "{level} by {radius}");
        }
    }

    #[test]
    fn mirrored_pictures_have_mirrored_blurs() {
        let pixels: Vec<u8> = (0..9 * 8).map(|i| (i * i % 251) as u8).collect();
        let mirrored = |pixels: &[u8]| pixels.iter().rev().copied().collect::<Vec<u8>>();
        for radius in [0.3, 1.0, 2.5, 20.0] {
            let blurred = gaussian_blur(&pixels, (9, 8), radius).unwrap();
            assert_eq!(
                mirrored(&gaussian_blur(&mirrored(&pixels), (9, 8), radius).unwrap()),
                blurred,
                "{radius}"
            );
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        assert!(matches!(gaussian_blur(&[0; 5], (2, 3), 1.0), Err(MetricError::WrongLength { .. })));
        assert_eq!(gaussian_blur(&[], (0, 3), 1.0), Err(MetricError::Empty));
    }
}
