//! Two pictures, pixel by pixel: how many differ, how much structure they share, and where the differences are.

use chapan_metrics::ssim::{Size, Window, ssim_map8};
use chapan_metrics::{histogram_distance, psnr};

use crate::messages::{Comparison, Reason, Refusal};
use crate::png::Pixels;

/// Measures two pictures; `now` tells the time in milliseconds. The second result is the difference map in RGBA: the greatest difference of the three channels of
/// each pixel, in the colours of `palette`.
pub fn measure(
    first: &Pixels,
    second: &Pixels,
    palette: &[[u8; 3]],
    now: &dyn Fn() -> f64,
) -> Result<(Comparison, Vec<u8>), Refusal> {
    let (width, height) = (first.width, first.height);
    if (width, height) != (second.width, second.height) {
        let sizes = format!("{width}x{height} and {}x{}", second.width, second.height);
        return Err(Refusal::new(Reason::NotComparable, format!("the pictures differ in size: {sizes}")));
    }
    let refuse = |error| Refusal::new(Reason::NotComparable, error);
    let differing = first.rgb.chunks_exact(3).zip(second.rgb.chunks_exact(3)).filter(|(a, b)| a != b).count();
    let wide = |pixels: &Pixels| pixels.rgb.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
    let (a, b) = (wide(first), wide(second));
    let size = Size { width, height, channels: 3 };
    let similarity = |window| ssim_map8(&first.rgb, &second.rgb, size, window).map(|map| map.mean);
    let start = now();
    let ssim = similarity(Window::Uniform7).map_err(refuse)?;
    let between = now();
    let ssim_gaussian = similarity(Window::Gaussian11).ok();
    let end = now();
    let comparison = Comparison {
        width,
        height,
        differing,
        ssim,
        ssim_gaussian,
        psnr: Some(psnr(&a, &b, 255.0).map_err(refuse)?).filter(|ratio| ratio.is_finite()),
        histogram: histogram_distance(&first.rgb, &second.rgb).map_err(refuse)?,
        took_ms: 0.0,
        ssim_ms: between - start,
        gaussian_ms: end - between,
    };
    Ok((comparison, map(&first.rgb, &second.rgb, palette)))
}

/// Differences as colours. Small ones are what the eye misses, so the scale is that of square roots.
fn map(first: &[u8], second: &[u8], palette: &[[u8; 3]]) -> Vec<u8> {
    let colours: Vec<[u8; 4]> =
        (0..=255u8).map(|apart| colour(palette, (f32::from(apart) / 255.0).sqrt())).collect();
    let pairs = first.chunks_exact(3).zip(second.chunks_exact(3));
    let apart = pairs.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0));
    apart.flat_map(|apart| colours[usize::from(apart)]).collect()
}

/// The colour at a place from 0 to 1 along a palette.
fn colour(palette: &[[u8; 3]], at: f32) -> [u8; 4] {
    let Some(last) = palette.len().checked_sub(1) else { return [0, 0, 0, 255] };
    let place = at * last as f32;
    let low = (place as usize).min(last);
    let (from, to) = (palette[low], palette[(low + 1).min(last)]);
    let part = place - low as f32;
    let mix = |i: usize| (f32::from(from[i]) + (f32::from(to[i]) - f32::from(from[i])) * part).round() as u8;
    [mix(0), mix(1), mix(2), 255]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: [[u8; 3]; 2] = [[0; 3], [255; 3]];

    fn picture(side: usize, shade: impl Fn(usize) -> u8) -> Pixels {
        Pixels { width: side, height: side, rgb: (0..side * side * 3).map(shade).collect() }
    }

    #[test]
    fn a_picture_is_identical_to_itself_and_one_pixel_is_enough_to_differ() {
        let first = picture(16, |i| (i * 7) as u8);
        let (same, map) = measure(&first, &first, &GREY, &|| 0.0).unwrap();
        assert!(same.is_identical() && same.ssim == 1.0 && same.psnr.is_none() && same.histogram < 1e-7);
        assert!(map.chunks_exact(4).all(|pixel| pixel == [0, 0, 0, 255]));
        let mut second = first.clone();
        second.rgb[3] ^= 255;
        let (other, map) = measure(&first, &second, &GREY, &|| 0.0).unwrap();
        assert_eq!((other.pixels(), other.differing), (256, 1));
        assert!(
            other.ssim < 1.0
                && other.ssim_gaussian.is_some()
                && other.psnr.is_some()
                && other.histogram > 0.0
        );
        let apart = first.rgb[3].abs_diff(second.rgb[3]);
        let shade = ((f32::from(apart) / 255.0).sqrt() * 255.0).round() as u8;
        assert_eq!(map[4..8], [shade, shade, shade, 255]);
    }

    #[test]
    fn pictures_of_two_sizes_are_not_compared_nor_are_dots() {
        let refused = |a, b| measure(&a, &b, &GREY, &|| 0.0).unwrap_err().reason;
        assert_eq!(refused(picture(16, |_| 0), picture(8, |_| 0)), Reason::NotComparable);
        assert_eq!(refused(picture(4, |_| 0), picture(4, |_| 0)), Reason::NotComparable);
        // Large enough for one window but not for the other.
        let (small, _) = measure(&picture(8, |_| 0), &picture(8, |_| 1), &GREY, &|| 0.0).unwrap();
        assert_eq!(small.ssim_gaussian, None);
    }

    #[test]
    fn a_palette_is_walked_from_end_to_end() {
        let palette = [[0, 0, 0], [100, 0, 0], [100, 200, 0]];
        assert_eq!(colour(&palette, 0.0), [0, 0, 0, 255]);
        assert_eq!(colour(&palette, 0.25), [50, 0, 0, 255]);
        assert_eq!(colour(&palette, 1.0), [100, 200, 0, 255]);
        assert_eq!(colour(&[], 0.5), [0, 0, 0, 255]);
    }
}
