//! Two pictures, pixel by pixel: how many differ, and how much structure they share.

use chapan_metrics::ssim_rgb8;

use super::png::{Pixels, decode};
use crate::api::{self, Failure};

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Pixels of one picture.
    pub pixels: usize,
    /// Pixels that are not the same.
    pub differing: usize,
    /// Mean structural similarity, 1 for identical pictures.
    pub ssim: f64,
}

impl Comparison {
    /// Whether every pixel is the same.
    pub fn is_identical(self) -> bool {
        self.differing == 0
    }
}

/// Fetches, decodes and compares two pictures.
pub async fn compare(first: &str, second: &str) -> Result<Comparison, Failure> {
    let (first, second) = (pixels(first).await?, pixels(second).await?);
    measure(&first, &second).ok_or_else(|| Failure::Unreadable("the pictures differ in size".to_owned()))
}

async fn pixels(url: &str) -> Result<Pixels, Failure> {
    let file = api::bytes(url).await?;
    decode(&file).await.ok_or_else(|| Failure::Unreadable("not a picture of ours".to_owned()))
}

fn measure(first: &Pixels, second: &Pixels) -> Option<Comparison> {
    if (first.width, first.height) != (second.width, second.height) {
        return None;
    }
    let pixels = first.width * first.height;
    let differing = first.rgb.chunks_exact(3).zip(second.rgb.chunks_exact(3)).filter(|(a, b)| a != b).count();
    let ssim = ssim_rgb8(&first.rgb, &second.rgb, first.width, first.height).ok()?;
    Some(Comparison { pixels, differing, ssim })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(side: usize, shade: impl Fn(usize) -> u8) -> Pixels {
        Pixels { width: side, height: side, rgb: (0..side * side * 3).map(shade).collect() }
    }

    #[test]
    fn a_picture_is_identical_to_itself_and_one_pixel_is_enough_to_differ() {
        let first = picture(16, |i| (i * 7) as u8);
        let same = measure(&first, &first).unwrap();
        assert!(same.is_identical() && same.ssim == 1.0);
        let mut second = first.clone();
        second.rgb[3] ^= 1;
        let other = measure(&first, &second).unwrap();
        assert_eq!((other.pixels, other.differing), (256, 1));
        assert!(other.ssim < 1.0);
    }

    #[test]
    fn pictures_of_two_sizes_are_not_compared() {
        assert_eq!(measure(&picture(16, |_| 0), &picture(8, |_| 0)), None);
    }
}
