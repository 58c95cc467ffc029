//! `lora_adapter_metadata`: the configuration that PEFT and diffusers save beside the tensors, as far as it changes results.

use serde_json::{Map, Value};

use super::aliases::Component;
use super::error::LoraFault;
use crate::weights::TensorSource;

const KEY: &str = "lora_adapter_metadata";
/// The longest text that is parsed; real ones have a few kilobytes.
const MAX_BYTES: usize = 4_000_000;

/// The configuration of all components; empty where the file has none.
#[derive(Debug, Default)]
pub(super) struct AdapterMetadata(Map<String, Value>);

impl AdapterMetadata {
    pub fn of(source: &dyn TensorSource) -> Result<Self, LoraFault> {
        let Some(text) = source.metadata(KEY) else { return Ok(Self::default()) };
        if text.len() > MAX_BYTES {
            return Err(refusal(format!("it is {} bytes long, at most {MAX_BYTES} are read", text.len())));
        }
        let values = serde_json::from_str(text).map_err(|error| refusal(error.to_string()))?;
        Ok(Self(values))
    }

    fn value(&self, component: Component, name: &str) -> Option<&Value> {
        self.0.get(&format!("{}.{name}", component.folder())).filter(|value| !value.is_null())
    }

    /// What the factors of layer `path` are multiplied with, by PEFT's rules; `None` if the metadata says nothing.
    pub fn scale(&self, component: Component, path: &str, rank: usize) -> Result<Option<f64>, LoraFault> {
        let Some(usual) = self.value(component, "lora_alpha") else { return Ok(None) };
        let mut alpha = number(usual)?;
        if let Some(patterns) = self.value(component, "alpha_pattern") {
            let patterns =
                patterns.as_object().ok_or_else(|| refusal("`alpha_pattern` is no object".into()))?;
            for (pattern, value) in patterns {
                if fits(pattern, path)? {
                    alpha = number(value)?;
                    break;
                }
            }
        }
        let rooted = self.value(component, "use_rslora").and_then(Value::as_bool).unwrap_or(false);
        Ok(Some(if rooted { alpha / (rank as f64).sqrt() } else { alpha / rank as f64 }))
    }
}

fn number(value: &Value) -> Result<f64, LoraFault> {
    value.as_f64().ok_or_else(|| refusal(format!("alpha is `{value}`")))
}

/// Whether a pattern is for a layer: PEFT takes it as a regular expression for the end of the path, behind a dot or as a
/// whole. Patterns that are written in practice are paths with nothing but dots in them.
fn fits(pattern: &str, path: &str) -> Result<bool, LoraFault> {
    let anchored = pattern.strip_prefix('^');
    let plain = anchored.unwrap_or(pattern).trim_end_matches('$').replace("\\.", ".");
    if plain.contains(['\\', '^', '$', '*', '+', '?', '(', ')', '[', ']', '{', '}', '|']) {
        return Err(refusal(format!("the pattern `{}`", pattern.chars().take(80).collect::<String>())));
    }
    let before = path.strip_suffix(&plain);
    Ok(before.is_some_and(|before| before.is_empty() || (anchored.is_none() && before.ends_with('.'))))
}

fn refusal(fault: String) -> LoraFault {
    LoraFault::Metadata { key: KEY, fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(json: &str, path: &str, rank: usize) -> Option<f64> {
        AdapterMetadata(serde_json::from_str(json).unwrap()).scale(Component::Unet, path, rank).unwrap()
    }

    #[test]
    fn alphas_follow_pefts_rules() {
        let json = r#"{"unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_q": 2, "^mid.to_q": 6}, "text_encoder.r": 4}"#;
        assert_eq!(scale(json, "a.attn1.to_k", 4), Some(2.0));
        assert_eq!(scale(json, "a.attn1.to_q", 4), Some(0.5));
        assert_eq!(scale(json, "mid.to_q", 3), Some(2.0));
        assert_eq!(scale(json, "a.mid.to_q", 4), Some(2.0));
        assert_eq!(scale("{}", "a", 4), None);
        assert_eq!(scale(r#"{"unet.lora_alpha": 8, "unet.use_rslora": true}"#, "a", 4), Some(4.0));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for json in
            [r#"{"unet.lora_alpha": "x"}"#, r#"{"unet.lora_alpha": 1, "unet.alpha_pattern": {"a.*b": 2}}"#]
        {
            let metadata = AdapterMetadata(serde_json::from_str(json).unwrap());
            assert!(metadata.scale(Component::Unet, "a", 4).is_err());
        }
    }
}
