//! `model_index.json`: which components a pipeline has, and its own settings.

use serde_json::{Map, Value};

use crate::{Error, Result};

/// Pipelines of diffusers that share SDXL's components.
const CLASSES: [&str; 3] =
    ["StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline"];

/// The file, parsed.
#[derive(Clone, Debug)]
pub(super) struct ModelIndex {
    values: Map<String, Value>,
}

impl ModelIndex {
    pub(super) fn parse(bytes: Option<Vec<u8>>) -> Result<Self> {
        let hint = "give a folder in diffusers layout, with `model_index.json` at its top";
        let bytes = bytes.ok_or_else(|| Error::config("pipeline", "there is no `model_index.json`", hint))?;
        let values: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|error| {
            Error::config("pipeline", format!("`model_index.json` is not understood: {error}"), hint)
        })?;
        let class = values.get("_class_name").and_then(Value::as_str);
        if let Some(class) = class.filter(|class| !CLASSES.contains(class)) {
            return Err(Error::config(
                "pipeline",
                format!("`model_index.json` names `{class}`"),
                format!("this pipeline loads {}", CLASSES.map(|class| format!("`{class}`")).join(", ")),
            ));
        }
        let index = Self { values };
        if index.flag("requires_aesthetics_score", false) {
            return Err(Error::config(
                "pipeline",
                "the checkpoint is a refiner, which needs a picture to start from",
                "use the base model for text to image",
            ));
        }
        Ok(index)
    }

    /// The class of a component; `None` for one that the checkpoint does without (`[null, null]`). A component that the file
    /// does not list is expected when `default` names its class.
    pub(super) fn class(&self, component: &str, default: Option<&'static str>) -> Option<&str> {
        match self.values.get(component) {
            Some(Value::Array(pair)) => pair.get(1).and_then(Value::as_str),
            Some(_) => None,
            None => default,
        }
    }

    /// A setting of the pipeline itself.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        self.values.get(key).and_then(Value::as_bool).unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_can_be_absent_or_unlisted() {
        let json = br#"{"_class_name": "StableDiffusionXLPipeline", "text_encoder": [null, null],
            "scheduler": ["diffusers", "DDIMScheduler"], "force_zeros_for_empty_prompt": false}"#;
        let index = ModelIndex::parse(Some(json.to_vec())).expect("parses");
        assert_eq!(index.class("text_encoder", Some("CLIPTextModel")), None);
        assert_eq!(index.class("text_encoder_2", Some("CLIPTextModel")), Some("CLIPTextModel"));
        assert_eq!(index.class("scheduler", None), Some("DDIMScheduler"));
        assert!(!index.flag("force_zeros_for_empty_prompt", true));
    }

    #[test]
    fn other_pipelines_are_refused_by_name() {
        let refusal =
            ModelIndex::parse(Some(br#"{"_class_name": "FluxPipeline"}"#.to_vec())).expect_err("not SDXL");
        assert!(refusal.to_string().contains("`FluxPipeline`"));
        assert!(ModelIndex::parse(None).expect_err("no file").to_string().contains("model_index.json"));
    }
}
