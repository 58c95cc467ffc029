//! Puts what a foreign text says into parameters of ours, and what does not fit onto the list of losses.

use serde_json::Value;

use super::samplers::{Sampler, scheduler_of};
use super::{Imported, ImportedLora, ImportedParameters, Lost, LostReason, MAX_LOST, MetadataSource};
use crate::generation::{Hires, limits};
use crate::image::ImageRecord;

/// Collects what one file says.
pub(super) struct Restore {
    pub parameters: ImportedParameters,
    lost: Vec<Lost>,
}

/// A value shortened for people.
fn brief(value: &str) -> String {
    let mut text: String = value.chars().filter(|c| !c.is_control()).take(100).collect();
    if text.len() < value.len() {
        text.push('…');
    }
    text
}

impl Restore {
    pub fn new() -> Self {
        Self { parameters: ImportedParameters::default(), lost: Vec::new() }
    }

    pub fn finish(self, source: MetadataSource) -> Imported {
        Imported { source, parameters: self.parameters, lost: self.lost }
    }

    pub fn lose(&mut self, what: &str, value: &str, why: LostReason) {
        if self.lost.len() < MAX_LOST {
            self.lost.push(Lost { what: brief(what), value: brief(value), why });
        }
    }

    /// A value of JSON that is lost; texts without their quotes.
    pub fn lose_json(&mut self, what: &str, value: &Value, why: LostReason) {
        match value {
            Value::String(text) => self.lose(what, text, why),
            other => self.lose(what, &other.to_string(), why),
        }
    }

    /// The prompt: tags of LoRAs become LoRAs, weights are noticed.
    pub fn prompt(&mut self, text: &str, has_weights: bool) {
        let text = self.take_tags(text);
        self.parameters.prompt_weighting |= has_weights && is_weighted(&text);
        if let Some(text) = self.fitting("prompt", &text) {
            self.parameters.prompt = text;
        }
    }

    pub fn negative_prompt(&mut self, text: &str, has_weights: bool) {
        let text = self.take_tags(text);
        self.parameters.prompt_weighting |= has_weights && is_weighted(&text);
        if !text.is_empty() {
            self.parameters.negative_prompt = self.fitting("negative prompt", &text);
        }
    }

    fn fitting(&mut self, what: &str, text: &str) -> Option<String> {
        let text = text.replace('\0', "").trim().to_owned();
        if text.chars().count() as u64 > limits::PROMPT_CHARS {
            self.lose(what, &text, LostReason::OutOfRange);
            return None;
        }
        Some(text)
    }

    /// Takes `<lora:name:weight>` out of a prompt, see [`weights`].
    fn take_tags(&mut self, text: &str) -> String {
        let (mut rest, mut kept) = (text, String::with_capacity(text.len()));
        while let Some((before, tagged)) = rest.split_once('<') {
            kept.push_str(before);
            let Some((tag, after)) = tagged.split_once('>') else {
                kept.push('<');
                rest = tagged;
                continue;
            };
            let mut parts = tag.split(':');
            let kind = parts.next().unwrap_or_default();
            if matches!(kind, "lora" | "lyco") {
                let name = parts.next().unwrap_or_default().to_owned();
                match weights(parts) {
                    Some((weight, text)) => self.lora(&name, weight, Some(text), None),
                    None => self.lose("LoRA", tag, LostReason::Malformed),
                }
                rest = after;
            } else {
                kept.push('<');
                rest = tagged;
            }
        }
        kept.push_str(rest);
        kept
    }

    pub fn lora(&mut self, name: &str, weight: f64, text_encoder_weight: Option<f64>, hash: Option<String>) {
        let fits = |weight: f64| (limits::MIN_LORA_WEIGHT..=limits::MAX_LORA_WEIGHT).contains(&weight);
        let known = self.parameters.loras.len() as u64;
        let all_fit = fits(weight) && text_encoder_weight.is_none_or(fits) && known < limits::MAX_LORAS;
        if !all_fit || name.is_empty() {
            self.lose("LoRA", &format!("{name} {weight}"), LostReason::OutOfRange);
            return;
        }
        let text_encoder_weight = text_encoder_weight.filter(|other| *other != weight);
        let name = brief(name);
        self.parameters.loras.push(ImportedLora { name, weight, text_encoder_weight, hash });
    }

    pub fn steps(&mut self, what: &str, value: f64) {
        let range = f64::from(limits::MIN_STEPS)..=f64::from(limits::MAX_STEPS);
        if range.contains(&value) {
            self.parameters.num_inference_steps = Some(value as u32);
        } else {
            self.lose(what, &value.to_string(), LostReason::OutOfRange);
        }
    }

    pub fn guidance(&mut self, what: &str, value: f64) {
        if (limits::MIN_GUIDANCE..=limits::MAX_GUIDANCE).contains(&value) {
            self.parameters.guidance_scale = Some(value);
        } else {
            self.lose(what, &value.to_string(), LostReason::OutOfRange);
        }
    }

    pub fn seed(&mut self, what: &str, text: &str) {
        self.parameters.seed = self.seed_of(what, text);
    }

    pub fn variation_seed(&mut self, what: &str, text: &str) {
        self.parameters.variation_seed = self.seed_of(what, text);
    }

    fn seed_of(&mut self, what: &str, text: &str) -> Option<u64> {
        match text.trim().parse::<u64>() {
            Ok(seed) if seed <= limits::MAX_SEED => Some(seed),
            Ok(_) => {
                self.lose(what, text, LostReason::OutOfRange);
                None
            }
            Err(_) => {
                self.lose(what, text, LostReason::Malformed);
                None
            }
        }
    }

    pub fn size(&mut self, what: &str, width: f64, height: f64) {
        let side = |value: f64| {
            let range = f64::from(limits::MIN_SIDE)..=f64::from(limits::MAX_SIDE);
            (range.contains(&value) && (value as u32).is_multiple_of(limits::SIDE_STEP))
                .then_some(value as u32)
        };
        if let (Some(width), Some(height)) = (side(width), side(height)) {
            (self.parameters.width, self.parameters.height) = (Some(width), Some(height));
        } else {
            self.lose(what, &format!("{width}x{height}"), LostReason::OutOfRange);
        }
    }

    /// The strength of image to image; the picture that it started from is lost.
    /// A second pass of `scale`, with as many steps as that program does, or as many as the first.
    pub fn hires(&mut self, scale: f64, strength: f64, steps: Option<f64>) {
        let planned = steps.filter(|steps| *steps >= 1.0).map(|steps| (steps / strength).ceil());
        let fits = (limits::MIN_HIRES_SCALE..=limits::MAX_HIRES_SCALE).contains(&scale)
            && (0.0..=limits::MAX_STRENGTH).contains(&strength)
            && planned.is_none_or(|planned| planned <= f64::from(limits::MAX_STEPS));
        if fits {
            let steps = planned.map(|planned| planned as u32);
            self.parameters.hires = Some(Hires { scale, strength, steps, upscaler: None });
        } else {
            self.lose("Hires upscale", &scale.to_string(), LostReason::OutOfRange);
        }
    }

    pub fn strength(&mut self, what: &str, value: f64) {
        if value > 0.0 && value <= limits::MAX_STRENGTH {
            self.parameters.strength = Some(value);
        } else {
            self.lose(what, &value.to_string(), LostReason::OutOfRange);
        }
        self.lose("image", "", LostReason::NotInFile);
    }

    pub fn variation_strength(&mut self, what: &str, value: f64) {
        if (0.0..=1.0).contains(&value) {
            self.parameters.variation_strength = Some(value);
        } else {
            self.lose(what, &value.to_string(), LostReason::OutOfRange);
        }
    }

    pub fn model(&mut self, name: &str) {
        self.parameters.model = Some(brief(name)).filter(|name| !name.is_empty());
    }

    pub fn scheduler(&mut self, sampler: &str, schedule: Option<&str>) {
        match scheduler_of(sampler, schedule) {
            Sampler::Same(id) => self.parameters.scheduler = Some(id.to_owned()),
            Sampler::OtherSchedule(id) => {
                self.parameters.scheduler = Some(id.to_owned());
                self.lose("schedule", schedule.unwrap_or_default(), LostReason::UnknownName);
            }
            Sampler::Unknown => self.lose("sampler", sampler, LostReason::UnknownName),
        }
    }
}

/// The weights of a tag, in the network that draws and in the text encoders. A1111 writes that of the text encoders first
/// where two follow each other, and reads both by name: `te=0.5:unet=0.8`.
fn weights<'a>(fields: impl Iterator<Item = &'a str>) -> Option<(f64, f64)> {
    let (mut text, mut unet) = (None, None);
    for field in fields {
        let (name, value) = field.split_once('=').unwrap_or(("", field));
        let place = match (name.trim(), text) {
            ("te", _) | ("", None) => &mut text,
            ("unet", _) | ("", Some(_)) => &mut unet,
            _ => return None,
        };
        *place = Some(value.trim().parse::<f64>().ok()?);
    }
    let unet = unet.or(text).unwrap_or(1.0);
    Some((unet, text.unwrap_or(unet)))
}

/// Whether a prompt has the marks of weights.
fn is_weighted(text: &str) -> bool {
    let mut before = ' ';
    let mut found = false;
    for letter in text.chars() {
        found |= matches!(letter, '(' | '[') && before != '\\';
        before = letter;
    }
    found || text.split_whitespace().any(|word| word == "BREAK")
}

impl Imported {
    /// What our own record says: all of it, but the pictures that it started from.
    pub(super) fn from_record(record: &ImageRecord) -> Self {
        let request = record.request();
        let with = &record.ingredients;
        let mut restore = Restore::new();
        if let Some(source) = &with.image {
            restore.lose("image", &source.sha256, LostReason::NotInFile);
        }
        if let Some(source) = &with.mask_image {
            restore.lose("mask_image", &source.sha256, LostReason::NotInFile);
        }
        restore.parameters = ImportedParameters {
            prompt: request.prompt,
            negative_prompt: request.negative_prompt,
            model: Some(record.model.to_string()),
            model_hash: record.model_hash.clone(),
            seed: request.seed,
            num_inference_steps: Some(request.num_inference_steps),
            guidance_scale: Some(request.guidance_scale),
            width: Some(request.width),
            height: Some(request.height),
            scheduler: request.scheduler,
            strength: with.strength,
            variation_seed: with.variation_seed,
            variation_strength: with.variation_strength,
            loras: with
                .loras
                .iter()
                .map(|lora| ImportedLora {
                    name: lora.model.to_string(),
                    weight: lora.weight,
                    text_encoder_weight: lora.text_encoder_weight,
                    hash: lora.sha256.clone(),
                })
                .collect(),
            prompt_weighting: with.prompt_weighting,
            hires: request.hires,
        };
        restore.finish(MetadataSource::Chapan)
    }
}
