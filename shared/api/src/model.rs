//! The noun `model`: what is installed.

use serde::{Deserialize, Serialize};

use crate::id::ModelId;

/// An installed model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelView {
    /// Its id: the name of its folder.
    pub id: ModelId,
    /// Architecture: `sdxl`.
    pub family: String,
    /// Size of the weight files.
    pub size_bytes: u64,
    /// SHA-256 over the weight files, once it has been computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Number format of the weight files: `f16`, `bf16`, `f32`, `mixed`.
    pub precision: String,
    /// Licence, when the model says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Width and height that the model was made for, in pixels.
    pub default_side: u32,
    /// Scheduler that the checkpoint asks for.
    pub default_scheduler: String,
    /// Memory that a picture of the default size needs.
    pub memory_bytes: u64,
    /// Whether it was made for inpainting: it always needs a picture and a mask.
    #[serde(default)]
    pub inpainting: bool,
    /// Whether it is in memory now, so that a picture starts at once.
    pub loaded: bool,
}

/// A file of a model that is small enough for a browser to draw with by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelFile {
    /// Its path in the model's folder, such as `unet/config.json`.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its bytes. Asked for by this hash, the file may be kept for ever.
    pub sha256: String,
}

/// An installed LoRA: a file that changes what a model draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoraView {
    /// Its id: the name of its file without the ending.
    pub id: ModelId,
    /// Its own title, when its file says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Architecture of the model that it was made for, when that is known: `sdxl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The very model that it was made for, as its file calls it: `sdxl_base_v1-0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Why it cannot be used, when its file is damaged or hostile. English; there is nothing else to say about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Words in a prompt that call it, from the file's own metadata.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trigger_words: Vec<String>,
    /// Licence, when the file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Size of the file.
    pub size_bytes: u64,
    /// SHA-256 of the file, once it has been computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether it is one of one's own, trained here: only its owner sees it, and may remove it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
}

/// An installed upscaler: `GET /api/upscalers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpscalerView {
    /// Its id: the name of its folder, or of its file without the ending.
    pub id: ModelId,
    /// Size of the weight files.
    pub size_bytes: u64,
    /// SHA-256 of the weights, once it has been computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}
