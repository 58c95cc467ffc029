//! The third part of the score: structural similarity of two pictures of any sizes, on common ground.

use crate::{Filter, MetricError, Size, Window, luma, resize, ssim_map8};

/// Width and height that pictures are brought to, in pixels.
pub const SCORE_SIDE: usize = 256;

/// A picture as the score compares it: 256x256 levels of brightness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScorePicture {
    levels: Vec<u8>,
}

impl ScorePicture {
    /// Brings rows of 8-bit RGB to 256x256 by Pillow's Lanczos filter, then to luma (ITU-R 601, as Pillow's `L`). The picture's
    /// shape is not kept: squeezed is how the formula compares.
    ///
    /// # Errors
    /// A picture without pixels, or rows that do not fill its size.
    pub fn new(rgb: &[u8], width: usize, height: usize) -> Result<Self, MetricError> {
        let target = (SCORE_SIDE, SCORE_SIDE);
        if (width, height) == target && rgb.len() == SCORE_SIDE * SCORE_SIDE * 3 {
            return Ok(Self { levels: luma(rgb) });
        }
        Ok(Self { levels: luma(&resize(rgb, (width, height), 3, target, Filter::Lanczos)?) })
    }

    /// Mean structural similarity, -1 to 1: scikit-image's `structural_similarity(a, b, data_range=255)`.
    pub fn ssim(&self, other: &Self) -> Result<f64, MetricError> {
        let size = Size { width: SCORE_SIDE, height: SCORE_SIDE, channels: 1 };
        Ok(ssim_map8(&self.levels, &other.levels, size, Window::Uniform7)?.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_shape_do_not_count_and_content_does() {
        let flat = |level: u8, pixels: usize| vec![level; pixels * 3];
        let small = ScorePicture::new(&flat(90, 12 * 30), 12, 30).unwrap();
        let large = ScorePicture::new(&flat(90, 256 * 256), 256, 256).unwrap();
        assert!((small.ssim(&large).unwrap() - 1.0).abs() < 1e-12);
        let white = ScorePicture::new(&flat(255, 256 * 256), 256, 256).unwrap();
        assert!(white.ssim(&large).unwrap() < 0.7);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        assert!(ScorePicture::new(&[], 0, 0).is_err());
        assert!(ScorePicture::new(&[0; 10], 2, 2).is_err());
        assert!(ScorePicture::new(&[0; 10], 256, 256).is_err());
    }
}
