//! SwarmUI: JSON under `parameters`, with the parameters under `sui_image_params`.

use serde_json::Value;

use super::restore::Restore;
use super::{Imported, LostReason, MetadataSource};

/// Keys that say nothing about the picture.
const OF_NO_INTEREST: [&str; 6] =
    ["swarm_version", "images", "aspectratio", "date", "generation_time", "donotsave"];

/// Reads a text. `None`: it is not one of these.
pub(super) fn read(text: &str) -> Option<Imported> {
    let whole: Value = serde_json::from_str(text).ok()?;
    let said = whole.get("sui_image_params")?.as_object()?;
    let mut restore = Restore::new();
    // Numbers are written as numbers or as texts, depending on the version.
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(f64::NAN);
    if let (Some(width), Some(height)) = (said.get("width"), said.get("height")) {
        restore.size("size", number(width), number(height));
    }
    if let Some(sampler) = said.get("sampler").and_then(Value::as_str) {
        restore.scheduler(sampler, said.get("scheduler").and_then(Value::as_str));
    }
    for (key, value) in said {
        match (key.as_str(), value) {
            ("prompt", Value::String(text)) => restore.prompt(text, true),
            ("negativeprompt", Value::String(text)) => restore.negative_prompt(text, true),
            ("seed", Value::Number(_)) => restore.seed(key, &value.to_string()),
            ("seed", Value::String(text)) => restore.seed(key, text),
            ("variationseed", _) => restore.variation_seed(key, value.to_string().trim_matches('"')),
            ("variationseedstrength", _) => restore.variation_strength(key, number(value)),
            ("steps", _) => restore.steps(key, number(value)),
            ("cfgscale", _) => restore.guidance(key, number(value)),
            ("initimagecreativity", _) => restore.strength(key, number(value)),
            ("model", Value::String(name)) => restore.model(name),
            ("loras", Value::Array(names)) => loras(names, said.get("loraweights"), &mut restore),
            ("width" | "height" | "sampler" | "scheduler" | "loraweights", _) => {}
            (key, _) if OF_NO_INTEREST.contains(&key) => {}
            _ => restore.lose_json(key, value, LostReason::NotSupported),
        }
    }
    if restore.parameters.variation_strength.is_none() {
        restore.parameters.variation_seed = None;
    }
    restore.parameters.model_hash = model_hash(&whole);
    Some(restore.finish(MetadataSource::SwarmUi))
}

fn loras(names: &[Value], weights: Option<&Value>, restore: &mut Restore) {
    let weight = |index: usize| {
        let value = weights?.as_array()?.get(index)?;
        value.as_f64().or_else(|| value.as_str()?.parse().ok())
    };
    for (index, name) in names.iter().enumerate() {
        match name.as_str() {
            Some(name) => restore.lora(name, weight(index).unwrap_or(1.0), None, None),
            None => restore.lose_json("loras", name, LostReason::Malformed),
        }
    }
}

fn model_hash(whole: &Value) -> Option<String> {
    let models = whole["sui_models"].as_array()?;
    let model = models.iter().find(|model| model["param"] == "model")?;
    Some(model["hash"].as_str()?.chars().take(80).collect())
}
