//! One axis of a grid: a parameter and the values it takes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::limits;
use crate::generation::{CreateGeneration, Hires, MaskedContent};
use crate::id::ModelId;
use crate::validation::{Checker, Rule};

/// One axis of a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GridAxis {
    /// What changes.
    pub parameter: GridParameter,
    /// With `prompt`: the text that each value replaces, wherever it stands in the prompts. Without it a value is the
    /// whole prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// With `lora_weight`: which of the LoRAs of the base; absent means the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<ModelId>,
    /// The values, in order.
    pub values: Vec<AxisValue>,
}

/// A parameter that an axis can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each is the field of `CreateGeneration` of the same name; a LoRA is named by the axis, and the last two are fields of `hires`"
)]
pub enum GridParameter {
    Prompt,
    NegativePrompt,
    Model,
    Seed,
    NumInferenceSteps,
    GuidanceScale,
    Width,
    Height,
    Scheduler,
    Strength,
    MaskBlur,
    PaddingMaskCrop,
    MaskedContent,
    VariationSeed,
    VariationStrength,
    PromptWeighting,
    LoraWeight,
    HiresScale,
    HiresStrength,
}

/// A value of an axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum AxisValue {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

impl fmt::Display for AxisValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl GridAxis {
    /// The words before a value on the sheet: the parameter's own name.
    pub fn name(&self) -> &'static str {
        self.parameter.field()
    }

    pub(super) fn check(&self, name: &str, base: &CreateGeneration, check: &mut Checker) {
        let field = |part: &str| format!("{name}.{part}");
        if self.values.is_empty() {
            check.fault(&field("values"), Rule::Required);
        }
        check.count(&field("values"), self.values.len(), limits::VALUES);
        for (index, value) in self.values.iter().take(limits::VALUES as usize).enumerate() {
            if let AxisValue::Text(text) = value {
                check.text(&field(&format!("values[{index}]")), text, limits::VALUE_CHARS);
            }
        }
        if let Some(search) = &self.search {
            if self.parameter != GridParameter::Prompt {
                check.fault(&field("search"), Rule::Needs { other: "parameter: prompt".to_owned() });
            }
            let negative = base.negative_prompt.as_deref().unwrap_or_default();
            if search.is_empty() {
                check.fault(&field("search"), Rule::Required);
            } else if !base.prompt.contains(search.as_str()) && !negative.contains(search.as_str()) {
                let got = search.chars().take(64).collect();
                check.fault(&field("search"), Rule::NotFound { got });
            }
            check.text(&field("search"), search, limits::VALUE_CHARS);
        }
        if self.lora.is_some() && self.parameter != GridParameter::LoraWeight {
            check.fault(&field("lora"), Rule::Needs { other: "parameter: lora_weight".to_owned() });
        }
    }

    /// Whether this axis gives the field its value.
    pub(super) fn sets(&self, field: &str) -> bool {
        match self.parameter {
            GridParameter::LoraWeight => field.starts_with("loras["),
            parameter => parameter.field() == field,
        }
    }

    /// Puts the value at `index` into a request.
    pub(super) fn apply(&self, index: usize, request: &mut CreateGeneration) -> Result<(), Rule> {
        let value = &self.values[index];
        match self.parameter {
            GridParameter::Prompt => self.reword(value, request),
            GridParameter::NegativePrompt => request.negative_prompt = Some(value.text()?),
            GridParameter::Model => request.model = Some(ModelId::new(value.text()?)),
            GridParameter::Seed => request.seed = Some(value.whole()?),
            GridParameter::NumInferenceSteps => request.num_inference_steps = value.count()?,
            GridParameter::GuidanceScale => request.guidance_scale = value.number()?,
            GridParameter::Width => request.width = value.count()?,
            GridParameter::Height => request.height = value.count()?,
            GridParameter::Scheduler => request.scheduler = Some(value.text()?),
            GridParameter::Strength => request.strength = Some(value.number()?),
            GridParameter::MaskBlur => request.mask_blur = Some(value.number()?),
            GridParameter::PaddingMaskCrop => request.padding_mask_crop = Some(value.count()?),
            GridParameter::MaskedContent => request.masked_content = Some(value.masked_content()?),
            GridParameter::VariationSeed => request.variation_seed = Some(value.whole()?),
            GridParameter::VariationStrength => request.variation_strength = Some(value.number()?),
            GridParameter::PromptWeighting => request.prompt_weighting = value.flag()?,
            GridParameter::LoraWeight => {
                let weight = value.number()?;
                let mut loras = request.loras.iter_mut();
                let found = loras.find(|lora| self.lora.as_ref().is_none_or(|id| lora.model == *id));
                let other = "base.loras".to_owned();
                found.ok_or(Rule::Needs { other })?.weight = weight;
            }
            GridParameter::HiresScale => second_pass(request)?.scale = value.number()?,
            GridParameter::HiresStrength => second_pass(request)?.strength = value.number()?,
        }
        Ok(())
    }

    /// The prompt of one cell: another text, or the same with some words replaced.
    fn reword(&self, value: &AxisValue, request: &mut CreateGeneration) {
        let text = value.to_string();
        let Some(search) = &self.search else {
            request.prompt = text;
            return;
        };
        request.prompt = request.prompt.replace(search.as_str(), &text);
        if let Some(negative) = &mut request.negative_prompt {
            *negative = negative.replace(search.as_str(), &text);
        }
    }
}

/// The second pass of a request, which an axis changes but does not bring in.
fn second_pass(request: &mut CreateGeneration) -> Result<&mut Hires, Rule> {
    request.hires.as_mut().ok_or_else(|| Rule::Needs { other: "base.hires".to_owned() })
}

impl GridParameter {
    /// The field of `CreateGeneration`.
    fn field(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::NegativePrompt => "negative_prompt",
            Self::Model => "model",
            Self::Seed => "seed",
            Self::NumInferenceSteps => "num_inference_steps",
            Self::GuidanceScale => "guidance_scale",
            Self::Width => "width",
            Self::Height => "height",
            Self::Scheduler => "scheduler",
            Self::Strength => "strength",
            Self::MaskBlur => "mask_blur",
            Self::PaddingMaskCrop => "padding_mask_crop",
            Self::MaskedContent => "masked_content",
            Self::VariationSeed => "variation_seed",
            Self::VariationStrength => "variation_strength",
            Self::PromptWeighting => "prompt_weighting",
            Self::LoraWeight => "lora_weight",
            Self::HiresScale => "hires.scale",
            Self::HiresStrength => "hires.strength",
        }
    }
}

impl AxisValue {
    fn wrong(&self, expected: &str) -> Rule {
        let got = self.to_string().chars().take(64).collect();
        Rule::WrongKind { expected: expected.to_owned(), got }
    }

    fn text(&self) -> Result<String, Rule> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            _ => Err(self.wrong("text")),
        }
    }

    fn flag(&self) -> Result<bool, Rule> {
        match self {
            Self::Flag(flag) => Ok(*flag),
            _ => Err(self.wrong("yes or no (true or false)")),
        }
    }

    fn number(&self) -> Result<f64, Rule> {
        match self {
            Self::Number(number) => Ok(*number),
            _ => Err(self.wrong("number")),
        }
    }

    fn whole(&self) -> Result<u64, Rule> {
        let number = self.number()?;
        // Above 2^53 not every whole number has a value of its own.
        let is_whole = number.fract() == 0.0 && (0.0..=9_007_199_254_740_991.0).contains(&number);
        if is_whole { Ok(number as u64) } else { Err(self.wrong("whole number from 0")) }
    }

    fn count(&self) -> Result<u32, Rule> {
        self.whole()?.try_into().map_err(|_| self.wrong("whole number of that size"))
    }

    fn masked_content(&self) -> Result<MaskedContent, Rule> {
        let text = self.text()?;
        match text.as_str() {
            "original" => Ok(MaskedContent::Original),
            "noise" => Ok(MaskedContent::Noise),
            _ => {
                let allowed = vec!["original".to_owned(), "noise".to_owned()];
                Err(Rule::UnknownName { got: text, allowed })
            }
        }
    }
}
