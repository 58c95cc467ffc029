//! Resizing 8-bit pictures exactly as Pillow does.
//!
//! Scores depend on how a picture was made smaller, so this is Pillow's algorithm with its 8-bit fixed point, not just the
//! same filter: a horizontal and a vertical pass, coefficients rounded to 22 bits, every pass rounded to 8 bits. The
//! horizontal pass comes first, unless the height shrinks by more than twice as many pixels as the width (Pillow since
//! 2026, python-pillow/Pillow pull request 9549; older ones differ there by single levels).
//! When shrinking, the filter is stretched over all source pixels (antialiasing), unlike in most tensor libraries.

use std::f64::consts::PI;

use crate::MetricError;

/// Bits after the point of the coefficients: 32 less 8 for the pixel and 2 for the overshoot of negative lobes.
const PRECISION_BITS: u32 = 22;

/// The kernel of a resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Keys' cubic with a = -0.5, two pixels wide each way: what CLIP's preprocessing uses.
    Bicubic,
    /// `sinc(x) sinc(x / 3)`, three pixels wide each way: the sharpest, diffusers' choice for input pictures.
    Lanczos,
}

impl Filter {
    /// Half the width of the kernel in pixels of the coarser grid.
    fn support(self) -> f64 {
        match self {
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        match self {
            Self::Bicubic => {
                let (a, x) = (-0.5, x.abs());
                if x < 1.0 {
                    ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
                } else if x < 2.0 {
                    (((x - 5.0) * x + 8.0) * x - 4.0) * a
                } else {
                    0.0
                }
            }
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Lanczos => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

/// Which source pixels make one target pixel, and with what fixed-point weights.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// The taps of every target pixel along one axis.
fn taps(source: usize, target: usize, filter: Filter) -> Vec<Taps> {
    let scale = source as f64 / target as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let one = f64::from(1u32 << PRECISION_BITS);
    (0..target)
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale;
            // Casts cut towards zero, as C's do.
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(source);
            let place = |x: usize| (x as f64 - centre + 0.5) * (1.0 / stretch);
            let weights: Vec<f64> = (first..end).map(|x| filter.weight(place(x))).collect();
            let sum: f64 = weights.iter().sum();
            let fixed = |weight: &f64| {
                let weight = if sum == 0.0 { *weight } else { weight / sum };
                (weight * one + if weight < 0.0 { -0.5 } else { 0.5 }) as i32
            };
            Taps { first, weights: weights.iter().map(fixed).collect() }
        })
        .collect()
}

/// One target value: the weighted sum of `pixel(tap)`, rounded and clamped to 8 bits.
fn mix(taps: &Taps, pixel: impl Fn(usize) -> u8) -> u8 {
    let half = 1i32 << (PRECISION_BITS - 1);
    let sum = taps.weights.iter().enumerate().fold(half, |sum, (index, weight)| {
        sum.wrapping_add(i32::from(pixel(taps.first + index)).wrapping_mul(*weight))
    });
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Resizes interleaved 8-bit rows of `channels` channels from `(width, height)` to `target` `(width, height)`.
///
/// The same bytes as `Image.resize(target, resample)` of Pillow for modes `L` and `RGB`.
///
/// # Errors
/// A slice that does not fit its size, or a side of zero.
pub fn resize(
    pixels: &[u8],
    (width, height): (usize, usize),
    channels: usize,
    target: (usize, usize),
    filter: Filter,
) -> Result<Vec<u8>, MetricError> {
    let expected = width * height * channels;
    if pixels.len() != expected {
        return Err(MetricError::WrongLength { width, height, channels, expected, got: pixels.len() });
    }
    if expected == 0 || target.0 == 0 || target.1 == 0 {
        return Err(MetricError::Empty);
    }
    let rows = Rows { pixels: pixels.to_vec(), width, channels };
    let shrinks_mostly_in_height =
        target.1 < height && (height - target.1) as isize > 2 * (width as isize - target.0 as isize);
    let rows = if shrinks_mostly_in_height {
        rows.with_height(height, target.1, filter).with_width(target.0, filter)
    } else {
        rows.with_width(target.0, filter).with_height(height, target.1, filter)
    };
    Ok(rows.pixels)
}

/// Interleaved rows on the way through the two passes.
struct Rows {
    pixels: Vec<u8>,
    width: usize,
    channels: usize,
}

impl Rows {
    fn with_width(self, target: usize, filter: Filter) -> Self {
        let Self { pixels, width, channels } = self;
        if target == width {
            return Self { pixels, width, channels };
        }
        let columns = taps(width, target, filter);
        let mut out = Vec::with_capacity(pixels.len() / width * target);
        for row in pixels.chunks_exact(width * channels) {
            for column in &columns {
                out.extend((0..channels).map(|channel| mix(column, |x| row[x * channels + channel])));
            }
        }
        Self { pixels: out, width: target, channels }
    }

    fn with_height(self, height: usize, target: usize, filter: Filter) -> Self {
        if target == height {
            return self;
        }
        let stride = self.width * self.channels;
        let mut out = Vec::with_capacity(stride * target);
        for row in taps(height, target, filter) {
            out.extend((0..stride).map(|place| mix(&row, |y| self.pixels[y * stride + place])));
        }
        Self { pixels: out, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_size_is_the_same_picture() {
        let pixels: Vec<u8> = (0..60).map(|i| (i * 37 % 256) as u8).collect();
        assert_eq!(resize(&pixels, (5, 4), 3, (5, 4), Filter::Lanczos).unwrap(), pixels);
    }

    #[test]
    fn flat_colours_stay_flat() {
        for level in [0u8, 1, 127, 254, 255] {
            let out = resize(&[level; 31 * 17], (31, 17), 1, (8, 40), Filter::Lanczos).unwrap();
            assert!(out.iter().all(|value| *value == level));
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        assert!(matches!(
            resize(&[0; 5], (2, 3), 1, (1, 1), Filter::Bicubic),
            Err(MetricError::WrongLength { .. })
        ));
        assert_eq!(resize(&[0; 6], (2, 3), 1, (0, 1), Filter::Bicubic), Err(MetricError::Empty));
    }
}
