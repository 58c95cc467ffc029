//! What a picture's file says about its making: our own record, and the texts of A1111, ComfyUI, InvokeAI and SwarmUI.
//!
//! Foreign texts are read, never trusted: sizes are bounded, numbers are checked by the rules of requests, and what
//! cannot be taken over is listed with the reason. What a text does not say is left out, never guessed. Pure functions:
//! server and browser can both call [`read`].

mod comfyui;
mod infotext;
mod invokeai;
mod restore;
mod samplers;
mod swarmui;

use serde::{Deserialize, Serialize};

use crate::generation::{CreateGeneration, Hires};
use crate::image::ImageRecord;
use crate::upscale::UpscaleRecord;

/// Longest text that is read, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// Most things that are listed as lost.
const MAX_LOST: usize = 60;

/// The keyword of our own record in PNG texts.
pub const RECORD_KEYWORD: &str = "chapan";

/// The keyword of the record of how a picture was made larger, in PNG texts.
pub const UPSCALE_KEYWORD: &str = "chapan.upscale";

/// The program that wrote a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MetadataSource {
    /// This studio.
    Chapan,
    /// Stable Diffusion web UI, Forge and others that write its line of parameters.
    A1111,
    /// ComfyUI.
    ComfyUi,
    /// InvokeAI.
    InvokeAi,
    /// SwarmUI.
    SwarmUi,
}

/// What a picture's file says about its making.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Imported {
    /// Who wrote it.
    pub source: MetadataSource,
    /// What can be taken over.
    pub parameters: ImportedParameters,
    /// What cannot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
}

/// What can be taken over from a picture's file. What it does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ImportedParameters {
    /// The prompt, without tags of LoRAs.
    pub prompt: String,
    /// The negative prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// The model's name, as that program calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model's hash, or its first digits, as that program computes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_hash: Option<String>,
    /// The seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Denoising steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_inference_steps: Option<u32>,
    /// Classifier-free guidance scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance_scale: Option<f64>,
    /// Width in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Scheduler id of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<String>,
    /// Strength of image to image; the picture that it started from is not in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// Seed of a second noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variation_seed: Option<u64>,
    /// How far the noise is turned towards it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variation_strength: Option<f64>,
    /// LoRAs, by the names that program knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loras: Vec<ImportedLora>,
    /// Whether the prompt is written with weights.
    pub prompt_weighting: bool,
    /// The second pass at a larger size; which upscaler is left to whoever knows which are installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hires: Option<Hires>,
}

/// A LoRA that a picture's file names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportedLora {
    /// Its name.
    pub name: String,
    /// Its weight.
    pub weight: f64,
    /// Its weight in the text encoders, when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_encoder_weight: Option<f64>,
    /// Its hash, or the first digits, as that program computes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// Something that a picture's file says and that cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lost {
    /// Its name, as that program calls it.
    pub what: String,
    /// Its value, shortened.
    pub value: String,
    /// Why it is lost.
    pub why: LostReason,
}

/// Why something in a picture's file cannot be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LostReason {
    /// The studio does not do this.
    NotSupported,
    /// The value lies outside the studio's range.
    OutOfRange,
    /// The studio knows no such name.
    UnknownName,
    /// The file names it and does not hold it.
    NotInFile,
    /// It cannot be read.
    Malformed,
}

/// Reads the texts of a picture's file, given as keyword and text. `None`: none of them is known.
pub fn read(texts: &[(String, String)]) -> Option<Imported> {
    let small = |text: &&(String, String)| text.1.len() <= MAX_TEXT_BYTES;
    let find = |keyword: &str| {
        let found = texts.iter().filter(small).find(|(word, _)| word == keyword);
        found.map(|(_, text)| text.as_str())
    };
    if let Some(record) = find(RECORD_KEYWORD).and_then(own_record) {
        return Some(Imported::from_record(&record));
    }
    if let Some(imported) = find("invokeai_metadata").and_then(invokeai::read) {
        return Some(imported);
    }
    if let Some(text) = find("parameters") {
        let imported = swarmui::read(text).or_else(|| infotext::read(text));
        if imported.is_some() {
            return imported;
        }
    }
    find("prompt").and_then(comfyui::read)
}

/// Our own record, from the text under [`RECORD_KEYWORD`]. `None`: it is not one.
pub fn own_record(text: &str) -> Option<ImageRecord> {
    if text.len() > MAX_TEXT_BYTES { None } else { serde_json::from_str(text).ok() }
}

/// The record of how a picture was made larger, from the text under [`UPSCALE_KEYWORD`]. `None`: it is not one.
pub fn own_upscale_record(text: &str) -> Option<UpscaleRecord> {
    if text.len() > MAX_TEXT_BYTES { None } else { serde_json::from_str(text).ok() }
}

impl ImportedParameters {
    /// A request with these parameters; `base` gives what they do not say. Model and LoRAs are left to whoever knows
    /// which are installed, and there is no picture to start from.
    pub fn request(&self, base: CreateGeneration) -> CreateGeneration {
        CreateGeneration {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            seed: self.seed,
            num_inference_steps: self.num_inference_steps.unwrap_or(base.num_inference_steps),
            guidance_scale: self.guidance_scale.unwrap_or(base.guidance_scale),
            width: self.width.unwrap_or(base.width),
            height: self.height.unwrap_or(base.height),
            scheduler: self.scheduler.clone().or(base.scheduler),
            variation_seed: self.variation_seed,
            variation_strength: self.variation_strength,
            prompt_weighting: self.prompt_weighting,
            hires: self.hires.clone(),
            ..base
        }
    }
}

#[cfg(test)]
mod tests;
