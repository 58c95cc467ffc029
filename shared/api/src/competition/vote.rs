//! The blind vote: two pictures of the same prompt and seed without a word of who drew them.

use serde::{Deserialize, Serialize};

use crate::generation::limits::ID_CHARS;
use crate::id::BallotId;
use crate::validation::{Checker, FieldError, Rule};

/// Two pictures to choose from: `GET /api/competitions/{id}/ballot`. Nothing in it, in the pictures' addresses or in their
/// files says who drew which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ballot {
    /// The ballot, to vote with.
    pub id: BallotId,
    /// What both were to draw.
    pub prompt: String,
    /// Address of the picture on the left.
    pub left: String,
    /// Address of the picture on the right.
    pub right: String,
}

/// A choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VoteChoice {
    /// The left one is nearer to the references.
    Left,
    /// The right one is.
    Right,
    /// Neither.
    Tie,
}

/// A vote: `POST /api/competitions/{id}/votes`. A ballot counts once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateVote {
    /// The ballot.
    pub ballot: BallotId,
    /// What was chosen.
    pub choice: VoteChoice,
}

impl CreateVote {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        if self.ballot.as_str().is_empty() {
            check.fault("ballot", Rule::Required);
        }
        check.text("ballot", self.ballot.as_str(), ID_CHARS);
        check.finish()
    }
}

/// What people chose of one contestant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VoteTally {
    /// The contestant.
    pub contestant: String,
    /// How often it was chosen.
    pub wins: u64,
    /// How often the other was.
    pub losses: u64,
    /// How often neither was.
    pub ties: u64,
    /// The lower end of the Wilson interval (95 %) of its share of wins, 0 to 1; a tie is half a win. By this it is ranked:
    /// few votes prove little.
    pub lower_bound: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_names_its_ballot() {
        let vote: CreateVote = serde_json::from_str(r#"{"ballot": "b", "choice": "left"}"#).unwrap();
        assert_eq!((vote.validate(), vote.choice), (Ok(()), VoteChoice::Left));
        for ballot in [String::new(), "b".repeat(201), "b\0".to_owned()] {
            let vote = CreateVote { ballot: BallotId::new(ballot), choice: VoteChoice::Tie };
            assert_eq!(vote.validate().unwrap_err()[0].field, "ballot");
        }
        assert!(serde_json::from_str::<CreateVote>(r#"{"ballot": "b", "choice": "both"}"#).is_err());
    }
}
