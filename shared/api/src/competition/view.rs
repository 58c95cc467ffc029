//! A competition as it is read: where it stands, what happened, what it found.

use serde::{Deserialize, Serialize};

use super::{CreateCompetition, Decision, Feedback, TrainingHistory, VoteTally};
use crate::analysis::Analysis;
use crate::comparison::ComparisonReport;
use crate::id::{CompetitionId, DatasetId};
use crate::job::JobView;
use crate::training::TrainingEvent;

/// What a round is doing, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CompetitionStage {
    /// Looks at the references.
    Analyse,
    /// Trains the round's LoRA.
    Train,
    /// Has everybody draw.
    Draw,
    /// Holds the pictures against the references.
    Score,
    /// Says what could be better, and decides.
    Learn,
    /// The last round is over.
    Finished,
}

/// What a competition tells, in order; its number in the stream is its line in `events.jsonl`. After the server was lost it goes
/// on at its last finished step and may tell of that step's work once more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CompetitionEvent {
    /// A part of a round begins.
    Stage {
        /// The round, from 1.
        round: u32,
        /// Which part.
        stage: CompetitionStage,
    },
    /// The round's training tells something; files are relative to `rounds/<round>/lora`.
    Training {
        /// The round.
        round: u32,
        /// What.
        event: TrainingEvent,
    },
    /// A picture is there.
    Picture {
        /// The round.
        round: u32,
        /// Who drew it.
        contestant: String,
        /// The PNG, relative to the competition's folder.
        file: String,
        /// What was to be drawn.
        prompt: String,
        /// Its seed.
        seed: u64,
    },
    /// A contestant's pictures were held against the references.
    Scored {
        /// The round.
        round: u32,
        /// Whose.
        contestant: String,
        /// Its `quality_score`.
        quality_score: f64,
        /// How far it may be off.
        standard_error: Option<f64>,
    },
    /// Report and feedback of a round are there.
    RoundFinished {
        /// The round.
        round: u32,
    },
    /// It is over.
    Finished {
        /// Why.
        decision: Decision,
    },
}

/// A competition: `GET /api/competitions/{id}`. In lists `analysis`, `reports` and `feedback` are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompetitionView {
    /// The competition.
    pub id: CompetitionId,
    /// What it is called.
    pub name: String,
    /// The references.
    pub dataset: DatasetId,
    /// What was asked, with all that the server chose.
    pub parameters: CreateCompetition,
    /// Its job.
    pub job: JobView,
    /// The round that is going on, or was the last; 0 before the first.
    pub round: u32,
    /// What that round is doing.
    pub stage: CompetitionStage,
    /// What the references show, once it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
    /// The story of the rounds that are finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<TrainingHistory>,
    /// The report of each finished round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<ComparisonReport>,
    /// The feedback of each finished round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feedback: Vec<Feedback>,
    /// What people chose when they saw pictures without names, the most liked first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<VoteTally>,
    /// When it was asked for, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
}

/// Takes over the LoRA of a finished round: `POST /api/competitions/{id}/rounds/{round}/lora`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TakeLora {
    /// What it shall be called.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_plain_lines() {
        let line = |event: &CompetitionEvent| serde_json::to_string(event).unwrap();
        let stage = CompetitionEvent::Stage { round: 1, stage: CompetitionStage::Train };
        assert_eq!(line(&stage), r#"{"kind":"stage","round":1,"stage":"train"}"#);
        let step = TrainingEvent::Checkpoint { step: 5 };
        let training = CompetitionEvent::Training { round: 1, event: step };
        assert_eq!(
            line(&training),
            r#"{"kind":"training","round":1,"event":{"kind":"checkpoint","step":5}}"#
        );
        let over = CompetitionEvent::Finished { decision: Decision::GapClosed };
        for event in [stage, training, over] {
            assert_eq!(serde_json::from_str::<CompetitionEvent>(&line(&event)).unwrap(), event);
        }
    }
}
