//! The noun `generation`: a prompt and its parameters, and what came of them.

mod hires;
pub mod limits;
mod rules;

use serde::{Deserialize, Serialize};

use crate::id::{GenerationId, ImageId, ModelId};
use crate::image::ImageView;
use crate::job::JobView;

pub use hires::Hires;

/// Scheduler ids in the order in which a picker shows them; `_k` means Karras sigmas.
pub const SCHEDULERS: &[&str] = &[
    "euler",
    "euler_k",
    "euler_a",
    "heun",
    "heun_k",
    "dpmpp_2m",
    "dpmpp_2m_k",
    "unipc",
    "unipc_k",
    "ddim",
    "lcm",
];

/// What stands under the mask before the denoising begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MaskedContent {
    /// The picture as it is there.
    #[default]
    Original,
    /// Noise only: nothing of what was there is kept.
    Noise,
}

/// A LoRA and how strongly it acts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UseLora {
    /// Which, as `GET /api/loras` names it.
    pub model: ModelId,
    /// Strength in the denoiser, and in the text encoders unless they have their own; 1 is as it was trained.
    #[serde(default = "full_weight")]
    pub weight: f64,
    /// Strength in the text encoders, when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_encoder_weight: Option<f64>,
}

fn full_weight() -> f64 {
    1.0
}

/// A request for pictures: `POST /api/generations`.
///
/// With `image` it is image to image, with `mask_image` too it is inpainting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateGeneration {
    /// What to draw. At most [`limits::PROMPT_CHARS`] characters; the encoders read 77 tokens. `<lora:name:0.8>` puts the
    /// LoRA of this name after those of `loras`, and is no part of what is drawn.
    pub prompt: String,
    /// What to keep out. Absent is not the same as empty: absent lets the checkpoint use its own neutral condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// The model; absent means the server's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// The seed, `0..2^53`; absent means that the server chooses one and reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Denoising steps.
    #[serde(default = "default_steps")]
    pub num_inference_steps: u32,
    /// Classifier-free guidance: how strongly the prompt pulls.
    #[serde(default = "default_guidance")]
    pub guidance_scale: f64,
    /// Width in pixels.
    #[serde(default = "default_side")]
    pub width: u32,
    /// Height in pixels.
    #[serde(default = "default_side")]
    pub height: u32,
    /// One of [`SCHEDULERS`]; absent means the checkpoint's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<String>,
    /// A picture of one's own to start from, scaled to `width` and `height`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageId>,
    /// How far to go from `image`, 0 to 1: at 1 nothing of it is left. Absent means [`limits::DEFAULT_STRENGTH`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// Where to repaint `image`: white is repainted, black is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_image: Option<ImageId>,
    /// Radius of the mask's soft edge in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_blur: Option<f64>,
    /// Works on the masked area only, with so many pixels around it, at the full size of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding_mask_crop: Option<u32>,
    /// What stands under the mask at the beginning; absent means what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_content: Option<MaskedContent>,
    /// LoRAs to apply, in any order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loras: Vec<UseLora>,
    /// How many pictures to make. Each has a seed of its own: the next after the one before.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub num_images_per_prompt: u32,
    /// Seed of a second noise, towards which the first is turned; absent means that the server chooses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation_seed: Option<u64>,
    /// How far the noise is turned, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation_strength: Option<f64>,
    /// Reads `(word:1.2)`, `[word]` and `BREAK` in the prompts as weights. CLIP encoders only.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prompt_weighting: bool,
    /// Draws the picture, enlarges it, and draws over it at the larger size. Not together with `mask_image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hires: Option<Hires>,
    /// Keeps what every step looked like for `GET /api/jobs/{id}/steps`, in memory and for a while. For one picture without
    /// `hires`, and no grid; steps times pixels are at most [`limits::KEPT_STEP_PIXELS`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub keep_steps: bool,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_one(count: &u32) -> bool {
    *count == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn default_steps() -> u32 {
    20
}

fn default_guidance() -> f64 {
    5.0
}

fn default_side() -> u32 {
    128
}

impl Default for CreateGeneration {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: None,
            model: None,
            seed: None,
            num_inference_steps: default_steps(),
            guidance_scale: default_guidance(),
            width: default_side(),
            height: default_side(),
            scheduler: None,
            image: None,
            strength: None,
            mask_image: None,
            mask_blur: None,
            padding_mask_crop: None,
            masked_content: None,
            loras: Vec::new(),
            num_images_per_prompt: 1,
            variation_seed: None,
            variation_strength: None,
            prompt_weighting: false,
            hires: None,
            keep_steps: false,
        }
    }
}

impl CreateGeneration {
    /// Width and height of the pictures that come out, in pixels.
    pub fn result_size(&self) -> (u32, u32) {
        self.hires.as_ref().map_or((self.width, self.height), |hires| hires.size(self.width, self.height))
    }

    /// Denoising steps of one picture, as planned: those of the first pass and those that the second does.
    pub fn planned_steps(&self) -> u32 {
        let first = self.num_inference_steps;
        first + self.hires.as_ref().map_or(0, |hires| hires.steps_done(first))
    }
}

/// A generation with its job and, when it succeeded, its pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GenerationView {
    /// The generation.
    pub id: GenerationId,
    /// What was asked, with the seed and model that were chosen.
    pub parameters: CreateGeneration,
    /// Its job.
    pub job: JobView,
    /// Its picture, once there is one; the first when there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageView>,
    /// All its pictures, in the order of their seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageView>,
    /// When it was asked for, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
}
