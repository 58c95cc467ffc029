//! What one call to a pipeline takes and gives.

use candle_core::Tensor;

use crate::pipelines::Picture;
use crate::schedulers::SchedulerName;

/// The parameters of one text-to-image call, named as in diffusers.
///
/// Build it with `TextToImageParams { prompt, seed, ..Default::default() }`: the defaults are those of diffusers' SDXL pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct TextToImageParams {
    /// What to draw; given to both text encoders, cut at the tokenizer's length.
    pub prompt: String,
    /// What to steer away from. `None` and `Some("")` differ: where the checkpoint says `force_zeros_for_empty_prompt`, `None`
    /// is a conditioning of zeros, while an empty string is encoded like any other text.
    pub negative_prompt: Option<String>,
    /// Width of the picture in pixels, a multiple of 8.
    pub width: usize,
    /// Height of the picture in pixels, a multiple of 8.
    pub height: usize,
    /// How many steps the scheduler plans.
    pub num_inference_steps: usize,
    /// Strength of classifier-free guidance; 1 or less runs without it, and without the negative prompt.
    pub guidance_scale: f64,
    /// Share, 0 to 1, of pulling the guided prediction back to the spread of the unguided one; 0 is off.
    pub guidance_rescale: f64,
    /// Seed of the noise, as `torch.Generator("cpu").manual_seed(seed)`.
    pub seed: u64,
    /// The sampling algorithm; `None` takes the checkpoint's own.
    pub scheduler: Option<SchedulerName>,
}

impl Default for TextToImageParams {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: None,
            width: 1024,
            height: 1024,
            num_inference_steps: 50,
            guidance_scale: 5.0,
            guidance_rescale: 0.0,
            seed: 0,
            scheduler: None,
        }
    }
}

/// What a call gives back.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The decoded picture.
    pub image: Picture,
    /// The final latents before decoding, `(1, channels, height / f, width / f)`, f32 on the CPU.
    pub latents: Tensor,
}
