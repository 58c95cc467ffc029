//! The record of how a picture was made, and its way back to a request.

use serde::{Deserialize, Serialize};

use crate::generation::{CreateGeneration, Hires, MaskedContent, UseLora};
use crate::id::{ImageId, ModelId};

/// A picture that went into another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceRecord {
    /// The picture, on the server that made this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ImageId>,
    /// SHA-256 of its file, hexadecimal.
    pub sha256: String,
}

/// A LoRA that was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoraRecord {
    /// Its id.
    pub model: ModelId,
    /// SHA-256 of its file, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Strength in the denoiser.
    pub weight: f64,
    /// Strength in the text encoders, when it differed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_encoder_weight: Option<f64>,
    /// Tensors of its file that fitted nothing in the model, and did nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unmatched: u32,
}

/// How far a picture was grown to each side, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "the sides are what they are called")]
pub struct OutpaintRecord {
    pub left: u32,
    pub right: u32,
    pub top: u32,
    pub bottom: u32,
}

/// A second pass that was done at a larger size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HiresRecord {
    /// What was asked for, with the upscaler that was chosen.
    #[serde(flatten)]
    pub request: Hires,
    /// SHA-256 of the upscaler's weights, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upscaler_hash: Option<String>,
}

/// What went into a picture besides prompt, model and noise. All of it may be absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ingredients {
    /// The picture it started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<SourceRecord>,
    /// How far it went from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// Where it was repainted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_image: Option<SourceRecord>,
    /// How far the picture was grown beyond its frame before the new part was repainted, instead of a mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outpaint: Option<OutpaintRecord>,
    /// Radius of the mask's soft edge in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_blur: Option<f64>,
    /// Pixels around the masked area, when only that was worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding_mask_crop: Option<u32>,
    /// What stood under the mask at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_content: Option<MaskedContent>,
    /// LoRAs that were applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loras: Vec<LoraRecord>,
    /// Seed of the noise towards which the first was turned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation_seed: Option<u64>,
    /// How far it was turned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation_strength: Option<f64>,
    /// Whether weights were read in the prompts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prompt_weighting: bool,
    /// The second pass at a larger size; `width` and `height` of the record are those of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hires: Option<HiresRecord>,
    /// Version of the engine's numbers: it grows when the same request gives another picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

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
    /// What went in besides.
    #[serde(flatten)]
    pub ingredients: Ingredients,
}

/// Where and with what a picture was made: what a record says beyond its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The model's id.
    pub model: ModelId,
    /// SHA-256 over the model's weight files, hexadecimal.
    pub model_hash: String,
    /// The model's own scheduler, for requests that name none.
    pub scheduler: String,
    /// Where it ran: `cpu`, `cuda:0`, `metal`.
    pub device: String,
    /// Number format of the weights: `f32`, `f16`, `bf16`.
    pub dtype: String,
    /// Version of the studio.
    pub version: String,
    /// Version of the engine's numbers.
    pub engine: String,
}

impl ImageRecord {
    /// The record of one picture of a request whose seed is known.
    pub fn of(request: &CreateGeneration, run: Run, ingredients: Ingredients) -> Self {
        Self {
            prompt: request.prompt.clone(),
            negative_prompt: request.negative_prompt.clone(),
            model: run.model,
            model_hash: Some(run.model_hash),
            seed: request.seed.unwrap_or_default(),
            num_inference_steps: request.num_inference_steps,
            guidance_scale: request.guidance_scale,
            width: request.width,
            height: request.height,
            scheduler: request.scheduler.clone().unwrap_or(run.scheduler),
            device: run.device,
            dtype: run.dtype,
            version: run.version,
            ingredients: Ingredients { engine: Some(run.engine), ..ingredients },
        }
    }

    /// The request that makes this picture, and no other, again.
    pub fn request(&self) -> CreateGeneration {
        let with = &self.ingredients;
        let id = |source: &Option<SourceRecord>| source.as_ref().and_then(|source| source.id.clone());
        let image = id(&with.image);
        let mask_image = id(&with.mask_image).filter(|_| image.is_some());
        let (has_image, has_mask) = (image.is_some(), mask_image.is_some());
        CreateGeneration {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            model: Some(self.model.clone()),
            seed: Some(self.seed),
            num_inference_steps: self.num_inference_steps,
            guidance_scale: self.guidance_scale,
            width: self.width,
            height: self.height,
            scheduler: Some(self.scheduler.clone()),
            image,
            strength: with.strength.filter(|_| has_image),
            mask_image,
            mask_blur: with.mask_blur.filter(|_| has_mask),
            padding_mask_crop: with.padding_mask_crop.filter(|_| has_mask),
            masked_content: with.masked_content.filter(|_| has_mask),
            loras: with.loras.iter().map(LoraRecord::again).collect(),
            num_images_per_prompt: 1,
            variation_seed: with.variation_seed,
            variation_strength: with.variation_strength,
            prompt_weighting: with.prompt_weighting,
            hires: with.hires.as_ref().map(|hires| hires.request.clone()),
            keep_steps: false,
        }
    }
}

impl Ingredients {
    /// What went into a picture of this request: its options where they had a meaning, and what was found for the things
    /// that it names.
    pub fn of(
        request: &CreateGeneration,
        (image, mask_image): (Option<SourceRecord>, Option<SourceRecord>),
        loras: Vec<LoraRecord>,
        hires: Option<HiresRecord>,
    ) -> Self {
        let (has_image, has_mask) = (image.is_some(), mask_image.is_some());
        Self {
            image,
            strength: request.strength.filter(|_| has_image),
            mask_image,
            outpaint: None,
            mask_blur: request.mask_blur.filter(|_| has_mask),
            padding_mask_crop: request.padding_mask_crop.filter(|_| has_mask),
            masked_content: request.masked_content.filter(|_| has_mask),
            loras,
            variation_seed: request.variation_seed,
            variation_strength: request.variation_strength,
            prompt_weighting: request.prompt_weighting,
            hires,
            engine: None,
        }
    }
}

impl LoraRecord {
    fn again(&self) -> UseLora {
        let text_encoder_weight = self.text_encoder_weight;
        UseLora { model: self.model.clone(), weight: self.weight, text_encoder_weight }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as the first version wrote it.
    const FIRST: &str = r#"{"prompt":"a man","model":"chapan-mini","seed":7,"num_inference_steps":2,"guidance_scale":5.0,
        "width":64,"height":64,"scheduler":"euler","device":"cpu","dtype":"f32","version":"0.1.0"}"#;

    #[test]
    fn old_records_are_read_and_new_ones_come_back() {
        let mut record: ImageRecord = serde_json::from_str(FIRST).unwrap();
        assert_eq!(record.ingredients, Ingredients::default());
        record.ingredients.strength = Some(0.5);
        record.ingredients.loras = vec![LoraRecord {
            model: ModelId::new("ink"),
            sha256: None,
            weight: 0.8,
            text_encoder_weight: None,
            unmatched: 3,
        }];
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains(r#""strength":0.5"#), "{json}");
        assert_eq!(serde_json::from_str::<ImageRecord>(&json).unwrap(), record);
    }

    #[test]
    fn a_record_becomes_a_request_that_is_accepted() {
        let mut record: ImageRecord = serde_json::from_str(FIRST).unwrap();
        assert_eq!(record.request().validate(), Ok(()));
        record.ingredients = Ingredients {
            image: Some(SourceRecord { id: Some(ImageId::new("a")), sha256: String::new() }),
            strength: Some(0.5),
            mask_image: Some(SourceRecord { id: Some(ImageId::new("b")), sha256: String::new() }),
            mask_blur: Some(2.0),
            masked_content: Some(MaskedContent::Noise),
            variation_seed: Some(1),
            variation_strength: Some(0.2),
            ..Ingredients::default()
        };
        assert_eq!(record.request().validate(), Ok(()));
        record.ingredients.image = None;
        assert_eq!(
            record.request().validate(),
            Ok(()),
            "what cannot be named is left out, with all that needs it"
        );
    }

    #[test]
    fn what_was_asked_for_comes_back_from_its_record() {
        let request = CreateGeneration {
            prompt: "a man".to_owned(),
            negative_prompt: Some("hat".to_owned()),
            model: Some(ModelId::new("m")),
            seed: Some(9),
            scheduler: Some("euler_a".to_owned()),
            image: Some(ImageId::new("i")),
            strength: Some(0.5),
            mask_image: Some(ImageId::new("k")),
            mask_blur: Some(2.0),
            padding_mask_crop: Some(16),
            masked_content: Some(MaskedContent::Noise),
            loras: vec![UseLora { model: ModelId::new("ink"), weight: 0.8, text_encoder_weight: Some(0.1) }],
            variation_seed: Some(4),
            variation_strength: Some(0.3),
            prompt_weighting: true,
            hires: Some(Hires { upscaler: Some(ModelId::new("x4")), ..Hires::default() }),
            ..CreateGeneration::default()
        };
        let source = |id: &str| Some(SourceRecord { id: Some(ImageId::new(id)), sha256: String::new() });
        let loras = vec![LoraRecord {
            model: ModelId::new("ink"),
            sha256: None,
            weight: 0.8,
            text_encoder_weight: Some(0.1),
            unmatched: 0,
        }];
        let hires = request.hires.clone().map(|request| HiresRecord { request, upscaler_hash: None });
        let ingredients = Ingredients::of(&request, (source("i"), source("k")), loras, hires);
        let word = |text: &str| text.to_owned();
        let run = Run {
            model: ModelId::new("m"),
            model_hash: word("aa"),
            scheduler: word("euler"),
            device: word("cpu"),
            dtype: word("f32"),
            version: word("0"),
            engine: word("1"),
        };
        let record = ImageRecord::of(&request, run, ingredients);
        assert_eq!(record.request(), request);
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<ImageRecord>(&json).unwrap(), record);
    }
}
