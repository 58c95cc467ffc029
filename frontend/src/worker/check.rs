//! Asks what a prompt says.

use chapan_worker::messages::{Answer, Feature, PromptReport, Task};

use super::quick;
use crate::api::Failure;

/// Has a prompt read as the text encoders of `model` will read it, with or without weights.
pub async fn check_prompt(
    model: String,
    prompt: String,
    weighting: bool,
    wanted: Vec<Feature>,
) -> Result<PromptReport, Failure> {
    let given = quick().answer(Task::CheckPrompt { model, prompt, weighting, wanted }, &[]).await?;
    match given.answer {
        Answer::Checked(report) => Ok(*report),
        _ => Err(Failure::Unreadable("the worker's answer".to_owned())),
    }
}
