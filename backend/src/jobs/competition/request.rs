//! What is asked of a competition, and the names of its files and contestants.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chapan_api::comparison::ScoreWeights;
use chapan_api::competition::RoundSettings;
use serde::Serialize;

use super::NamedLora;

/// The base model's name among the contestants.
pub(super) const BASE: &str = "base";
/// The file that a training ends with.
const LORA: &str = "lora.safetensors";

/// What is asked for. Two requests that differ are two competitions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Request {
    /// What every contestant draws.
    pub prompts: Vec<String>,
    /// Seeds of the pictures of each prompt, the same for all.
    pub seeds: Vec<u64>,
    /// The most rounds.
    pub iterations: u32,
    /// How far the LoRA may stay behind the best competitor.
    pub score_gap: f64,
    /// How much each part of the score counts.
    pub weights: ScoreWeights,
    /// Settings of the first round.
    pub settings: RoundSettings,
    /// Word that the character is called by.
    pub trigger: Option<String>,
    /// Models, and how they draw, in words: part of what makes two competitions the same.
    pub made_with: BTreeMap<String, String>,
}

/// A contestant from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// A LoRA.
    Lora(NamedLora),
    /// A folder of pictures, such as a provider's.
    Pictures(PathBuf),
}

/// The name of a round's LoRA among the contestants.
pub(super) fn name_of(round: u32) -> String {
    format!("round-{round}")
}

/// The LoRA of a round, relative to the competition's folder.
pub fn lora_of(round: u32) -> String {
    format!("rounds/{round}/lora/{LORA}")
}

/// The report of a round, likewise.
pub fn report_of(round: u32) -> String {
    format!("comparisons/comparison_report_{round}.json")
}

/// The feedback of a round, likewise.
pub fn feedback_of(round: u32) -> String {
    format!("feedback/feedback_{round}.json")
}
