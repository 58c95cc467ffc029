//! Ballots: which two pictures a person was asked to choose from, and what was chosen.

use std::collections::BTreeMap;

use chapan_api::competition::VoteChoice;
use chapan_api::id::{BallotId, CompetitionId, UserId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::jobs::{from_word, to_word};
use super::{Result, Store};

/// A ballot as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BallotRow {
    /// The ballot.
    pub id: BallotId,
    /// What is asked, whichever side each picture is on.
    pub pair: String,
    /// What both were to draw.
    pub prompt: String,
    /// Who drew the left picture, and its file.
    pub left: (String, String),
    /// Who drew the right picture, and its file.
    pub right: (String, String),
    /// What was chosen.
    pub choice: Option<VoteChoice>,
}

/// How often a contestant was chosen, was not, and nobody was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Votes {
    /// It was chosen.
    pub wins: u64,
    /// The other was.
    pub losses: u64,
    /// Neither was.
    pub ties: u64,
}

/// What came of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voted {
    /// It counts.
    Done,
    /// There was one before, which stays.
    Before,
    /// There is no such ballot of this voter.
    Unknown,
}

impl Store {
    /// The ballot that a person has not voted on yet.
    pub async fn open_ballot(&self, id: &CompetitionId, voter: &UserId) -> Result<Option<BallotRow>> {
        let row = sqlx::query(
            "SELECT * FROM ballots WHERE competition_id = $1 AND voter_id = $2 AND choice IS NULL ORDER BY id LIMIT 1",
        )
        .bind(id.as_str())
        .bind(voter.as_str())
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(BallotRow::read).transpose()
    }

    /// A ballot of this voter.
    pub async fn ballot(
        &self,
        competition: &CompetitionId,
        voter: &UserId,
        id: &BallotId,
    ) -> Result<Option<BallotRow>> {
        let row =
            sqlx::query("SELECT * FROM ballots WHERE id = $1 AND competition_id = $2 AND voter_id = $3")
                .bind(id.as_str())
                .bind(competition.as_str())
                .bind(voter.as_str())
                .fetch_optional(&self.reader)
                .await?;
        row.as_ref().map(BallotRow::read).transpose()
    }

    /// What a person was asked already.
    pub async fn asked_pairs(&self, id: &CompetitionId, voter: &UserId) -> Result<Vec<String>> {
        let asked =
            sqlx::query_scalar("SELECT pair FROM ballots WHERE competition_id = $1 AND voter_id = $2");
        Ok(asked.bind(id.as_str()).bind(voter.as_str()).fetch_all(&self.reader).await?)
    }

    /// Keeps a ballot. One that was asked for at the same moment counts instead: look for the open one after this.
    pub async fn add_ballot(&self, id: &CompetitionId, voter: &UserId, ballot: &BallotRow) -> Result<()> {
        sqlx::query(
            "INSERT INTO ballots (id, competition_id, voter_id, pair, prompt, left_contestant, left_file, right_contestant, \
             right_file, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (competition_id, voter_id, pair) DO NOTHING",
        )
        .bind(ballot.id.as_str())
        .bind(id.as_str())
        .bind(voter.as_str())
        .bind(&ballot.pair)
        .bind(&ballot.prompt)
        .bind(&ballot.left.0)
        .bind(&ballot.left.1)
        .bind(&ballot.right.0)
        .bind(&ballot.right.1)
        .bind(self.now_ms())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Counts a vote, once.
    pub async fn vote(
        &self,
        competition: &CompetitionId,
        voter: &UserId,
        id: &BallotId,
        choice: VoteChoice,
    ) -> Result<Voted> {
        let counted = sqlx::query(
            "UPDATE ballots SET choice = $4, voted_at_ms = $5 \
             WHERE id = $1 AND competition_id = $2 AND voter_id = $3 AND choice IS NULL",
        )
        .bind(id.as_str())
        .bind(competition.as_str())
        .bind(voter.as_str())
        .bind(to_word(&choice))
        .bind(self.now_ms())
        .execute(&self.writer)
        .await?;
        if counted.rows_affected() > 0 {
            return Ok(Voted::Done);
        }
        let known = self.ballot(competition, voter, id).await?;
        Ok(if known.is_some() { Voted::Before } else { Voted::Unknown })
    }

    /// What everybody chose, by contestant.
    pub async fn votes(&self, id: &CompetitionId) -> Result<BTreeMap<String, Votes>> {
        let rows = sqlx::query(
            "SELECT left_contestant, right_contestant, choice, COUNT(*) AS times FROM ballots \
             WHERE competition_id = $1 AND choice IS NOT NULL GROUP BY left_contestant, right_contestant, choice",
        )
        .bind(id.as_str())
        .fetch_all(&self.reader)
        .await?;
        let mut votes: BTreeMap<String, Votes> = BTreeMap::new();
        for row in &rows {
            let times = row.try_get::<i64, _>("times")? as u64;
            let choice: String = row.try_get("choice")?;
            let choice: VoteChoice = from_word("choice", id.as_str(), &choice)?;
            let sides = [("left_contestant", VoteChoice::Left), ("right_contestant", VoteChoice::Right)];
            for (column, own) in sides {
                let one = votes.entry(row.try_get(column)?).or_default();
                match choice {
                    VoteChoice::Tie => one.ties += times,
                    chosen if chosen == own => one.wins += times,
                    _ => one.losses += times,
                }
            }
        }
        Ok(votes)
    }
}

impl BallotRow {
    fn read(row: &SqliteRow) -> Result<Self> {
        let id: String = row.try_get("id")?;
        let choice: Option<String> = row.try_get("choice")?;
        Ok(Self {
            pair: row.try_get("pair")?,
            prompt: row.try_get("prompt")?,
            left: (row.try_get("left_contestant")?, row.try_get("left_file")?),
            right: (row.try_get("right_contestant")?, row.try_get("right_file")?),
            choice: choice.map(|word| from_word("choice", &id, &word)).transpose()?,
            id: BallotId::new(id),
        })
    }
}
