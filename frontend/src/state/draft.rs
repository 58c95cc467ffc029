//! What the student is about to ask for. Kept in the browser, so that a reload loses no word.

use chapan_api::{
    generation::{CreateGeneration, Hires, MaskedContent, UseLora, limits},
    id::{ImageId, ModelId},
    image::{ImageRecord, ImageView},
    metadata::ImportedParameters,
    model::ModelView,
    validation::{FieldError, Rule},
};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::memory;

const KEPT: &str = "chapan.draft";
/// Pixels around the masked area when nobody chose a number.
const DEFAULT_PADDING: u32 = 32;

/// What the next picture begins from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// From words alone.
    #[default]
    Text,
    /// From a picture.
    Picture,
    /// From a picture, where a mask allows it.
    Mask,
}

impl Kind {
    /// All kinds, in the order of the switch.
    pub const ALL: [Self; 3] = [Self::Text, Self::Picture, Self::Mask];
}

/// A LoRA of the stack.
#[derive(Clone, Copy, PartialEq)]
pub struct Lora {
    /// Tells it from others, also from itself when it is there twice.
    pub number: u32,
    /// Which.
    pub model: StoredValue<ModelId>,
    /// How strongly it acts.
    pub weight: RwSignal<f64>,
    /// Whether it acts on the text encoders with a weight of their own.
    pub has_text_weight: RwSignal<bool>,
    /// That weight.
    pub text_weight: RwSignal<f64>,
}

impl Lora {
    /// It outlives the page whose button was pressed: what it is made of belongs to nobody.
    fn new(number: u32, wanted: &UseLora) -> Self {
        let nobody = Owner::default();
        let lora = nobody.with(|| Self {
            number,
            model: StoredValue::new(wanted.model.clone()),
            weight: RwSignal::new(wanted.weight),
            has_text_weight: RwSignal::new(wanted.text_encoder_weight.is_some()),
            text_weight: RwSignal::new(wanted.text_encoder_weight.unwrap_or(wanted.weight)),
        });
        // Dropped, it would take them along.
        std::mem::forget(nobody);
        lora
    }

    fn wanted(self) -> UseLora {
        UseLora {
            model: self.model.get_value(),
            weight: self.weight.get(),
            text_encoder_weight: self.has_text_weight.get().then(|| self.text_weight.get()),
        }
    }
}

/// The fields of the inspector. Numbers are as typed: `NaN` while a field is empty.
#[derive(Clone, Copy)]
pub struct Draft {
    /// What the picture begins from.
    pub kind: RwSignal<Kind>,
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
    /// The picture to begin from.
    pub image: RwSignal<Option<ImageId>>,
    /// The picture itself, once it is known.
    pub picture: RwSignal<Option<ImageView>>,
    /// How far to go from it.
    pub strength: RwSignal<f64>,
    /// Radius of the mask's soft edge.
    pub mask_blur: RwSignal<f64>,
    /// Whether only the masked area is worked on.
    pub only_masked: RwSignal<bool>,
    /// Pixels around it.
    pub padding: RwSignal<f64>,
    /// Whether noise stands under the mask at the beginning.
    pub masked_noise: RwSignal<bool>,
    /// The LoRAs, in order.
    pub loras: RwSignal<Vec<Lora>>,
    /// How many pictures.
    pub count: RwSignal<f64>,
    /// Seed of the second noise as typed; empty means the server's choice.
    pub variation_seed: RwSignal<String>,
    /// How far the noise is turned towards it; 0 means not at all.
    pub variation: RwSignal<f64>,
    /// Whether weights are read in the prompts.
    pub weighting: RwSignal<bool>,
    /// Whether the picture is enlarged and drawn over.
    pub hires: RwSignal<bool>,
    /// How much larger.
    pub hires_scale: RwSignal<f64>,
    /// How far from the enlarged picture.
    pub hires_strength: RwSignal<f64>,
    /// Steps of the second pass; 0 means as many as of the first.
    pub hires_steps: RwSignal<f64>,
    /// What enlarges it; empty means the server's first.
    pub upscaler: RwSignal<String>,
    /// Whether the mask editor is open.
    pub mask_open: RwSignal<bool>,
    /// Whether anything was kept from an earlier visit.
    pub was_kept: StoredValue<bool>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    kind: Kind,
    request: CreateGeneration,
    seed_fixed: bool,
}

impl Draft {
    /// Provides the draft, as it was left, and keeps it from now on.
    pub fn provide() -> Self {
        let kept: Option<Kept> = memory::get(KEPT).and_then(|text| serde_json::from_str(&text).ok());
        let was_kept = kept.is_some();
        let Kept { kind, request, seed_fixed } = kept.unwrap_or(Kept {
            kind: Kind::Text,
            request: CreateGeneration::default(),
            seed_fixed: false,
        });
        let draft = Self::new(&request, seed_fixed);
        draft.kind.set(kind);
        draft.was_kept.set_value(was_kept);
        Effect::new(move |before: Option<()>| {
            let kept =
                Kept { kind: draft.kind.get(), request: draft.all(), seed_fixed: draft.seed_fixed.get() };
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
            kind: RwSignal::default(),
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
            image: RwSignal::default(),
            picture: RwSignal::default(),
            strength: RwSignal::default(),
            mask_blur: RwSignal::default(),
            only_masked: RwSignal::default(),
            padding: RwSignal::default(),
            masked_noise: RwSignal::default(),
            loras: RwSignal::default(),
            count: RwSignal::default(),
            variation_seed: RwSignal::default(),
            variation: RwSignal::default(),
            weighting: RwSignal::default(),
            hires: RwSignal::default(),
            hires_scale: RwSignal::default(),
            hires_strength: RwSignal::default(),
            hires_steps: RwSignal::default(),
            upscaler: RwSignal::default(),
            mask_open: RwSignal::default(),
            was_kept: StoredValue::new(true),
        };
        draft.fill(request);
        draft
    }

    /// Takes over the values of a request.
    pub fn fill(self, request: &CreateGeneration) {
        self.prompt.set(request.prompt.clone());
        self.negative_prompt.set(request.negative_prompt.clone().unwrap_or_default());
        self.seed.set(request.seed.unwrap_or_else(roll).to_string());
        self.steps.set(f64::from(request.num_inference_steps));
        self.guidance.set(request.guidance_scale);
        self.width.set(f64::from(request.width));
        self.height.set(f64::from(request.height));
        self.scheduler.set(request.scheduler.clone().unwrap_or_default());
        self.model.set(request.model.as_ref().map(ToString::to_string).unwrap_or_default());
        self.image.set(request.image.clone());
        self.strength.set(request.strength.unwrap_or(limits::DEFAULT_STRENGTH));
        self.mask_blur.set(request.mask_blur.unwrap_or(limits::DEFAULT_MASK_BLUR));
        self.only_masked.set(request.padding_mask_crop.is_some());
        self.padding.set(f64::from(request.padding_mask_crop.unwrap_or(DEFAULT_PADDING)));
        self.masked_noise.set(request.masked_content == Some(MaskedContent::Noise));
        self.loras.set((0..).zip(&request.loras).map(|(number, lora)| Lora::new(number, lora)).collect());
        self.count.set(f64::from(request.num_images_per_prompt));
        self.variation.set(request.variation_strength.unwrap_or(0.0));
        self.variation_seed.set(request.variation_seed.map(|seed| seed.to_string()).unwrap_or_default());
        self.weighting.set(request.prompt_weighting);
        self.hires.set(request.hires.is_some());
        let hires = request.hires.clone().unwrap_or_default();
        self.hires_scale.set(hires.scale);
        self.hires_strength.set(hires.strength);
        self.hires_steps.set(hires.steps.map_or(0.0, f64::from));
        self.upscaler.set(hires.upscaler.as_ref().map(ToString::to_string).unwrap_or_default());
    }

    /// Takes over how a picture was made, its seed fixed. A mask stays as it is painted here.
    pub fn take(self, record: &ImageRecord) {
        let request = record.request();
        self.kind.set(match (&request.image, &request.mask_image) {
            (Some(_), Some(_)) => Kind::Mask,
            (Some(_), None) => Kind::Picture,
            (None, _) => Kind::Text,
        });
        self.fill(&request);
        self.seed_fixed.set(true);
    }

    /// Takes over what a file from another program says, as far as this studio knows it.
    pub fn take_imported(self, said: &ImportedParameters) {
        let request = said.request(untrack(|| self.all()));
        self.fill(&request);
        self.seed_fixed.set(said.seed.is_some());
        if let Some(strength) = said.strength {
            self.strength.set(strength);
        }
    }

    /// Begins from a picture, in its shape; `side` is what the model was made for.
    pub fn begin_from(self, image: &ImageView, kind: Kind, side: u32) {
        self.image.set(Some(image.id.clone()));
        self.kind.set(kind);
        let (width, height) = near(image.width, image.height, side);
        self.width.set(f64::from(width));
        self.height.set(f64::from(height));
    }

    /// Puts a LoRA on the stack.
    pub fn add_lora(self, model: ModelId, weight: f64) {
        self.loras.update(|loras| {
            let number = loras.iter().map(|lora| lora.number + 1).max().unwrap_or_default();
            loras.push(Lora::new(number, &UseLora { model, weight, text_encoder_weight: None }));
        });
    }

    /// Chooses a model, and the size it was made for.
    pub fn choose(self, model: &ModelView) {
        self.model.set(model.id.to_string());
        self.width.set(f64::from(model.default_side));
        self.height.set(f64::from(model.default_side));
    }

    /// Everything that is set, whether this kind needs it or not. Numbers that are none become such that the rules
    /// refuse.
    fn all(self) -> CreateGeneration {
        let text = |signal: RwSignal<String>| Some(signal.get().trim().to_owned()).filter(|t| !t.is_empty());
        let turned = self.variation.get();
        let loras = self.loras.get().into_iter().map(Lora::wanted);
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
            image: self.image.get(),
            strength: Some(self.strength.get()),
            mask_image: None,
            mask_blur: Some(self.mask_blur.get()),
            padding_mask_crop: self.only_masked.get().then(|| self.padding.get() as u32),
            masked_content: self.masked_noise.get().then_some(MaskedContent::Noise),
            loras: loras.collect(),
            num_images_per_prompt: self.count.get() as u32,
            variation_seed: text(self.variation_seed).and_then(|seed| seed.parse().ok()),
            variation_strength: (turned != 0.0).then_some(turned),
            prompt_weighting: self.weighting.get(),
            hires: self.hires.get().then(|| Hires {
                scale: self.hires_scale.get(),
                strength: self.hires_strength.get(),
                steps: Some(self.hires_steps.get() as u32).filter(|steps| *steps > 0),
                upscaler: text(self.upscaler).map(ModelId::new),
            }),
            keep_steps: false,
        }
    }

    /// The request as it stands, with the mask when the kind needs one.
    pub fn request(self, mask: Option<ImageId>) -> CreateGeneration {
        let mut request = self.all();
        let kind = self.kind.get();
        if kind == Kind::Text {
            (request.image, request.strength) = (None, None);
        }
        if kind == Kind::Mask {
            request.mask_image = mask;
            request.hires = None;
        } else {
            (request.mask_blur, request.padding_mask_crop, request.masked_content) = (None, None, None);
        }
        if request.variation_strength.is_none() {
            request.variation_seed = None;
        }
        request
    }

    /// Every fault of the draft, by the server's own rules. `masked` says whether a mask is painted.
    pub fn faults(self, masked: bool) -> Vec<FieldError> {
        // The mask has an address only once it is sent; until then this stands for it.
        let request = self.request(Some(ImageId::new("mask")));
        let mut faults = request.validate().err().unwrap_or_default();
        if request.seed.is_none() {
            let got = self.seed.get();
            let rule = Rule::OutOfRange { min: 0.0, max: limits::MAX_SEED as f64, got };
            faults.push(FieldError::new("seed", rule));
        }
        let kind = self.kind.get();
        if kind != Kind::Text && request.image.is_none() {
            faults.retain(|fault| !matches!(fault.rule, Rule::Needs { .. }));
            faults.insert(0, FieldError::new("image", Rule::Required));
        } else if kind == Kind::Mask && !masked {
            faults.insert(0, FieldError::new("mask_image", Rule::Required));
        }
        faults
    }
}

/// A new seed: below 2^32, as people know them from other tools.
pub fn roll() -> u64 {
    (js_sys::Math::random() * 4_294_967_296.0) as u64
}

/// The size on the grid that keeps a picture's shape, near the number of pixels that the model was made for.
fn near(width: u32, height: u32, side: u32) -> (u32, u32) {
    let step = limits::SIDE_STEP;
    let (least, most) = (limits::MIN_SIDE, limits::MAX_SIDE);
    let area = f64::from(width) * f64::from(height);
    let wanted = f64::from(side) * f64::from(side);
    let fits = |side: u32| side.is_multiple_of(step) && (least..=most).contains(&side);
    // What the model can draw as it is stays as it is.
    if fits(width) && fits(height) && area <= 2.0 * wanted && area >= 0.5 * wanted {
        return (width, height);
    }
    let scale = (wanted / area.max(1.0)).sqrt();
    let grid =
        |side: u32| ((f64::from(side) * scale / f64::from(step)).round() as u32 * step).clamp(least, most);
    (grid(width), grid(height))
}

#[cfg(test)]
mod tests {
    use chapan_api::image::{Ingredients, SourceRecord};
    use chapan_api::{generation::CreateGeneration, image::HiresRecord, image::LoraRecord};
    use leptos::reactive::owner::Owner;

    use super::*;

    /// A record with everything that a picture from words, or one under a mask, can have.
    fn full(masked: bool) -> ImageRecord {
        let lora = |name: &str, text_encoder_weight| LoraRecord {
            model: ModelId::new(name),
            sha256: None,
            weight: 0.75,
            text_encoder_weight,
            unmatched: 0,
        };
        let source =
            |id: &str| masked.then(|| SourceRecord { id: Some(ImageId::new(id)), sha256: String::new() });
        let hires =
            Hires { scale: 1.5, upscaler: Some(ModelId::new("photo-x4")), strength: 0.35, steps: Some(12) };
        ImageRecord {
            prompt: "a (red:1.2) hat".to_owned(),
            negative_prompt: Some("blue".to_owned()),
            model: ModelId::new("large"),
            model_hash: None,
            seed: 77,
            num_inference_steps: 31,
            guidance_scale: 6.5,
            width: 192,
            height: 128,
            scheduler: "heun".to_owned(),
            device: "cpu".to_owned(),
            dtype: "f32".to_owned(),
            version: "0".to_owned(),
            ingredients: Ingredients {
                image: source("picture"),
                strength: masked.then_some(0.625),
                mask_image: source("mask"),
                mask_blur: masked.then_some(7.0),
                padding_mask_crop: masked.then_some(48),
                masked_content: masked.then_some(MaskedContent::Noise),
                loras: vec![lora("ink", Some(0.25)), lora("felt", None)],
                variation_seed: Some(5),
                variation_strength: Some(0.125),
                prompt_weighting: true,
                hires: (!masked).then_some(HiresRecord { request: hires, upscaler_hash: None }),
                ..Ingredients::default()
            },
        }
    }

    #[test]
    fn the_settings_of_a_picture_make_the_same_request_again() {
        let owner = Owner::new();
        owner.with(|| {
            for masked in [false, true] {
                let record = full(masked);
                let draft = Draft::new(&CreateGeneration { seed: Some(1), ..Default::default() }, false);
                draft.take(&record);
                let mask = masked.then(|| ImageId::new("mask"));
                assert_eq!(untrack(|| draft.request(mask)), record.request(), "masked: {masked}");
            }
        });
    }

    #[test]
    fn a_picture_keeps_its_shape_near_the_models_size() {
        assert_eq!(near(128, 128, 128), (128, 128));
        assert_eq!(near(128, 192, 128), (128, 192));
        assert_eq!(near(4000, 3000, 128), (144, 112));
        assert_eq!(near(4000, 3000, 1024), (1184, 888));
        assert_eq!(near(130, 130, 128), (128, 128));
        assert_eq!(near(512, 512, 128), (128, 128));
    }

    #[test]
    fn a_strip_and_a_speck_stay_within_the_limits() {
        for (width, height) in [(50_000, 10), (1, 1), (0, 0), (1, 5000)] {
            let (w, h) = near(width, height, 128);
            for side in [w, h] {
                assert!(
                    side.is_multiple_of(8) && (64..=2048).contains(&side),
                    "{width} x {height} gives {w} x {h}"
                );
            }
        }
    }
}
