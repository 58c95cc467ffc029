//! "Only the masked area": cutting it out of a picture with its mask, and putting what was drawn back.
//!
//! Follows `get_crop_region`, the resize modes `fill` and `crop`, and `apply_overlay` of diffusers' `VaeImageProcessor`, with
//! Pillow's arithmetic of 8 bits, so that every pixel where the mask is black comes back as it was.

use crate::pipelines::canvas::{resized, resized_mask};
use crate::pipelines::{Mask, Picture};
use crate::{Error, Result};

/// A rectangle of a picture: `x` from `left` to before `right`, `y` from `top` to before `bottom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Region {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Region {
    fn width(self) -> usize {
        self.right - self.left
    }

    fn height(self) -> usize {
        self.bottom - self.top
    }

    /// The rows of this rectangle of a picture of `channels` channels, `width` pixels wide.
    fn cut(self, pixels: &[u8], width: usize, channels: usize) -> Vec<u8> {
        let row = |y: usize| (y * width + self.left) * channels..(y * width + self.right) * channels;
        (self.top..self.bottom).flat_map(|y| pixels[row(y)].iter().copied()).collect()
    }
}

/// The masked area of a picture.
#[derive(Debug)]
pub(super) struct Crop {
    image: Picture,
    mask: Mask,
    region: Region,
    /// The size at which it is drawn.
    size: (usize, usize),
}

impl Crop {
    /// The rectangle of everything that is not black in `mask`, `padding` pixels larger on every side, stretched to the
    /// proportions of `size` as far as the picture allows.
    pub(super) fn around(image: &Picture, mask: Mask, size: (usize, usize), padding: usize) -> Result<Self> {
        let Some(touched) = bounds(&mask) else {
            return Err(Error::Parameter {
                parameter: "mask_image",
                fault: "is black everywhere, so there is no area to draw".to_owned(),
                hint: "paint the part to change white".to_owned(),
            });
        };
        let padded = Region {
            left: touched.left.saturating_sub(padding),
            top: touched.top.saturating_sub(padding),
            right: touched.right.saturating_add(padding).min(mask.width),
            bottom: touched.bottom.saturating_add(padding).min(mask.height),
        };
        let region = proportioned(padded, size, (mask.width, mask.height));
        Ok(Self { image: image.clone(), mask, region, size })
    }

    /// Area and mask at the size at which they are drawn.
    pub(super) fn cut_out(&self) -> Result<(Picture, Mask)> {
        let region = self.region;
        let (width, height) = (region.width(), region.height());
        let image = Picture { width, height, rgb: region.cut(&self.image.rgb, self.image.width, 3) };
        let mask = Mask { width, height, levels: region.cut(&self.mask.levels, self.mask.width, 1) };
        let fitted = fitted((width, height), self.size, Fit::Inside)?;
        let image = resized(&image, fitted.0, fitted.1)?;
        let mask = resized_mask(&mask, fitted.0, fitted.1)?;
        let (width, height) = self.size;
        let rgb = filled(&image.rgb, fitted, 3, self.size);
        let levels = filled(&mask.levels, fitted, 1, self.size);
        Ok((Picture { width, height, rgb }, Mask { width, height, levels }))
    }

    /// The whole picture with `drawn` in the place of the area: the old picture lies over it, as opaque as the mask is black.
    pub(super) fn put_back(&self, drawn: &Picture) -> Result<Picture> {
        let region = self.region;
        let target = (region.width(), region.height());
        let fitted = fitted((drawn.width, drawn.height), target, Fit::Around)?;
        let drawn = resized(drawn, fitted.0, fitted.1)?;
        let area = centred(&drawn.rgb, fitted, 3, target);
        let mut image = self.image.clone();
        let pixels = image.rgb.as_chunks_mut::<3>().0.iter_mut().zip(&self.mask.levels);
        for (index, (pixel, level)) in pixels.enumerate() {
            let (x, y) = (index % image.width, index / image.width);
            let inside = (region.left..region.right).contains(&x) && (region.top..region.bottom).contains(&y);
            let below = if inside {
                let at = ((y - region.top) * target.0 + x - region.left) * 3;
                [area[at], area[at + 1], area[at + 2]]
            } else {
                [0; 3]
            };
            *pixel = laid_over(*pixel, 255 - *level, below);
        }
        Ok(image)
    }
}

/// The smallest rectangle with everything that is not black.
fn bounds(mask: &Mask) -> Option<Region> {
    let touched =
        |(index, level): (usize, &u8)| (*level > 0).then_some((index % mask.width, index / mask.width));
    mask.levels.iter().enumerate().filter_map(touched).fold(None, |region: Option<Region>, (x, y)| {
        let old = region.unwrap_or(Region { left: x, top: y, right: x, bottom: y });
        Some(Region {
            left: old.left.min(x),
            top: old.top.min(y),
            right: old.right.max(x + 1),
            bottom: old.bottom.max(y + 1),
        })
    })
}

/// Widens or heightens a rectangle to the proportions of `size`, moved and cut so that it stays within `whole`.
fn proportioned(region: Region, size: (usize, usize), whole: (usize, usize)) -> Region {
    let ratio = size.0 as f64 / size.1 as f64;
    if region.width() as f64 / region.height() as f64 > ratio {
        let missing = (region.width() as f64 / ratio - region.height() as f64) as usize;
        let (top, bottom) = stretched(region.top, region.bottom, missing, whole.1);
        Region { top, bottom, ..region }
    } else {
        let missing = (region.height() as f64 * ratio - region.width() as f64) as usize;
        let (left, right) = stretched(region.left, region.right, missing, whole.0);
        Region { left, right, ..region }
    }
}

/// Makes the span `start..end` longer by `missing`, half on each side, pushed back inside `0..limit` and cut to it.
fn stretched(start: usize, end: usize, missing: usize, limit: usize) -> (usize, usize) {
    let (mut start, mut end, limit) = (start as isize, end as isize, limit as isize);
    let missing = missing as isize;
    start -= missing / 2;
    end += missing - missing / 2;
    if end >= limit {
        start -= end - limit;
        end = limit;
    }
    if start < 0 {
        end -= start;
        start = 0;
    }
    (start as usize, end.min(limit) as usize)
}

/// How a size is fitted to another with its proportions kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// As large as goes inside.
    Inside,
    /// As small as covers it.
    Around,
}

/// `size` with its proportions kept, fitted to `target`.
fn fitted(size: (usize, usize), target: (usize, usize), fit: Fit) -> Result<(usize, usize)> {
    let (ratio, own) = (target.0 as f64 / target.1 as f64, size.0 as f64 / size.1 as f64);
    let by_width = if fit == Fit::Inside { ratio < own } else { ratio > own };
    let by_height = if fit == Fit::Inside { ratio >= own } else { ratio <= own };
    let width = if by_width { target.0 } else { size.0 * target.1 / size.1 };
    let height = if by_height { target.1 } else { size.1 * target.0 / size.0 };
    if width == 0 || height == 0 {
        return Err(Error::Parameter {
            parameter: "padding_mask_crop",
            fault: format!("leads to an area of {}x{}, too narrow to draw", size.0, size.1),
            hint: "choose more padding, or a wider picture".to_owned(),
        });
    }
    Ok((width, height))
}

/// Rows of `size` in the middle of black rows of `target`; what does not fit is cut off.
fn centred(pixels: &[u8], size: (usize, usize), channels: usize, target: (usize, usize)) -> Vec<u8> {
    let mut out = vec![0; target.0 * target.1 * channels];
    let left = (target.0 / 2) as isize - (size.0 / 2) as isize;
    let top = (target.1 / 2) as isize - (size.1 / 2) as isize;
    for y in 0..target.1 {
        let from_y = y as isize - top;
        if !(0..size.1 as isize).contains(&from_y) {
            continue;
        }
        for x in 0..target.0 {
            let from_x = x as isize - left;
            if (0..size.0 as isize).contains(&from_x) {
                let from = (from_y as usize * size.0 + from_x as usize) * channels;
                let to = (y * target.0 + x) * channels;
                out[to..to + channels].copy_from_slice(&pixels[from..from + channels]);
            }
        }
    }
    out
}

/// Rows of `size`, which fill one side of `target` (of even sides), in its middle; the rest continues their outermost rows or columns.
///
/// Diffusers stretches an empty box at the edge with Pillow's bicubic filter, of which two taps remain: 9/8 of the outermost
/// and -1/8 of the next.
fn filled(pixels: &[u8], size: (usize, usize), channels: usize, target: (usize, usize)) -> Vec<u8> {
    let mut out = centred(pixels, size, channels, target);
    let at = |x: usize, y: usize, channel: usize| pixels[(y * size.0 + x) * channels + channel];
    let edge = |outer: u8, next: u8| ((9 * i32::from(outer) - i32::from(next) + 4) >> 3).clamp(0, 255) as u8;
    let (gap_x, gap_y) = (target.0 / 2 - size.0 / 2, target.1 / 2 - size.1 / 2);
    for y in 0..target.1 {
        for x in 0..target.0 {
            // Which pixel of the edge this one continues, and the one inside of it.
            let (outer, next) = if y < gap_y {
                ((x, 0), (x, 1))
            } else if y >= gap_y + size.1 {
                ((x, size.1 - 1), (x, size.1.saturating_sub(2)))
            } else if x < gap_x {
                ((0, y), (1, y))
            } else if x >= gap_x + size.0 {
                ((size.0 - 1, y), (size.0.saturating_sub(2), y))
            } else {
                continue;
            };
            let next = (next.0.min(size.0 - 1), next.1.min(size.1 - 1));
            for channel in 0..channels {
                out[(y * target.0 + x) * channels + channel] =
                    edge(at(outer.0, outer.1, channel), at(next.0, next.1, channel));
            }
        }
    }
    out
}

/// `over` with opacity `alpha` over an opaque pixel: by way of premultiplied values, as Pillow's `paste` with a mask,
/// `convert` and `alpha_composite` compute it.
fn laid_over(over: [u8; 3], alpha: u8, below: [u8; 3]) -> [u8; 3] {
    let divided = |value: u32| ((value >> 8) + value) >> 8;
    let alpha = u32::from(alpha);
    if alpha == 0 {
        return below;
    }
    // Alpha composition with seven more bits.
    let keep = alpha * 255 * 255 * 128 / (alpha * 255 + 255 * (255 - alpha));
    let rest = 255 * 128 - keep;
    std::array::from_fn(|channel| {
        let premultiplied = divided(u32::from(over[channel]) * alpha + 128);
        let straight = (255 * premultiplied / alpha).min(255);
        let sum = straight * keep + u32::from(below[channel]) * rest;
        (divided(sum + (0x80 << 7)) >> 7) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(width: usize, height: usize, white: &[(usize, usize)]) -> Mask {
        let mut levels = vec![0; width * height];
        for (x, y) in white {
            levels[y * width + x] = 255;
        }
        Mask { width, height, levels }
    }

    fn picture(width: usize, height: usize) -> Picture {
        Picture { width, height, rgb: (0..width * height * 3).map(|i| (i * 11 % 256) as u8).collect() }
    }

    /// `get_crop_region(mask, *size, pad=padding)`.
    fn region(mask: Mask, size: (usize, usize), padding: usize) -> [usize; 4] {
        let image = picture(mask.width, mask.height);
        let Region { left, top, right, bottom } = Crop::around(&image, mask, size, padding).unwrap().region;
        [left, top, right, bottom]
    }

    #[test]
    fn the_area_has_the_proportions_of_the_call_and_stays_inside() {
        assert_eq!(region(mask(100, 80, &[(40, 30), (49, 39)]), (64, 64), 0), [40, 30, 50, 40]);
        assert_eq!(region(mask(100, 80, &[(40, 30), (49, 39)]), (64, 64), 8), [32, 22, 58, 48]);
        assert_eq!(region(mask(100, 80, &[(40, 30), (59, 39)]), (64, 64), 0), [40, 25, 60, 45]);
        assert_eq!(region(mask(100, 80, &[(0, 0), (19, 3)]), (64, 64), 0), [0, 0, 20, 20]);
        assert_eq!(region(mask(100, 80, &[(80, 76), (99, 79)]), (64, 64), 0), [80, 60, 100, 80]);
        assert_eq!(region(mask(100, 20, &[(0, 0), (99, 19)]), (64, 64), 5), [0, 0, 100, 20]);
    }

    #[test]
    fn pixels_where_the_mask_is_black_come_back_as_they_were() {
        let image = picture(33, 21);
        let mask = mask(33, 21, &[(5, 6), (6, 6), (5, 7), (20, 9)]);
        let crop = Crop::around(&image, mask.clone(), (64, 48), 3).unwrap();
        let drawn = Picture { width: 64, height: 48, rgb: vec![77; 64 * 48 * 3] };
        let back = crop.put_back(&drawn).unwrap();
        for (index, level) in mask.levels.iter().enumerate() {
            let at = index * 3..index * 3 + 3;
            let expected = if *level == 0 { &image.rgb[at.clone()] } else { &[77; 3][..] };
            assert_eq!(&back.rgb[at], expected, "pixel {index}");
        }
    }

    #[test]
    fn every_level_over_itself_stays() {
        for level in 0..=255u8 {
            for alpha in [0, 255] {
                assert_eq!(laid_over([level; 3], alpha, [level; 3]), [level; 3]);
            }
            // Dark colours lose a little under a thin veil: 8 bits of premultiplied values hold no more.
            let veiled = laid_over([level; 3], 128, [level; 3]);
            assert!(veiled[0].abs_diff(level) <= 1, "{level}: {veiled:?}");
        }
    }

    #[test]
    fn edges_continue_what_lies_at_them() {
        // Image.fromarray(np.uint8([[10, 50, 90]])).resize((3, 2), box=(0, 0, 3, 0)) and so on.
        let filled = filled(&[10, 50, 90, 20, 60, 100], (3, 2), 1, (3, 6));
        assert_eq!(filled, [9, 49, 89, 9, 49, 89, 10, 50, 90, 20, 60, 100, 21, 61, 101, 21, 61, 101]);
    }

    #[test]
    fn masks_and_pictures_without_an_area_are_refused() {
        let refusal = Crop::around(&picture(8, 8), mask(8, 8, &[]), (64, 64), 4).unwrap_err().to_string();
        assert!(refusal.contains("black everywhere") && refusal.contains("hint: "), "{refusal}");
        let thin = Crop::around(&picture(1, 900), mask(1, 900, &[(0, 0), (0, 899)]), (64, 64), 0).unwrap();
        let refusal = thin.cut_out().unwrap_err().to_string();
        assert!(refusal.contains("1x900") && refusal.contains("hint: "), "{refusal}");
    }
}
