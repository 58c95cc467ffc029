//! What one call to a pipeline takes and gives.

use candle_core::Tensor;

use crate::pipelines::{Picture, Start, Variation, Windows};
use crate::prompt::PromptSyntax;
use crate::schedulers::SchedulerName;

/// The parameters of one picture, named as in diffusers.
///
/// Build it with `GenerationParams { prompt, seed, ..Default::default() }`: the defaults are those of diffusers' SDXL pipeline,
/// and `start` says whether it is text to image, image to image or inpainting.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationParams {
    /// What to draw; given to both text encoders.
    pub prompt: String,
    /// What to steer away from. `None` and `Some("")` differ: where the checkpoint says `force_zeros_for_empty_prompt`, `None`
    /// is a conditioning of zeros, while an empty string is encoded like any other text.
    pub negative_prompt: Option<String>,
    /// How both prompts are read: brackets as characters and cut at the encoder's length, or weighted and in chunks.
    pub prompt_syntax: PromptSyntax,
    /// Width of the picture in pixels, a multiple of 8. A picture to start from is resized to it.
    pub width: usize,
    /// Height of the picture in pixels, a multiple of 8.
    pub height: usize,
    /// How many steps the scheduler plans. A start from a picture takes only the last of them.
    pub num_inference_steps: usize,
    /// Strength of classifier-free guidance; 1 or less runs without it, and without the negative prompt.
    pub guidance_scale: f64,
    /// Share, 0 to 1, of pulling the guided prediction back to the spread of the unguided one; 0 is off.
    pub guidance_rescale: f64,
    /// Seed of the noise, as `torch.Generator("cpu").manual_seed(seed)`.
    pub seed: u64,
    /// Another seed whose noise is mixed in, for pictures that resemble each other.
    pub variation: Option<Variation>,
    /// The sampling algorithm; `None` takes the checkpoint's own.
    pub scheduler: Option<SchedulerName>,
    /// What the first step starts from: noise alone, a picture, or a picture with a mask.
    pub start: Start,
    /// Overlapping windows in which the network looks at a picture that is larger than it knows; `None` shows it the whole.
    pub windows: Option<Windows>,
    /// For image to image: keeps all of the picture that is coarser than this many cells of latents, whatever the strength, so
    /// that only what is finer is drawn anew. `None` keeps nothing.
    pub keep_coarse: Option<f64>,
}

impl Default for GenerationParams {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: None,
            prompt_syntax: PromptSyntax::Plain,
            width: 1024,
            height: 1024,
            num_inference_steps: 50,
            guidance_scale: 5.0,
            guidance_rescale: 0.0,
            seed: 0,
            variation: None,
            scheduler: None,
            start: Start::Noise,
            windows: None,
            keep_coarse: None,
        }
    }
}

impl GenerationParams {
    /// The call that makes picture `index` (from 0) of several for one prompt (`num_images_per_prompt`).
    ///
    /// Every picture has a generator of its own, as when diffusers is given a list of generators: picture `index` has the seed
    /// `seed + index` (past `2^64 - 1` it goes on at 0), so that each can be made again alone. With a variation the seed stays,
    /// so that all resemble the same picture, and the variation's seed counts up instead.
    #[must_use]
    pub fn for_image(&self, index: usize) -> Self {
        let mut params = self.clone();
        let seed = params.variation.as_mut().map_or(&mut params.seed, |variation| &mut variation.seed);
        *seed = seed.wrapping_add(index as u64);
        params
    }
}

/// What a call gives back.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The decoded picture. Where only the masked area was drawn, it lies in the whole picture, which keeps its size.
    pub image: Picture,
    /// The final latents before decoding, `(1, channels, height / f, width / f)`, f32 on the CPU.
    pub latents: Tensor,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_several_pictures_has_a_seed_of_its_own() {
        let params = GenerationParams { seed: u64::MAX, ..GenerationParams::default() };
        assert_eq!([0, 1, 2].map(|index| params.for_image(index).seed), [u64::MAX, 0, 1]);
        assert_eq!(params.for_image(0), params);
    }

    #[test]
    fn variations_of_one_picture_keep_its_seed() {
        let variation = Some(Variation { seed: 7, strength: 0.2 });
        let params = GenerationParams { seed: 3, variation, ..GenerationParams::default() };
        let third = params.for_image(2);
        assert_eq!((third.seed, third.variation), (3, Some(Variation { seed: 9, strength: 0.2 })));
    }
}
