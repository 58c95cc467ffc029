//! A checkpoint's `scheduler_config.json`, and building any algorithm from it.

use serde_json::{Map, Value};

use crate::schedulers::noise_schedule::{BetaDefaults, ZeroSnr};
use crate::schedulers::{
    Ddim, Dpmpp2m, Euler, EulerA, Heun, Lcm, NoiseSchedule, Scheduler, SchedulerName, UniPc,
};
use crate::{Error, Result};

/// The configuration of a checkpoint's scheduler: a class of diffusers and the values its file states.
///
/// A file is written for one class, yet any algorithm can be built from it. As in diffusers, values that the file states carry
/// over by name; values it does not state take the default *of the algorithm being built*, not of the file's class.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerConfig {
    class: String,
    values: Map<String, Value>,
}

impl SchedulerConfig {
    /// Reads the file. `class` is what `model_index.json` names; without it the file's own `_class_name` is taken.
    pub fn from_json(bytes: &[u8], class: Option<&str>) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|source| {
            Error::config(
                "scheduler",
                format!("is not UTF-8: {source}"),
                "take the file from the checkpoint again",
            )
        })?;
        let parsed = serde_json::from_str(&quote_non_finite(text)).map_err(|source| {
            Error::config(
                "scheduler",
                format!("does not parse: {source}"),
                "take the file from the checkpoint again",
            )
        })?;
        let Value::Object(mut values) = parsed else {
            return Err(Error::config(
                "scheduler",
                "is not a JSON object",
                "take the file from the checkpoint again",
            ));
        };
        if let Some(Value::Array(defaults)) = values.remove("_use_default_values") {
            for key in defaults.iter().filter_map(Value::as_str) {
                values.remove(key);
            }
        }
        let class = class
            .or_else(|| values.get("_class_name").and_then(Value::as_str))
            .unwrap_or("EulerDiscreteScheduler");
        Ok(Self { class: class.to_owned(), values })
    }

    /// What SDXL base 1.0 ships: for checkpoints in the original single-file layout, which carry no configuration.
    pub fn sdxl() -> Self {
        let mut values = Map::new();
        for (key, value) in [
            ("beta_start", Value::from(0.00085)),
            ("beta_end", Value::from(0.012)),
            ("beta_schedule", Value::from("scaled_linear")),
            ("timestep_spacing", Value::from("leading")),
            ("steps_offset", Value::from(1)),
            ("num_train_timesteps", Value::from(1000)),
            ("prediction_type", Value::from("epsilon")),
            ("interpolation_type", Value::from("linear")),
            ("use_karras_sigmas", Value::from(false)),
            ("clip_sample", Value::from(false)),
            ("set_alpha_to_one", Value::from(false)),
            ("sample_max_value", Value::from(1.0)),
        ] {
            values.insert(key.to_owned(), value);
        }
        Self { class: "EulerDiscreteScheduler".to_owned(), values }
    }

    /// The class of diffusers that the checkpoint names.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// The checkpoint's own algorithm by our name, Karras variant where its file says so.
    pub fn own_name(&self) -> Result<SchedulerName> {
        let karras = self.flag("use_karras_sigmas", false)?;
        let choose = |plain, k| if karras { k } else { plain };
        match self.class.as_str() {
            "DDIMScheduler" => Ok(SchedulerName::Ddim),
            "EulerDiscreteScheduler" => Ok(choose(SchedulerName::Euler, SchedulerName::EulerK)),
            "EulerAncestralDiscreteScheduler" => Ok(SchedulerName::EulerA),
            "HeunDiscreteScheduler" => Ok(choose(SchedulerName::Heun, SchedulerName::HeunK)),
            "DPMSolverMultistepScheduler" => Ok(choose(SchedulerName::Dpmpp2m, SchedulerName::Dpmpp2mK)),
            "UniPCMultistepScheduler" => Ok(choose(SchedulerName::Unipc, SchedulerName::UnipcK)),
            "LCMScheduler" => Ok(SchedulerName::Lcm),
            other => Err(Error::config(
                "scheduler",
                format!("the checkpoint's own class is `{other}`, which is not built in"),
                format!(
                    "name one yourself: {}",
                    SchedulerName::ALL.map(|name| format!("`{name}`")).join(", ")
                ),
            )),
        }
    }

    /// Sets up an algorithm for `num_inference_steps`: `name`, or the checkpoint's own.
    ///
    /// # Errors
    /// When the configuration holds something the algorithm does not know, or the number of steps does not fit it.
    pub fn build(
        &self,
        name: Option<SchedulerName>,
        num_inference_steps: usize,
    ) -> Result<Box<dyn Scheduler>> {
        let name = name.map_or_else(|| self.own_name(), Ok)?;
        let mut config = self.clone();
        if name.is_karras() {
            config.values.insert("use_karras_sigmas".to_owned(), Value::Bool(true));
        }
        let steps = num_inference_steps;
        Ok(match name {
            SchedulerName::Ddim => Box::new(Ddim::new(&config, steps)?),
            SchedulerName::Euler | SchedulerName::EulerK => Box::new(Euler::new(&config, steps)?),
            SchedulerName::EulerA => Box::new(EulerA::new(&config, steps)?),
            SchedulerName::Heun | SchedulerName::HeunK => Box::new(Heun::new(&config, steps)?),
            SchedulerName::Dpmpp2m | SchedulerName::Dpmpp2mK => Box::new(Dpmpp2m::new(&config, steps)?),
            SchedulerName::Unipc | SchedulerName::UnipcK => Box::new(UniPc::new(&config, steps)?),
            SchedulerName::Lcm => Box::new(Lcm::new(&config, steps)?),
        })
    }

    /// The noise that the checkpoint is trained with, as diffusers' `DDPMScheduler` reads the file.
    ///
    /// # Errors
    /// When the file's betas make no sense.
    pub fn training_schedule(&self) -> Result<NoiseSchedule> {
        NoiseSchedule::new(self, &BetaDefaults::LINEAR, ZeroSnr::Exact)
    }

    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn flag(&self, key: &'static str, default: bool) -> Result<bool> {
        self.get(key, default, "`true` or `false`", Value::as_bool)
    }

    pub(super) fn number(&self, key: &'static str, default: f64) -> Result<f64> {
        self.get(key, default, "a number", as_number)
    }

    pub(super) fn optional_number(&self, key: &'static str) -> Result<Option<f64>> {
        self.get(key, None, "a number or null", |value| as_number(value).map(Some))
    }

    pub(super) fn integer(&self, key: &'static str, default: i64) -> Result<i64> {
        let integral = |value: &Value| {
            value.as_i64().or_else(|| value.as_f64().filter(|v| v.fract() == 0.0).map(|v| v as i64))
        };
        self.get(key, default, "a whole number", integral)
    }

    pub(super) fn word<'a>(&'a self, key: &'static str, default: &'a str) -> Result<&'a str> {
        self.get(key, default, "a string", Value::as_str)
    }

    fn get<'a, T>(
        &'a self,
        key: &str,
        default: T,
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<T> {
        match self.value(key) {
            None => Ok(default),
            Some(value) => read(value).ok_or_else(|| {
                Error::config("scheduler", format!("`{key}` is `{value}`"), format!("it must be {wanted}"))
            }),
        }
    }

    /// Refuses what asks for a variant that is not built in.
    pub(super) fn refuse(&self, keys: &[&'static str]) -> Result<()> {
        for key in keys {
            if self.flag(key, false)? {
                return Err(Error::config(
                    "scheduler",
                    format!("`{key}` is `true`, which is not built in"),
                    "choose another scheduler, or Karras noise levels with a name ending in `_k`",
                ));
            }
        }
        Ok(())
    }
}

fn as_number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some("Infinity") => Some(f64::INFINITY),
        Some("NaN") => Some(f64::NAN),
        _ => value.as_f64(),
    }
}

/// Python writes `-Infinity`, `Infinity` and `NaN` bare, which is no JSON: `lambda_min_clipped` of DPM-Solver files is such.
fn quote_non_finite(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(c) = rest.chars().next() {
        if in_string {
            let take = if c == '\\' { rest.chars().take(2).map(char::len_utf8).sum() } else { c.len_utf8() };
            in_string = c != '"';
            out.push_str(&rest[..take]);
            rest = &rest[take..];
            continue;
        }
        if let Some(word) = ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| rest.starts_with(word)) {
            out.extend(["\"", word, "\""]);
            rest = &rest[word.len()..];
            continue;
        }
        in_string = c == '"';
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_of_python_are_read() {
        let json = br#"{"lambda_min_clipped": -Infinity, "note": "NaN \" Infinity", "_class_name": "DPMSolverMultistepScheduler"}"#;
        let config = SchedulerConfig::from_json(json, None).expect("reads");
        assert_eq!(config.number("lambda_min_clipped", 0.0).ok(), Some(f64::NEG_INFINITY));
        assert_eq!(config.word("note", "").ok(), Some("NaN \" Infinity"));
        assert_eq!(config.own_name().ok(), Some(SchedulerName::Dpmpp2m));
    }

    #[test]
    fn model_index_decides_the_class_and_unstated_values_stay_unstated() {
        let json = br#"{"_class_name": "DDIMScheduler", "clip_sample": true, "_use_default_values": ["clip_sample"]}"#;
        let config = SchedulerConfig::from_json(json, Some("EulerDiscreteScheduler")).expect("reads");
        assert_eq!(config.own_name().ok(), Some(SchedulerName::Euler));
        assert!(config.value("clip_sample").is_none());
    }

    #[test]
    fn an_unknown_class_is_refused_only_when_it_is_asked_for() {
        let config = SchedulerConfig::from_json(br#"{"_class_name": "PNDMScheduler"}"#, None).expect("reads");
        let refusal = config.build(None, 4).err().expect("not built in").to_string();
        assert!(refusal.contains("`PNDMScheduler`") && refusal.contains("`dpmpp_2m`"), "{refusal}");
        assert!(config.build(Some(SchedulerName::Euler), 4).is_ok());
    }

    #[test]
    fn wrong_types_are_named() {
        let config = SchedulerConfig::from_json(br#"{"beta_start": "small"}"#, None).expect("reads");
        let refusal = config.build(None, 4).err().expect("a string is no number").to_string();
        assert!(refusal.contains("`beta_start` is `\"small\"`"), "{refusal}");
    }
}
