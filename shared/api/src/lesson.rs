//! The noun `lesson`: texts and checks as data (`assets/lessons`), and a student's progress.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A text in the three languages, by language code (`en`, `ru`, `kk`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Text {
    /// English.
    pub en: String,
    /// Russian.
    pub ru: String,
    /// Kazakh.
    pub kk: String,
}

/// What a step asks the studio to check by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "check", rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// The same parameters and seed, run twice, give the same pixels.
    IdenticalPictures,
    /// Two seeds give pictures whose SSIM is below `below`.
    DifferentSeed {
        /// SSIM that the two pictures must stay under.
        below: f64,
    },
    /// Two values of one field give pictures whose SSIM is below `below`.
    Different {
        /// The field of `CreateGeneration`.
        field: String,
        /// SSIM that the two pictures must stay under.
        below: f64,
    },
    /// Two values of one field give pictures whose SSIM is above `above`, and the values do differ.
    Similar {
        /// The field of `CreateGeneration`.
        field: String,
        /// SSIM that the two pictures must exceed.
        above: f64,
    },
    /// The second picture begins from the first and is neither the same nor unrecognisable.
    Kept {
        /// SSIM that the two pictures must exceed.
        above: f64,
        /// SSIM that they must stay under.
        below: f64,
    },
    /// The second picture repaints the first under a mask: outside no pixel differs, inside enough of them do.
    Repainted {
        /// Share of the masked pixels that must differ, 0 to 1.
        changed: f64,
    },
    /// The second picture is the first, enlarged.
    Enlarged {
        /// How often as wide and as high.
        scale: u32,
        /// Greatest mean difference of the colour values, 0 to 255, once it is made small again.
        most: f64,
    },
}

/// What must be installed for a step to make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// A LoRA of a style.
    LoraStyle,
    /// A LoRA of a character.
    LoraCharacter,
}

/// An attribute of the drawing world that a prompt should say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WantedFeature {
    /// The group, such as `clothing`.
    pub group: String,
    /// The value, such as `orange chapan`.
    pub value: String,
}

/// One step of a lesson: one idea, the knobs of that idea, a task and a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    /// Stable name within the lesson; part of the address.
    pub id: String,
    /// Headline.
    pub title: Text,
    /// The idea, in two or three sentences.
    pub idea: Text,
    /// What to do.
    pub task: Text,
    /// Parameters the step starts with.
    pub start: crate::generation::CreateGeneration,
    /// Parameters the second picture starts with, where they are others. A picture to begin from, and a mask, come from the
    /// student.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<crate::generation::CreateGeneration>,
    /// What must be installed; without it the step is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Need>,
    /// What the prompt should say; the prompt check shows how much of it CLIP finds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<WantedFeature>,
    /// Names of the fields of `CreateGeneration` that the step shows; `mask` is the mask of the student's own.
    pub knobs: Vec<String>,
    /// What is checked.
    #[serde(flatten)]
    pub check: Check,
}

/// A lesson.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// Stable name; part of the address.
    pub id: String,
    /// Headline.
    pub title: Text,
    /// What it is about.
    pub summary: Text,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// A student's progress in one lesson: step id to the time it was done, in milliseconds since 1970 UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LessonProgress {
    /// Finished steps.
    pub done: BTreeMap<String, i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_with_its_check() {
        let text = r#"{"en": "a", "ru": "b", "kk": "c"}"#;
        let step = |check: &str| {
            format!(
                r#"{{"id": "s", "title": {text}, "idea": {text}, "task": {text},
                    "start": {{"prompt": "x"}}, "knobs": ["seed"], {check}}}"#
            )
        };
        let same: Step = serde_json::from_str(&step(r#""check": "identical_pictures""#)).unwrap();
        assert_eq!(same.check, Check::IdenticalPictures);
        let other: Step = serde_json::from_str(&step(r#""check": "different_seed", "below": 0.7"#)).unwrap();
        assert_eq!(other.check, Check::DifferentSeed { below: 0.7 });
        let repainted: Step = serde_json::from_str(&step(r#""check": "repainted", "changed": 0.2"#)).unwrap();
        assert_eq!(repainted.check, Check::Repainted { changed: 0.2 });
        let misspelt = step(r#""check": "different_seed", "under": 0.7"#);
        assert!(serde_json::from_str::<Step>(&misspelt).is_err());
        let json = serde_json::to_string(&other).unwrap();
        assert_eq!(serde_json::from_str::<Step>(&json).unwrap(), other);
    }
}
