//! Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004): do two pictures have the same local brightness,
//! contrast and structure?
//!
//! In every window `SSIM = (2 ux uy + C1)(2 vxy + C2) / ((ux^2 + uy^2 + C1)(vx + vy + C2))` with means `u`, variances and
//! covariance `v`, `C1 = (0.01 L)^2`, `C2 = (0.03 L)^2` and the data range `L`. The result is the mean over all windows that
//! lie wholly inside, then over channels. 1 for equal pictures, near 0 for unrelated ones, below 0 for negatives.

mod windows8;

use crate::MetricError;
use crate::error::same_length;

/// Width, height and channels of interleaved rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Channels: 1 for grey, 3 for RGB.
    pub channels: usize,
}

/// The window that slides over the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// 7x7, all pixels equal, sample covariance (divided by 48): scikit-image's default.
    Uniform7,
    /// 11x11 Gaussian of sigma 1.5, population covariance: the paper's own choice.
    Gaussian11,
}

impl Window {
    fn side(self) -> usize {
        match self {
            Self::Uniform7 => 7,
            Self::Gaussian11 => 11,
        }
    }

    /// Weights along one axis; they add up to 1.
    fn weights(self) -> Vec<f64> {
        match self {
            Self::Uniform7 => vec![1.0 / 7.0; 7],
            Self::Gaussian11 => {
                let bell: Vec<f64> =
                    (-5..=5).map(|x| (-f64::from(x * x) / (2.0 * 1.5 * 1.5)).exp()).collect();
                let sum: f64 = bell.iter().sum();
                bell.iter().map(|weight| weight / sum).collect()
            }
        }
    }

    /// Factor from the population covariance to the one that this window uses.
    fn covariance_factor(self) -> f64 {
        match self {
            Self::Uniform7 => 49.0 / 48.0,
            Self::Gaussian11 => 1.0,
        }
    }
}

/// Similarity at every window, to show where pictures differ.
#[derive(Debug, Clone, PartialEq)]
pub struct SsimMap {
    /// Columns: the picture's width less the window's side plus one.
    pub width: usize,
    /// Rows, likewise.
    pub height: usize,
    /// Mean over channels at each window, in rows.
    pub values: Vec<f64>,
    /// The mean of `values`: the structural similarity of the pictures.
    pub mean: f64,
}

/// Mean structural similarity of two pictures with values in a range of `data_range`.
pub fn ssim(a: &[f64], b: &[f64], size: Size, data_range: f64, window: Window) -> Result<f64, MetricError> {
    Ok(ssim_map(a, b, size, data_range, window)?.mean)
}

/// Mean structural similarity of two 8-bit RGB pictures, as scikit-image computes it with `channel_axis=-1`.
pub fn ssim_rgb8(a: &[u8], b: &[u8], width: usize, height: usize) -> Result<f64, MetricError> {
    Ok(ssim_map8(a, b, Size { width, height, channels: 3 }, Window::Uniform7)?.mean)
}

/// Structural similarity of two 8-bit pictures (data range 255), window by window: the values of [`ssim_map`], many times
/// faster.
///
/// # Errors
/// As [`ssim_map`].
pub fn ssim_map8(a: &[u8], b: &[u8], size: Size, window: Window) -> Result<SsimMap, MetricError> {
    check(a.len(), b.len(), size, window)?;
    let sums = match window {
        Window::Uniform7 => windows8::uniform(a, b, size),
        Window::Gaussian11 => windows8::gaussian(a, b, size, &window.weights()),
    };
    Ok(SsimMap::of_sums(sums, size, window))
}

/// Structural similarity window by window.
///
/// # Errors
/// Pictures of different sizes, slices that do not fit the size, pictures smaller than the window.
pub fn ssim_map(
    a: &[f64],
    b: &[f64],
    size: Size,
    data_range: f64,
    window: Window,
) -> Result<SsimMap, MetricError> {
    check(a.len(), b.len(), size, window)?;
    let (Size { width, height, channels }, side) = (size, window.side());
    let mut values = vec![0.0; (width - side + 1) * (height - side + 1)];
    for channel in 0..channels {
        let plane =
            |pixels: &[f64]| pixels.iter().skip(channel).step_by(channels).copied().collect::<Vec<_>>();
        add_channel(&plane(a), &plane(b), width, data_range, window, &mut values);
    }
    Ok(SsimMap::of_sums(values, size, window))
}

/// Refuses pictures that cannot be compared.
fn check(a: usize, b: usize, size: Size, window: Window) -> Result<(), MetricError> {
    let Size { width, height, channels } = size;
    same_length(a, b)?;
    let expected = width.saturating_mul(height).saturating_mul(channels);
    if a != expected {
        return Err(MetricError::WrongLength { width, height, channels, expected, got: a });
    }
    let side = window.side();
    if width < side || height < side {
        return Err(MetricError::SmallerThanWindow { width, height, window: side });
    }
    Ok(())
}

impl SsimMap {
    /// A map of the sums over channels at each window.
    fn of_sums(mut values: Vec<f64>, size: Size, window: Window) -> Self {
        for value in &mut values {
            *value /= size.channels as f64;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let inside = |length: usize| length - window.side() + 1;
        Self { width: inside(size.width), height: inside(size.height), values, mean }
    }
}

/// Adds the similarity of one channel to each window's place in `values`.
fn add_channel(a: &[f64], b: &[f64], width: usize, data_range: f64, window: Window, values: &mut [f64]) {
    let weights = window.weights();
    let c1 = (0.01 * data_range).powi(2);
    let c2 = (0.03 * data_range).powi(2);
    let factor = window.covariance_factor();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<_>>();
    let filtered = [a.to_vec(), b.to_vec(), product(a, a), product(b, b), product(a, b)]
        .map(|plane| filter(&plane, width, &weights));
    let [ua, ub, uaa, ubb, uab] = &filtered;
    for (index, value) in values.iter_mut().enumerate() {
        let (ua, ub) = (ua[index], ub[index]);
        let va = factor * (uaa[index] - ua * ua);
        let vb = factor * (ubb[index] - ub * ub);
        let vab = factor * (uab[index] - ua * ub);
        *value += ((2.0 * ua * ub + c1) * (2.0 * vab + c2)) / ((ua * ua + ub * ub + c1) * (va + vb + c2));
    }
}

/// The weighted mean of every window wholly inside: a pass along the rows, then one along the columns.
fn filter(plane: &[f64], width: usize, weights: &[f64]) -> Vec<f64> {
    let side = weights.len();
    let out_width = width - side + 1;
    let rows: Vec<f64> = plane
        .chunks_exact(width)
        .flat_map(|row| row.windows(side).map(|window| window.iter().zip(weights).map(|(v, w)| v * w).sum()))
        .collect();
    let out_height = rows.len() / out_width - side + 1;
    let mut out = vec![0.0; out_width * out_height];
    for (y, out_row) in out.chunks_exact_mut(out_width).enumerate() {
        for (tap, weight) in weights.iter().enumerate() {
            let row = &rows[(y + tap) * out_width..][..out_width];
            out_row.iter_mut().zip(row).for_each(|(out, value)| *out += weight * value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(seed: u32) -> Vec<u8> {
        (0..24 * 20 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 24) as u8).collect()
    }

    #[test]
    fn equal_pictures_are_exactly_alike() {
        assert!((ssim_rgb8(&picture(1), &picture(1), 24, 20).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn order_does_not_count_and_negatives_are_below_zero() {
        let (a, b) = (picture(1), picture(9_999_999));
        assert_eq!(ssim_rgb8(&a, &b, 24, 20), ssim_rgb8(&b, &a, 24, 20));
        let negative: Vec<u8> = a.iter().map(|value| 255 - value).collect();
        assert!(ssim_rgb8(&a, &negative, 24, 20).unwrap() < -0.5);
    }

    #[test]
    fn flat_pictures_differ_by_brightness_alone() {
        // Black against white: (2*0*255 + C1) / (0 + 255^2 + C1) with C1 = 2.55^2, structure 1.
        let expected = 6.5025 / (65025.0 + 6.5025);
        let value = ssim_rgb8(&[0; 7 * 7 * 3], &[255; 7 * 7 * 3], 7, 7).unwrap();
        assert!((value - expected).abs() < 1e-12);
    }

    #[test]
    fn small_or_mismatched_pictures_are_refused() {
        assert!(matches!(
            ssim_rgb8(&[0; 18], &[0; 18], 3, 2),
            Err(MetricError::SmallerThanWindow { window: 7, .. })
        ));
        assert!(matches!(ssim_rgb8(&[0; 18], &[0; 21], 3, 2), Err(MetricError::LengthMismatch { .. })));
        assert!(matches!(ssim_rgb8(&[0; 300], &[0; 300], 10, 11), Err(MetricError::WrongLength { .. })));
    }

    #[test]
    fn bytes_and_numbers_have_the_same_similarity() {
        for (width, height, channels) in [(24, 20, 3), (7, 7, 3), (60, 24, 1), (11, 65, 2), (30, 12, 4)] {
            let size = Size { width, height, channels };
            let part = |seed| picture(seed)[..width * height * channels].to_vec();
            let pairs =
                [(part(1), part(2)), (part(3), part(3)), (vec![255; width * height * channels], part(4))];
            for (a, b) in pairs {
                for window in [Window::Uniform7, Window::Gaussian11] {
                    if width.min(height) < window.side() {
                        continue;
                    }
                    let wide = |pixels: &[u8]| pixels.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
                    let expected = ssim_map(&wide(&a), &wide(&b), size, 255.0, window).unwrap();
                    let got = ssim_map8(&a, &b, size, window).unwrap();
                    assert_eq!((got.width, got.height), (expected.width, expected.height));
                    for (got, expected) in got.values.iter().zip(&expected.values) {
                        assert!((got - expected).abs() < 1e-10, "{size:?} {window:?}: {got} {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_map_has_the_mean_of_its_values() {
        let wide = |seed| picture(seed).iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
        let size = Size { width: 24, height: 20, channels: 3 };
        let map = ssim_map(&wide(1), &wide(2), size, 255.0, Window::Gaussian11).unwrap();
        assert_eq!((map.width, map.height, map.values.len()), (14, 10, 140));
        assert!((map.values.iter().sum::<f64>() / 140.0 - map.mean).abs() < 1e-15);
    }
}
