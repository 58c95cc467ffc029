//! The noun `training`: a LoRA learns from a few pictures. What a run tells while it goes on, and what is found before it
//! begins.

mod request;
mod usual;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use request::{
    CreateTraining, LearningRateSchedule, MakeWish, Prior, TrainingTarget, TrainingView, TrainingWish, limits,
};
pub use usual::Usual;

/// What a running training tells, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TrainingEvent {
    /// It begins, or goes on.
    Started {
        /// Steps that were done before: 0, or those of the checkpoint it goes on from.
        step: u64,
        /// Steps in all.
        max_train_steps: u64,
        /// Pictures that are learnt.
        references: u64,
        /// Pictures of prior preservation.
        class_pictures: u64,
        /// Pictures that are only measured with.
        held_out: u64,
        /// Trained numbers.
        parameters: u64,
    },
    /// A step is done.
    Step {
        /// Which one, from 1.
        step: u64,
        /// Mean loss of its pictures.
        loss: f64,
        /// The UNet's learning rate.
        lr: f64,
        /// Length of the gradient before it was clipped.
        grad_norm: f64,
    },
    /// The held-out pictures were measured with the same noise and times as always.
    Validation {
        /// After which step; 0 before the first.
        step: u64,
        /// Mean loss.
        loss: f64,
    },
    /// A sample was drawn.
    Sample {
        /// After which step; 0 before the first.
        step: u64,
        /// What was drawn.
        prompt: String,
        /// Its seed, the same in every round of samples.
        seed: u64,
        /// The PNG, relative to the run's folder.
        file: String,
    },
    /// Everything needed to go on was written.
    Checkpoint {
        /// After which step.
        step: u64,
    },
    /// All steps are done and the LoRA is written.
    Finished {
        /// Steps in all.
        step: u64,
        /// The LoRA, relative to the run's folder.
        file: String,
    },
    /// It was stopped and can go on from here.
    Stopped {
        /// Steps that are done and kept.
        step: u64,
    },
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// It can go on, but should be looked at.
    Warning,
    /// It cannot begin.
    Error,
}

/// What can be found before a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// There is no picture to learn from.
    NoReferences,
    /// There are fewer than is usual.
    FewReferences,
    /// There are more than is usual.
    ManyReferences,
    /// A file cannot be read as a picture.
    Unreadable,
    /// Two files show the same.
    Duplicate,
    /// A picture is smaller than it is trained at.
    Small,
    /// A picture is cut by much to fit.
    Cut,
    /// A camera's note on which way is up was followed.
    Turned,
    /// A picture has no caption, and there is no trigger word.
    NoCaption,
    /// A caption file is no text.
    BadCaption,
    /// A caption is longer than the text encoders read.
    LongCaption,
    /// There is less memory than is planned.
    Memory,
    /// There is less space on the disk than is planned.
    Disk,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub code: FindingCode,
    /// The file it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// In words, with what to do.
    pub message: String,
}

/// What is known before a training begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preflight {
    /// Everything found, worst first.
    pub findings: Vec<Finding>,
    /// Different pictures that are learnt.
    pub references: u64,
    /// Pictures of prior preservation.
    pub class_pictures: u64,
    /// Pictures that are only measured with.
    pub held_out: u64,
    /// How many pictures are trained at each size, `width x height`.
    pub buckets: BTreeMap<String, u64>,
    /// Trained numbers.
    pub parameters: u64,
    /// Size of the LoRA's file.
    pub file_bytes: u64,
    /// Space that the run's folder will take.
    pub disk_planned_bytes: u64,
    /// Space that is free there.
    pub disk_free_bytes: Option<u64>,
    /// Memory that the run will take, an estimate.
    pub memory_planned_bytes: u64,
    /// Memory that is free.
    pub memory_free_bytes: u64,
    /// How long it will take, by one step that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_ms: Option<u64>,
}

impl Preflight {
    /// Whether something was found that must be changed first.
    pub fn is_blocked(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}
