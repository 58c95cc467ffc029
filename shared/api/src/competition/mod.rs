//! The noun `competition`: rounds of training, drawing and scoring, and the feedback that changes one thing a round.
//!
//! [`CreateCompetition`] asks for one, [`CompetitionEvent`] is what it tells meanwhile, [`CompetitionView`] how it stands;
//! [`Feedback`] is what `feedback/feedback_<round>.json` holds, [`TrainingHistory`] what `training_history.json` holds.

mod request;
mod view;
mod vote;

use std::collections::BTreeMap;

pub use request::{CreateCompetition, CreateContestant, is_contestant_name, limits};
pub use view::{CompetitionEvent, CompetitionStage, CompetitionView, TakeLora};
pub use vote::{Ballot, CreateVote, VoteChoice, VoteTally};

use serde::{Deserialize, Serialize};

/// The version of both files.
pub const COMPETITION_VERSION: &str = "competition_v1";

/// What a round trains with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoundSettings {
    /// Steps in all.
    pub max_train_steps: u64,
    /// Learning rate of the UNet.
    pub learning_rate: f64,
    /// Columns of the factors.
    pub rank: u64,
    /// Phrases of key features that every caption says beside its own words.
    pub emphasised: Vec<String>,
}

/// One change of the settings. A round applies one, so that its effect can be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// More or fewer steps.
    Steps {
        /// So far.
        from: u64,
        /// From now on.
        to: u64,
    },
    /// Another learning rate.
    LearningRate {
        /// So far.
        from: f64,
        /// From now on.
        to: f64,
    },
    /// Another rank.
    Rank {
        /// So far.
        from: u64,
        /// From now on.
        to: u64,
    },
    /// Captions say a key feature.
    Emphasise {
        /// Its group.
        group: String,
        /// How captions say it.
        phrase: String,
    },
}

impl RoundSettings {
    /// The settings after a change.
    #[must_use]
    pub fn with(&self, change: &Change) -> Self {
        let mut settings = self.clone();
        match change {
            Change::Steps { to, .. } => settings.max_train_steps = *to,
            Change::LearningRate { to, .. } => settings.learning_rate = *to,
            Change::Rank { to, .. } => settings.rank = *to,
            Change::Emphasise { phrase, .. } => {
                if !settings.emphasised.contains(phrase) {
                    settings.emphasised.push(phrase.clone());
                }
            }
        }
        settings
    }
}

/// How much a recommendation matters, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// First.
    High,
    /// Then.
    Medium,
    /// If nothing else helps.
    Low,
}

/// What could be done better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Recommendation {
    /// What it is about: `training`, `features`, `references`.
    pub area: String,
    /// In words, by language: `en`, `ru`, `kk`.
    pub message: BTreeMap<String, String>,
    /// How much it matters.
    pub priority: Priority,
    /// What to change, for the next round; absent where only a person can, such as adding pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// What happens after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Another round, with a change.
    Continue,
    /// The LoRA is no further behind the best than was asked for.
    GapClosed,
    /// All rounds are done.
    LastRound,
    /// Two rounds brought no gain beyond the noise.
    NoGain,
    /// There is nothing left to change.
    NoChange,
}

/// What a round taught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Feedback {
    /// [`COMPETITION_VERSION`].
    pub version: String,
    /// The round, from 1.
    pub round: u32,
    /// Whether the LoRA is further behind the best competitor than was asked for.
    pub needs_improvement: bool,
    /// The best competitor's quality less the LoRA's; below 0 the LoRA leads.
    pub score_gap: f64,
    /// Who that is: the base model, an imported LoRA or folder; not the LoRA's own earlier rounds.
    pub best_competitor: String,
    /// What could be done, most important first.
    pub recommendations: Vec<Recommendation>,
    /// What happens next.
    pub decision: Decision,
    /// The change that the next round makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Change>,
}

/// One round in the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoundRecord {
    /// The round, from 1.
    pub round: u32,
    /// What it trained with.
    pub settings: RoundSettings,
    /// The LoRA, relative to the competition's folder.
    pub lora: String,
    /// The report, likewise.
    pub report: String,
    /// The feedback, likewise.
    pub feedback: String,
    /// The LoRA's `quality_score`.
    pub quality_score: f64,
    /// How far it may be off.
    pub standard_error: Option<f64>,
    /// Its lead over the base model.
    pub lead_over_base: f64,
    /// How far that may be off; the same seeds are compared.
    pub lead_standard_error: Option<f64>,
    /// What happened next.
    pub decision: Decision,
}

/// The story of the rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrainingHistory {
    /// [`COMPETITION_VERSION`].
    pub version: String,
    /// What every contestant drew.
    pub prompts: Vec<String>,
    /// Seeds of the pictures, the same for all.
    pub seeds: Vec<u64>,
    /// The rounds that are finished.
    pub rounds: Vec<RoundRecord>,
    /// The round with the best LoRA.
    pub best_round: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_changes_one_thing() {
        let settings =
            RoundSettings { max_train_steps: 100, learning_rate: 1e-3, rank: 8, emphasised: vec![] };
        let longer = settings.with(&Change::Steps { from: 100, to: 200 });
        assert_eq!(longer, RoundSettings { max_train_steps: 200, ..settings.clone() });
        let said = Change::Emphasise { group: "hair".into(), phrase: "topknot".into() };
        assert_eq!(longer.with(&said).with(&said).emphasised, ["topknot"]);
        let json = serde_json::to_string(&said).unwrap();
        assert_eq!(json, r#"{"kind":"emphasise","group":"hair","phrase":"topknot"}"#);
        assert_eq!(serde_json::from_str::<Change>(&json).unwrap(), said);
    }
}
