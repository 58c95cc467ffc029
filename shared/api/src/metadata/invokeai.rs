//! InvokeAI: a flat JSON object under `invokeai_metadata`.

use serde_json::Value;

use super::restore::Restore;
use super::{Imported, LostReason, MetadataSource};

/// Keys that say nothing about the picture.
const OF_NO_INTEREST: [&str; 7] = [
    "app_version",
    "created_by",
    "generation_mode",
    "ref_images",
    "canvas_v2_metadata",
    "rand_device",
    "_canvas_objects",
];

/// Reads a text. `None`: it is not one of these.
pub(super) fn read(text: &str) -> Option<Imported> {
    let Value::Object(said) = serde_json::from_str(text).ok()? else { return None };
    if !said.contains_key("positive_prompt") && !said.contains_key("seed") {
        return None;
    }
    let mut restore = Restore::new();
    let number = |key: &str| said.get(key).and_then(Value::as_f64);
    if let (Some(width), Some(height)) = (number("width"), number("height")) {
        restore.size("size", width, height);
    }
    if said.get("rand_device").and_then(Value::as_str).is_some_and(|device| device != "cpu") {
        restore.lose_json("rand_device", &said["rand_device"], LostReason::NotSupported);
    }
    for (key, value) in &said {
        match (key.as_str(), value) {
            ("positive_prompt", Value::String(text)) => restore.prompt(text, false),
            ("negative_prompt", Value::String(text)) => restore.negative_prompt(text, false),
            ("seed", Value::Number(seed)) => restore.seed(key, &seed.to_string()),
            ("steps", Value::Number(_)) => restore.steps(key, value.as_f64().unwrap_or(f64::NAN)),
            ("cfg_scale", Value::Number(_)) => restore.guidance(key, value.as_f64().unwrap_or(f64::NAN)),
            ("scheduler", Value::String(name)) => restore.scheduler(name, None),
            ("strength", Value::Number(_)) => restore.strength(key, value.as_f64().unwrap_or(f64::NAN)),
            ("model", Value::Object(_)) => model(value, &mut restore),
            ("loras", Value::Array(loras)) => loras.iter().for_each(|lora| add_lora(lora, &mut restore)),
            ("width" | "height", Value::Number(_)) | (_, Value::Null) => {}
            (key, _) if OF_NO_INTEREST.contains(&key) => {}
            (_, Value::Array(list)) if list.is_empty() => {}
            ("clip_skip" | "cfg_rescale_multiplier", value) if value.as_f64() == Some(0.0) => {}
            ("seamless_x" | "seamless_y" | "hrf_enabled", Value::Bool(false)) => {}
            _ => restore.lose_json(key, value, LostReason::NotSupported),
        }
    }
    Some(restore.finish(MetadataSource::InvokeAi))
}

/// The text under the newer or the older key.
fn text<'a>(value: &'a Value, newer: &str, older: &str) -> Option<&'a str> {
    value[newer].as_str().or_else(|| value[older].as_str())
}

fn model(value: &Value, restore: &mut Restore) {
    if let Some(name) = text(value, "name", "model_name") {
        restore.model(name);
    }
    restore.parameters.model_hash = value["hash"].as_str().map(|hash| hash.chars().take(80).collect());
}

fn add_lora(value: &Value, restore: &mut Restore) {
    let model = if value["model"].is_object() { &value["model"] } else { &value["lora"] };
    match (text(model, "name", "model_name"), value["weight"].as_f64()) {
        (Some(name), Some(weight)) => {
            let hash = model["hash"].as_str().map(|hash| hash.chars().take(80).collect());
            restore.lora(name, weight, None, hash);
        }
        _ => restore.lose_json("loras", value, LostReason::Malformed),
    }
}
