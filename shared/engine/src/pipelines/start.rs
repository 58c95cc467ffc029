//! What the first step of a call starts from.

use crate::pipelines::Picture;
use crate::{Error, Result};

/// The largest [`Inpainting::mask_blur`].
pub const MAX_MASK_BLUR: f64 = 1_000.0;

/// What the first step starts from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Start {
    /// Noise alone: text to image.
    #[default]
    Noise,
    /// A picture under noise: image to image.
    Picture(ImageToImage),
    /// A picture of which a part is repainted: inpainting, and outpainting with [`outpaint`](crate::pipelines::outpaint).
    Masked(Inpainting),
}

/// Image to image, as `StableDiffusionXLImg2ImgPipeline` of diffusers.
///
/// The picture is resized to the call's size (Pillow's Lanczos), encoded, and noised to the level of the first step that is
/// taken: of `num_inference_steps` the last `int(num_inference_steps * strength)`. The seed's generator draws first for the
/// encoder's sample, then the noise.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageToImage {
    /// The picture, of any size. What is see-through has been laid on a colour or cut off before.
    pub image: Picture,
    /// How much is drawn anew, above 0 to 1: 0.3 keeps the composition, 1 keeps nearly nothing. Diffusers' default is 0.3.
    pub strength: f64,
}

/// Inpainting, as `StableDiffusionXLInpaintPipeline` of diffusers.
///
/// With a usual checkpoint the kept part is put back after every step, at the noise level of that step. A checkpoint made for
/// inpainting is shown the mask and the kept part instead, and nothing is put back.
#[derive(Clone, Debug, PartialEq)]
pub struct Inpainting {
    /// The picture, of any size.
    pub image: Picture,
    /// Where to repaint, of the picture's size.
    pub mask_image: Mask,
    /// How much the repainted part may differ, above 0 to 1. At 1 everything starts from pure noise, whatever
    /// `masked_content` says; diffusers' default is 0.9999.
    pub strength: f64,
    /// Radius in pixels of the mask by which it is softened first, 0 for not at all, up to [`MAX_MASK_BLUR`]:
    /// `VaeImageProcessor.blur`. The networks see the mask cut at half brightness; where only the masked area is drawn, its
    /// soft edge blends old and new.
    pub mask_blur: f64,
    /// Draws only the masked area, with this many pixels around it, at the call's full size, and puts it back into the
    /// picture; all pixels where the (blurred) mask is black stay as they are. `None` draws the whole picture.
    pub padding_mask_crop: Option<u32>,
    /// What lies under the mask at the start.
    pub masked_content: MaskedContent,
}

/// What lies under the mask at the start, where `strength` is below 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaskedContent {
    /// The picture itself, under noise: what diffusers does. The lower the strength, the more of it stays.
    #[default]
    Original,
    /// Nothing: latents of zero under the same noise, so that nothing of the old content shows through at any strength.
    Noise,
}

/// Where to repaint: one level a pixel, white (255) is repainted, black (0) is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `width * height` levels in rows from the top.
    pub levels: Vec<u8>,
}

impl Start {
    /// The share of steps that is taken; noise alone takes all.
    fn strength(&self) -> f64 {
        match self {
            Self::Noise => 1.0,
            Self::Picture(start) => start.strength,
            Self::Masked(start) => start.strength,
        }
    }

    /// Index of the first timestep that is used, of `steps` planned steps with `order` network calls each.
    pub(super) fn first_timestep(&self, steps: usize, order: usize) -> Result<usize> {
        let strength = self.strength();
        if !(0.0..=1.0).contains(&strength) {
            return Err(Error::Parameter {
                parameter: "strength",
                fault: format!("is `{strength}`"),
                hint: "choose a number above 0 and up to 1; 0.3 keeps the composition".to_owned(),
            });
        }
        let taken = ((steps as f64 * strength) as usize).min(steps);
        if taken == 0 && steps > 0 {
            return Err(Error::Parameter {
                parameter: "strength",
                fault: format!("is `{strength}`: of {steps} steps none is left"),
                hint: format!("choose {} or more, or more steps", (100.0 / steps as f64).ceil() / 100.0),
            });
        }
        Ok((steps - taken) * order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_picture(strength: f64) -> Start {
        Start::Picture(ImageToImage { image: Picture { width: 1, height: 1, rgb: vec![0; 3] }, strength })
    }

    #[test]
    fn strength_decides_how_many_steps_are_taken() {
        // min(int(steps * strength), steps), as Python computes it: int(10 * 0.7) is 7, int(50 * 0.29) is 14.
        for (steps, strength, taken) in
            [(10, 0.7, 7), (50, 0.29, 14), (20, 1.0, 20), (3, 0.34, 1), (4, 0.9999, 3)]
        {
            assert_eq!(from_picture(strength).first_timestep(steps, 1).unwrap(), steps - taken);
            assert_eq!(from_picture(strength).first_timestep(steps, 2).unwrap(), 2 * (steps - taken));
        }
        assert_eq!(Start::Noise.first_timestep(9, 2).unwrap(), 0);
    }

    #[test]
    fn strengths_without_a_step_are_refused() {
        for (strength, words) in [
            (0.0, "of 20 steps none is left"),
            (0.049, "choose 0.05 or more"),
            (-0.1, "`-0.1`"),
            (1.01, "up to 1"),
            (f64::NAN, "`NaN`"),
        ] {
            let refusal = from_picture(strength).first_timestep(20, 1).unwrap_err().to_string();
            assert!(refusal.contains(words) && refusal.contains("hint: "), "{refusal}");
        }
    }
}
