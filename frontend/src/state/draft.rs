//! What the student is about to ask for. Kept in the browser, so that a reload loses no word.

use chapan_api::{
    generation::{CreateGeneration, limits},
    id::ModelId,
    image::ImageRecord,
    model::ModelView,
    validation::{FieldError, Rule},
};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::memory;

const KEPT: &str = "chapan.draft";

/// The fields of the inspector. Numbers are as typed: `NaN` while a field is empty.
#[derive(Clone, Copy)]
pub struct Draft {
    /// What to draw.
    pub prompt: RwSignal<String>,
    /// What to keep out; empty means absent.
    pub negative_prompt: RwSignal<String>,
    /// The seed as typed.
    pub seed: RwSignal<String>,
    /// Whether the seed stays for the next picture.
    pub seed_fixed: RwSignal<bool>,
    /// Denoising steps.
    pub steps: RwSignal<f64>,
    /// Guidance scale.
    pub guidance: RwSignal<f64>,
    /// Width in pixels.
    pub width: RwSignal<f64>,
    /// Height in pixels.
    pub height: RwSignal<f64>,
    /// Scheduler id; empty means the model's own.
    pub scheduler: RwSignal<String>,
    /// Model id; empty means the server's first.
    pub model: RwSignal<String>,
    /// Whether anything was kept from an earlier visit.
    pub was_kept: StoredValue<bool>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    request: CreateGeneration,
    seed_fixed: bool,
}

impl Draft {
    /// Provides the draft, as it was left, and keeps it from now on.
    pub fn provide() -> Self {
        let kept: Option<Kept> = memory::get(KEPT).and_then(|text| serde_json::from_str(&text).ok());
        let was_kept = kept.is_some();
        let Kept { request, seed_fixed } =
            kept.unwrap_or(Kept { request: CreateGeneration::default(), seed_fixed: false });
        let draft = Self::new(&request, seed_fixed);
        draft.was_kept.set_value(was_kept);
        Effect::new(move |before: Option<()>| {
            let kept = Kept { request: draft.request(), seed_fixed: draft.seed_fixed.get() };
            if before.is_some()
                && let Ok(text) = serde_json::to_string(&kept)
            {
                memory::set(KEPT, &text);
            }
        });
        provide_context(draft);
        draft
    }

    /// A draft that starts from a request; a lesson has its own.
    pub fn new(request: &CreateGeneration, seed_fixed: bool) -> Self {
        let draft = Self {
            prompt: RwSignal::default(),
            negative_prompt: RwSignal::default(),
            seed: RwSignal::default(),
            seed_fixed: RwSignal::new(seed_fixed),
            steps: RwSignal::default(),
            guidance: RwSignal::default(),
            width: RwSignal::default(),
            height: RwSignal::default(),
            scheduler: RwSignal::default(),
            model: RwSignal::default(),
            was_kept: StoredValue::new(true),
        };
        draft.fill(request);
        draft
    }

    fn fill(self, request: &CreateGeneration) {
        self.prompt.set(request.prompt.clone());
        self.negative_prompt.set(request.negative_prompt.clone().unwrap_or_default());
        self.seed.set(request.seed.unwrap_or_else(roll).to_string());
        self.steps.set(f64::from(request.num_inference_steps));
        self.guidance.set(request.guidance_scale);
        self.width.set(f64::from(request.width));
        self.height.set(f64::from(request.height));
        self.scheduler.set(request.scheduler.clone().unwrap_or_default());
        self.model.set(request.model.as_ref().map(ToString::to_string).unwrap_or_default());
    }

    /// Takes over how a picture was made, its seed fixed.
    pub fn take(self, record: &ImageRecord) {
        self.fill(&CreateGeneration {
            prompt: record.prompt.clone(),
            negative_prompt: record.negative_prompt.clone(),
            model: Some(record.model.clone()),
            seed: Some(record.seed),
            num_inference_steps: record.num_inference_steps,
            guidance_scale: record.guidance_scale,
            width: record.width,
            height: record.height,
            scheduler: Some(record.scheduler.clone()),
            ..CreateGeneration::default()
        });
        self.seed_fixed.set(true);
    }

    /// Chooses a model, and the size it was made for.
    pub fn choose(self, model: &ModelView) {
        self.model.set(model.id.to_string());
        self.width.set(f64::from(model.default_side));
        self.height.set(f64::from(model.default_side));
    }

    /// The request as it stands. Numbers that are none become such that the rules refuse.
    pub fn request(self) -> CreateGeneration {
        let text = |signal: RwSignal<String>| Some(signal.get().trim().to_owned()).filter(|t| !t.is_empty());
        CreateGeneration {
            prompt: self.prompt.get(),
            negative_prompt: text(self.negative_prompt),
            model: text(self.model).map(ModelId::new),
            seed: self.seed.get().trim().parse().ok(),
            num_inference_steps: self.steps.get() as u32,
            guidance_scale: self.guidance.get(),
            width: self.width.get() as u32,
            height: self.height.get() as u32,
            scheduler: text(self.scheduler),
            ..CreateGeneration::default()
        }
    }

    /// Every fault of the draft, by the server's own rules.
    pub fn faults(self) -> Vec<FieldError> {
        let request = self.request();
        let mut faults = request.validate().err().unwrap_or_default();
        if request.seed.is_none() {
            let got = self.seed.get();
            let rule = Rule::OutOfRange { min: 0.0, max: limits::MAX_SEED as f64, got };
            faults.push(FieldError::new("seed", rule));
        }
        faults
    }
}

/// A new seed: below 2^32, as people know them from other tools.
pub fn roll() -> u64 {
    (js_sys::Math::random() * 4_294_967_296.0) as u64
}
