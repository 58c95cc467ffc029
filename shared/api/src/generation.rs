//! The noun `generation`: a prompt and its parameters, and what came of them.

use serde::{Deserialize, Serialize};

use crate::id::{GenerationId, ModelId};
use crate::image::ImageView;
use crate::job::JobView;
use crate::validation::{Checker, FieldError};

/// Ranges of the parameters; server, browser and command line share them.
pub mod limits {
    /// Most characters of a prompt or a negative prompt.
    pub const PROMPT_CHARS: u64 = 2_000;
    /// Fewest denoising steps.
    pub const MIN_STEPS: u32 = 1;
    /// Most denoising steps.
    pub const MAX_STEPS: u32 = 150;
    /// Least guidance scale; at 1 and below the negative prompt has no effect.
    pub const MIN_GUIDANCE: f64 = 0.0;
    /// Greatest guidance scale.
    pub const MAX_GUIDANCE: f64 = 30.0;
    /// Smallest side in pixels.
    pub const MIN_SIDE: u32 = 64;
    /// Largest side in pixels.
    pub const MAX_SIDE: u32 = 2_048;
    /// Sides are multiples of this.
    pub const SIDE_STEP: u32 = 8;
    /// Seeds are below 2^53, so that every JSON reader keeps all their digits.
    pub const MAX_SEED: u64 = (1 << 53) - 1;
}

/// Scheduler ids in the order in which a picker shows them; `_k` means Karras sigmas.
pub const SCHEDULERS: &[&str] = &[
    "euler",
    "euler_k",
    "euler_a",
    "heun",
    "heun_k",
    "dpmpp_2m",
    "dpmpp_2m_k",
    "unipc",
    "unipc_k",
    "ddim",
    "lcm",
];

/// A request for a picture: `POST /api/generations`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateGeneration {
    /// What to draw. At most [`limits::PROMPT_CHARS`] characters; the encoders read 77 tokens.
    pub prompt: String,
    /// What to keep out. Absent is not the same as empty: absent lets the checkpoint use its own neutral condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// The model; absent means the server's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// The seed, `0..2^53`; absent means that the server chooses one and reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Denoising steps.
    #[serde(default = "default_steps")]
    pub num_inference_steps: u32,
    /// Classifier-free guidance: how strongly the prompt pulls.
    #[serde(default = "default_guidance")]
    pub guidance_scale: f64,
    /// Width in pixels.
    #[serde(default = "default_side")]
    pub width: u32,
    /// Height in pixels.
    #[serde(default = "default_side")]
    pub height: u32,
    /// One of [`SCHEDULERS`]; absent means the checkpoint's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<String>,
}

fn default_steps() -> u32 {
    20
}

fn default_guidance() -> f64 {
    5.0
}

fn default_side() -> u32 {
    128
}

impl Default for CreateGeneration {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: None,
            model: None,
            seed: None,
            num_inference_steps: default_steps(),
            guidance_scale: default_guidance(),
            width: default_side(),
            height: default_side(),
            scheduler: None,
        }
    }
}

impl CreateGeneration {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        if self.prompt.trim().is_empty() {
            check.fault("prompt", crate::validation::Rule::Required);
        }
        check.text("prompt", &self.prompt, limits::PROMPT_CHARS);
        if let Some(text) = &self.negative_prompt {
            check.text("negative_prompt", text, limits::PROMPT_CHARS);
        }
        if let Some(seed) = self.seed {
            check.number("seed", seed as f64, 0.0, limits::MAX_SEED as f64);
        }
        let steps = f64::from(self.num_inference_steps);
        check.number(
            "num_inference_steps",
            steps,
            f64::from(limits::MIN_STEPS),
            f64::from(limits::MAX_STEPS),
        );
        check.number("guidance_scale", self.guidance_scale, limits::MIN_GUIDANCE, limits::MAX_GUIDANCE);
        for (field, side) in [("width", self.width), ("height", self.height)] {
            check.number(field, f64::from(side), f64::from(limits::MIN_SIDE), f64::from(limits::MAX_SIDE));
            check.multiple(field, u64::from(side), u64::from(limits::SIDE_STEP));
        }
        if let Some(name) = &self.scheduler {
            check.name("scheduler", name, SCHEDULERS);
        }
        check.finish()
    }
}

/// A generation with its job and, when it succeeded, its picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GenerationView {
    /// The generation.
    pub id: GenerationId,
    /// What was asked, with the seed and model that were chosen.
    pub parameters: CreateGeneration,
    /// Its job.
    pub job: JobView,
    /// Its picture, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageView>,
    /// When it was asked for, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_need_only_a_prompt() {
        let request: CreateGeneration =
            serde_json::from_str(r#"{"prompt": "a man in a red shirt"}"#).unwrap();
        assert_eq!(request.validate(), Ok(()));
        assert_eq!((request.width, request.num_inference_steps), (128, 20));
    }

    #[test]
    fn every_hostile_number_is_refused() {
        let ok = CreateGeneration { prompt: "x".to_owned(), ..Default::default() };
        for (bad, field) in [
            (CreateGeneration { num_inference_steps: 0, ..ok.clone() }, "num_inference_steps"),
            (CreateGeneration { num_inference_steps: 1_000_000_000, ..ok.clone() }, "num_inference_steps"),
            (CreateGeneration { guidance_scale: f64::NAN, ..ok.clone() }, "guidance_scale"),
            (CreateGeneration { guidance_scale: f64::INFINITY, ..ok.clone() }, "guidance_scale"),
            (CreateGeneration { guidance_scale: -0.5, ..ok.clone() }, "guidance_scale"),
            (CreateGeneration { width: 7, ..ok.clone() }, "width"),
            (CreateGeneration { height: 10_000, ..ok.clone() }, "height"),
            (CreateGeneration { width: 132, ..ok.clone() }, "width"),
            (CreateGeneration { seed: Some(u64::MAX), ..ok.clone() }, "seed"),
            (CreateGeneration { prompt: "  ".to_owned(), ..ok.clone() }, "prompt"),
            (CreateGeneration { prompt: "a".repeat(100_000), ..ok.clone() }, "prompt"),
            (CreateGeneration { scheduler: Some("dpm".to_owned()), ..ok.clone() }, "scheduler"),
        ] {
            let faults = bad.validate().unwrap_err();
            assert_eq!(faults[0].field, field, "{bad:?}");
            assert!(!faults[0].hint().is_empty());
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(serde_json::from_str::<CreateGeneration>(r#"{"prompt": "x", "cfg": 3}"#).is_err());
    }
}
