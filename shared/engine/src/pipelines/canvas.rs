//! Input pictures and masks on their way to the networks and back: what diffusers' `VaeImageProcessor` does.
//!
//! Resizing and blurring are Pillow's, byte for byte; see `chapan_metrics`.

use chapan_metrics::{Filter, MetricError, gaussian_blur, resize};

use crate::pipelines::crop::Crop;
use crate::pipelines::{Inpainting, MAX_MASK_BLUR, Mask, Picture, Start};
use crate::{Error, Result};

/// The pictures of a call as the networks see them, at the call's size.
#[derive(Debug)]
pub(super) enum Canvas {
    /// There is none.
    Blank,
    /// Planes of a picture in -1..1.
    Picture(Vec<f32>),
    /// A picture with a mask.
    Masked(MaskedCanvas),
}

/// A picture with a mask, at the call's size.
#[derive(Debug)]
pub(super) struct MaskedCanvas {
    /// Planes of the picture in -1..1.
    pub(super) planes: Vec<f32>,
    /// Whether each pixel is repainted.
    mask: Vec<bool>,
    width: usize,
    /// How the drawn area goes back into the picture, if only that is drawn.
    crop: Option<Crop>,
}

impl Canvas {
    /// Brings the input pictures to `width` x `height`.
    pub(super) fn prepare(start: &Start, width: usize, height: usize) -> Result<Self> {
        Ok(match start {
            Start::Noise => Self::Blank,
            Start::Picture(start) => Self::Picture(planes(&resized(&start.image, width, height)?)),
            Start::Masked(start) => Self::Masked(MaskedCanvas::prepare(start, width, height)?),
        })
    }

    /// The picture to give back, of the drawn one.
    pub(super) fn finish(self, drawn: Picture) -> Result<Picture> {
        match self {
            Self::Masked(MaskedCanvas { crop: Some(crop), .. }) => crop.put_back(&drawn),
            _ => Ok(drawn),
        }
    }
}

impl MaskedCanvas {
    fn prepare(start: &Inpainting, width: usize, height: usize) -> Result<Self> {
        let (image, mask) = (&start.image, &start.mask_image);
        if (mask.width, mask.height) != (image.width, image.height) {
            return Err(Error::Parameter {
                parameter: "mask_image",
                fault: format!(
                    "is {}x{}, the picture {}x{}",
                    mask.width, mask.height, image.width, image.height
                ),
                hint: "make the mask as large as the picture".to_owned(),
            });
        }
        let expected = image.width * image.height * 3;
        if image.rgb.len() != expected {
            let (width, height, got) = (image.width, image.height, image.rgb.len());
            let error = MetricError::WrongLength { width, height, channels: 3, expected, got };
            return Err(unusable("image", &error));
        }
        if !(0.0..=MAX_MASK_BLUR).contains(&start.mask_blur) {
            return Err(Error::Parameter {
                parameter: "mask_blur",
                fault: format!("is `{}`", start.mask_blur),
                hint: format!("choose a radius from 0 to {MAX_MASK_BLUR} pixels; 4 is usual"),
            });
        }
        let size = (mask.width, mask.height);
        let levels = gaussian_blur(&mask.levels, size, start.mask_blur as f32)
            .map_err(|error| unusable("mask_image", &error))?;
        let mask = Mask { levels, ..*mask };
        let (image, mask, crop) = match start.padding_mask_crop {
            None => (resized(image, width, height)?, resized_mask(&mask, width, height)?, None),
            Some(padding) => {
                let crop = Crop::around(image, mask, (width, height), padding as usize)?;
                let (image, mask) = crop.cut_out()?;
                (image, mask, Some(crop))
            }
        };
        // Half brightness and above is repainted.
        let mask = mask.levels.iter().map(|level| f32::from(*level) / 255.0 >= 0.5).collect();
        Ok(Self { planes: planes(&image), mask, width, crop })
    }

    /// The planes with the area to repaint in middle grey: what a checkpoint made for inpainting is shown.
    pub(super) fn kept_planes(&self) -> Vec<f32> {
        let hide = |(value, masked): (&f32, &bool)| if *masked { 0.0 } else { *value };
        self.planes
            .chunks_exact(self.mask.len())
            .flat_map(|plane| plane.iter().zip(&self.mask).map(hide))
            .collect()
    }

    /// The mask at the size of latents, 1 to repaint and 0 to keep: of each cell its first pixel (nearest, as torch resizes).
    pub(super) fn cells(&self, rows: usize, columns: usize) -> Vec<f32> {
        let side = self.width / columns;
        let cell = |row: usize, column: usize| self.mask[row * side * self.width + column * side];
        (0..rows)
            .flat_map(|row| (0..columns).map(move |column| f32::from(u8::from(cell(row, column)))))
            .collect()
    }
}

/// Planes (red, green, blue) of a picture: levels to 0..1 to -1..1.
fn planes(picture: &Picture) -> Vec<f32> {
    let channel = |channel: usize| picture.rgb.iter().skip(channel).step_by(3);
    (0..3).flat_map(channel).map(|level| 2.0 * (f32::from(*level) / 255.0) - 1.0).collect()
}

/// A picture at another size.
pub(super) fn resized(picture: &Picture, width: usize, height: usize) -> Result<Picture> {
    let size = (picture.width, picture.height);
    let rgb = resize(&picture.rgb, size, 3, (width, height), Filter::Lanczos)
        .map_err(|error| unusable("image", &error))?;
    Ok(Picture { width, height, rgb })
}

/// A mask at another size; it stays soft.
pub(super) fn resized_mask(mask: &Mask, width: usize, height: usize) -> Result<Mask> {
    let levels = resize(&mask.levels, (mask.width, mask.height), 1, (width, height), Filter::Lanczos)
        .map_err(|error| unusable("mask_image", &error))?;
    Ok(Mask { width, height, levels })
}

/// A picture whose bytes are not those of its size, or that has none.
fn unusable(parameter: &'static str, error: &MetricError) -> Error {
    let text = error.to_string();
    let fact = text.split_once('\n').map_or(text.as_str(), |(fact, _)| fact);
    Error::Parameter {
        parameter,
        fault: format!("cannot be used: {fact}"),
        hint: "give a picture of at least one pixel, with as many bytes as its size says".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipelines::{ImageToImage, MaskedContent};

    fn picture(width: usize, height: usize) -> Picture {
        Picture { width, height, rgb: (0..width * height * 3).map(|i| (i * 7 % 256) as u8).collect() }
    }

    fn inpainting(width: usize, height: usize, levels: Vec<u8>) -> Inpainting {
        Inpainting {
            image: picture(width, height),
            mask_image: Mask { width, height, levels },
            strength: 1.0,
            mask_blur: 0.0,
            padding_mask_crop: None,
            masked_content: MaskedContent::Original,
        }
    }

    #[test]
    fn levels_become_planes_around_zero() {
        let image = Picture { width: 2, height: 1, rgb: vec![0, 255, 128, 255, 0, 0] };
        let start = Start::Picture(ImageToImage { image, strength: 0.5 });
        let Canvas::Picture(planes) = Canvas::prepare(&start, 2, 1).unwrap() else { panic!("a picture") };
        assert_eq!(planes, [-1.0, 1.0, 1.0, -1.0, 2.0 * (128.0 / 255.0) - 1.0, -1.0]);
    }

    #[test]
    fn masks_are_cut_at_half_brightness_and_hide_what_is_under_them() {
        let canvas = MaskedCanvas::prepare(&inpainting(4, 1, vec![0, 127, 128, 255]), 4, 1).unwrap();
        assert_eq!(canvas.cells(1, 4), [0.0, 0.0, 1.0, 1.0]);
        let kept = canvas.kept_planes();
        for plane in 0..3 {
            assert_eq!(kept[plane * 4..plane * 4 + 2], canvas.planes[plane * 4..plane * 4 + 2]);
            assert_eq!(kept[plane * 4 + 2..plane * 4 + 4], [0.0, 0.0]);
        }
    }

    #[test]
    fn a_cell_is_its_first_pixel() {
        let mut levels = vec![0; 16 * 16];
        levels[8 * 16] = 255;
        levels[7] = 255;
        let canvas = MaskedCanvas::prepare(&inpainting(16, 16, levels), 16, 16).unwrap();
        assert_eq!(canvas.cells(2, 2), [0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn pictures_that_are_not_what_they_say_are_refused() {
        let mut short = inpainting(8, 8, vec![255; 64]);
        short.image.rgb.pop();
        let cases = [
            (inpainting(8, 8, vec![255; 63]), "`mask_image` cannot be used"),
            (Inpainting { padding_mask_crop: Some(4), ..short.clone() }, "`image` cannot be used"),
            (short, "`image` cannot be used"),
            (inpainting(0, 8, vec![]), "there is nothing"),
            (Inpainting { mask_blur: f64::NAN, ..inpainting(8, 8, vec![0; 64]) }, "`mask_blur` is `NaN`"),
            (
                Inpainting {
                    mask_image: Mask { width: 4, height: 16, levels: vec![0; 64] },
                    ..inpainting(8, 8, vec![])
                },
                "`mask_image` is 4x16, the picture 8x8",
            ),
        ];
        for (start, words) in cases {
            let refusal = Canvas::prepare(&Start::Masked(start), 8, 8).unwrap_err().to_string();
            assert!(refusal.contains(words) && refusal.contains("\nhint: "), "{refusal}");
        }
    }
}
