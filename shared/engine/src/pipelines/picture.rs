//! An 8-bit picture and the rounding that makes it.

/// Pixels in rows from the top, three bytes (red, green, blue) each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Makes a picture of three planes (red, green, blue) of decoder output in [-1, 1], as diffusers' image processor does:
    /// `x * 0.5 + 0.5`, clamped to [0, 1], times 255, rounded half to even.
    pub fn from_planes(width: usize, height: usize, planes: &[f32]) -> Self {
        let plane = width * height;
        let level = |x: f32| ((x * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
        let rgb = (0..plane).flat_map(|i| (0..3).map(move |c| level(planes[c * plane + i]))).collect();
        Self { width, height, rgb }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_round_half_to_even_and_clamp() {
        // numpy: (np.array([0.5, 1.5, 2.5]) / 255 * 255).round() = 0, 2, 2
        let at = |level: f32| (level / 255.0 - 0.5) / 0.5;
        let picture = Picture::from_planes(1, 1, &[at(127.5), at(300.0), at(-20.0)]);
        assert_eq!(picture.rgb, [128, 255, 0]);
        assert_eq!(Picture::from_planes(1, 1, &[0.0, 1.0, -1.0]).rgb, [128, 255, 0]);
    }

    #[test]
    fn planes_become_interleaved_rows() {
        let planes = [-1.0, -1.0, 1.0, 1.0, -1.0, 1.0];
        assert_eq!(Picture::from_planes(2, 1, &planes).rgb, [0, 255, 0, 0, 255, 255]);
    }
}
