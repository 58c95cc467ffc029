//! How much two pictures differ.

use super::picture::DecodedPicture;

/// How much two pictures differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Share of pixels that differ, 0 to 1.
    pub changed_pixels: f64,
    /// Greatest difference of a value (a colour, or opacity), 0 to 255.
    pub max_difference: u8,
}

impl Difference {
    /// Compares two pictures pixel by pixel. Pictures of different sizes differ in all.
    pub fn of(first: &DecodedPicture, second: &DecodedPicture) -> Self {
        if (first.width, first.height) != (second.width, second.height) {
            return Self { changed_pixels: 1.0, max_difference: u8::MAX };
        }
        let count = first.width as usize * first.height as usize;
        let mut most = vec![0_u8; count];
        let mut note = |first: &[u8], second: &[u8], channels: usize| {
            let pairs = first.chunks_exact(channels).zip(second.chunks_exact(channels));
            for (most, (a, b)) in most.iter_mut().zip(pairs) {
                *most = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).fold(*most, u8::max);
            }
        };
        note(&first.rgb(), &second.rgb(), 3);
        let (alpha, other) = (first.alpha(), second.alpha());
        if alpha.is_some() || other.is_some() {
            let opaque = || vec![u8::MAX; count];
            note(&alpha.unwrap_or_else(opaque), &other.unwrap_or_else(opaque), 1);
        }
        let changed = most.iter().filter(|&&most| most > 0).count();
        let max_difference = most.into_iter().max().unwrap_or(0);
        Self { changed_pixels: changed as f64 / count.max(1) as f64, max_difference }
    }

    /// Whether every pixel is the same.
    pub fn is_none(&self) -> bool {
        self.max_difference == 0 && self.changed_pixels == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::picture::decode_picture;
    use crate::files::png::{Pixels, encode_with_records};

    fn picture(rgb: &[u8], alpha: Option<&[u8]>) -> DecodedPicture {
        let pixels = Pixels { width: (rgb.len() / 3) as u32, height: 1, rgb, alpha };
        decode_picture(&encode_with_records(pixels, None, None).unwrap()).unwrap()
    }

    #[test]
    fn colours_opacity_and_size_count() {
        let one = picture(&[1, 2, 3, 4, 5, 6], None);
        let of = |other: &DecodedPicture| {
            let found = Difference::of(&one, other);
            (found.changed_pixels, found.max_difference)
        };
        assert!(Difference::of(&one, &one).is_none());
        assert_eq!(of(&picture(&[1, 2, 3, 4, 9, 6], None)), (0.5, 4));
        assert_eq!(of(&picture(&[1, 2, 3, 4, 5, 6], Some(&[255, 250]))), (0.5, 5));
        assert_eq!(of(&picture(&[1, 2, 3], None)), (1.0, 255));
    }
}
