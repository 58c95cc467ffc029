//! The noun `image`: a stored picture and the record of how it was made.

use serde::{Deserialize, Serialize};

use crate::id::{GenerationId, ImageId, ModelId};

/// How a picture was made: everything that is needed to make it again. Travels in the PNG under `chapan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageRecord {
    /// The prompt, as typed.
    pub prompt: String,
    /// The negative prompt; absent and empty differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// The model's id.
    pub model: ModelId,
    /// SHA-256 over the model's weight files, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_hash: Option<String>,
    /// The seed of the initial noise.
    pub seed: u64,
    /// Denoising steps.
    pub num_inference_steps: u32,
    /// Classifier-free guidance scale.
    pub guidance_scale: f64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Scheduler id, as in [`crate::generation::SCHEDULERS`].
    pub scheduler: String,
    /// Where it ran: `cpu`, `cuda:0`, `metal`.
    pub device: String,
    /// Number format of the weights: `f32`, `f16`, `bf16`.
    pub dtype: String,
    /// Version of the studio.
    pub version: String,
}

/// A stored picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageView {
    /// The picture.
    pub id: ImageId,
    /// The generation that made it.
    pub generation: GenerationId,
    /// Address of the PNG.
    pub url: String,
    /// How it was made.
    pub record: ImageRecord,
    /// SHA-256 of the PNG, hexadecimal.
    pub sha256: String,
    /// Size of the PNG.
    pub size_bytes: u64,
    /// How long the model worked.
    pub duration_ms: u64,
    /// When it was made, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
    /// When it was put into the trash, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at_ms: Option<i64>,
}
