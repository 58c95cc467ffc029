//! The small picture that travels with a step: a few hundred pixels as a `data:` address.

use base64::Engine;
use chapan_engine::pipelines::{LatentPreview, Picture};

/// Longest side of a preview. Latents of 128x128 pixels are 16x16; larger ones are thinned out to this.
const LONGEST_SIDE: usize = 32;

/// The preview as a PNG of less than 4 kB in a `data:` address. `None` if it cannot be drawn: a step goes on without.
pub fn data_address(preview: &LatentPreview<'_>) -> Option<String> {
    let small = thinned(preview.picture());
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, small.width as u32, small.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&small.rgb).ok()?;
    writer.finish().ok()?;
    Some(format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(&file)))
}

/// Every n-th pixel of every n-th row.
fn thinned(picture: Picture) -> Picture {
    let every = picture.width.max(picture.height).div_ceil(LONGEST_SIDE).max(1);
    if every == 1 {
        return picture;
    }
    let (width, height) = (picture.width.div_ceil(every), picture.height.div_ceil(every));
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in (0..picture.height).step_by(every) {
        for x in (0..picture.width).step_by(every) {
            let at = (y * picture.width + x) * 3;
            rgb.extend_from_slice(&picture.rgb[at..at + 3]);
        }
    }
    Picture { width, height, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_previews_are_thinned_and_small_ones_kept() {
        let picture = |width, height| Picture { width, height, rgb: vec![7; width * height * 3] };
        for (side, kept) in [(16, 16), (32, 32), (33, 17), (128, 32), (130, 26)] {
            let small = thinned(picture(side, side / 2));
            assert_eq!(small.width, kept);
            assert_eq!(small.rgb.len(), small.width * small.height * 3);
        }
    }
}
