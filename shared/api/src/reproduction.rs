//! The noun `reproduction`: a picture made again from its record, and how the two compare.

use serde::{Deserialize, Serialize};

use crate::id::{ImageId, ModelId};
use crate::image::{ImageRecord, LoraRecord, SourceRecord};
use crate::job::JobView;
use crate::upscale::UpscaleRecord;

/// A picture made again: `POST /api/images/{id}/reproduce`, then `GET /api/images/{id}/reproduction`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReproductionView {
    /// The picture.
    pub image: ImageId,
    /// The job that makes it again.
    pub job: JobView,
    /// How the two compare, once the second is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// How a picture and its reproduction compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verdict {
    /// The second picture.
    pub again: ImageId,
    /// Whether every pixel is the same.
    pub identical: bool,
    /// Share of pixels that differ, 0 to 1.
    pub changed_pixels: f64,
    /// Greatest difference of a colour value, 0 to 255.
    pub max_difference: u8,
    /// What was not the same when it was made again. May explain a difference, or have made none.
    pub circumstances: Vec<Circumstance>,
}

/// Something that was not the same the second time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Circumstance {
    /// What it is.
    pub what: CircumstanceKind,
    /// How it was when the picture was made; absent when the record does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// How it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
}

/// What can differ between two runs of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CircumstanceKind {
    /// The weights of the model.
    ModelHash,
    /// The weights of a LoRA.
    LoraHash,
    /// The sampling algorithm.
    Scheduler,
    /// Where it ran.
    Device,
    /// The number format of the weights.
    Dtype,
    /// The version of the studio.
    Version,
    /// The version of the engine's numbers.
    Engine,
    /// A picture that it started from.
    Source,
}

/// What was not the same the second time, from the records of both pictures.
pub fn circumstances(then: &ImageRecord, now: &ImageRecord) -> Vec<Circumstance> {
    let said = |text: &str| Some(text.to_owned());
    let file = |source: &Option<SourceRecord>| source.as_ref().map(|source| source.sha256.clone());
    let hashes = |record: &ImageRecord| {
        let loras = &record.ingredients.loras;
        let hash = |lora: &LoraRecord| format!("{}: {}", lora.model, lora.sha256.as_deref().unwrap_or("?"));
        (!loras.is_empty()).then(|| loras.iter().map(hash).collect::<Vec<_>>().join(", "))
    };
    let upscaler = |record: &ImageRecord| {
        let hires = record.ingredients.hires.as_ref()?;
        let id = hires.request.upscaler.as_ref().map_or("?", ModelId::as_str);
        Some(format!("{id}: {}", hires.upscaler_hash.as_deref().unwrap_or("?")))
    };
    let (with, now_with) = (&then.ingredients, &now.ingredients);
    differing([
        (CircumstanceKind::ModelHash, then.model_hash.clone(), now.model_hash.clone()),
        (CircumstanceKind::ModelHash, upscaler(then), upscaler(now)),
        (CircumstanceKind::LoraHash, hashes(then), hashes(now)),
        (CircumstanceKind::Scheduler, said(&then.scheduler), said(&now.scheduler)),
        (CircumstanceKind::Device, said(&then.device), said(&now.device)),
        (CircumstanceKind::Dtype, said(&then.dtype), said(&now.dtype)),
        (CircumstanceKind::Version, said(&then.version), said(&now.version)),
        (CircumstanceKind::Engine, with.engine.clone(), now_with.engine.clone()),
        (CircumstanceKind::Source, file(&with.image), file(&now_with.image)),
        (CircumstanceKind::Source, file(&with.mask_image), file(&now_with.mask_image)),
    ])
}

/// The same for larger copies.
pub fn upscale_circumstances(then: &UpscaleRecord, now: &UpscaleRecord) -> Vec<Circumstance> {
    let said = |text: &str| Some(text.to_owned());
    differing([
        (CircumstanceKind::ModelHash, then.model_hash.clone(), now.model_hash.clone()),
        (CircumstanceKind::Device, said(&then.device), said(&now.device)),
        (CircumstanceKind::Dtype, said(&then.dtype), said(&now.dtype)),
        (CircumstanceKind::Version, said(&then.version), said(&now.version)),
        (CircumstanceKind::Engine, then.engine.clone(), now.engine.clone()),
        (CircumstanceKind::Source, said(&then.image.sha256), said(&now.image.sha256)),
    ])
}

fn differing<const N: usize>(
    pairs: [(CircumstanceKind, Option<String>, Option<String>); N],
) -> Vec<Circumstance> {
    let differs = pairs.into_iter().filter(|(_, then, now)| then != now);
    differs.map(|(what, then, now)| Circumstance { what, then, now }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_named() {
        let json = r#"{"prompt":"a man","model":"m","model_hash":"aa","seed":7,"num_inference_steps":2,"guidance_scale":5.0,
            "width":64,"height":64,"scheduler":"euler","device":"cpu","dtype":"f32","version":"0.1.0"}"#;
        let then: ImageRecord = serde_json::from_str(json).unwrap();
        assert!(circumstances(&then, &then).is_empty());
        let mut now = ImageRecord { device: "cuda:0".to_owned(), model_hash: None, ..then.clone() };
        now.ingredients.engine = Some("2".to_owned());
        let found: Vec<_> =
            circumstances(&then, &now).into_iter().map(|found| (found.what, found.then, found.now)).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                (CircumstanceKind::ModelHash, text("aa"), None),
                (CircumstanceKind::Device, text("cpu"), text("cuda:0")),
                (CircumstanceKind::Engine, None, text("2")),
            ]
        );
    }
}
