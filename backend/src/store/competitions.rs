//! Competitions: what was asked for, and whose they are. What they found lies in their folders.

use chapan_api::competition::CreateCompetition;
use chapan_api::id::{CompetitionId, DatasetId, JobId, UserId};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::held::{hold, let_go};
use super::jobs::{JobRow, Lease, from_json};
use super::{HeldPicture, Removed, Result, Store};

/// What a competition's job was asked to do.
#[derive(Clone, Debug)]
pub struct CompetitionRequest {
    /// What was asked for, with all that was chosen.
    pub parameters: CreateCompetition,
    /// The word that the character is called by.
    pub trigger_word: Option<String>,
    /// The references.
    pub pictures: Vec<HeldPicture>,
    /// Pictures of each contestant from elsewhere, in the request's order; none for those that are LoRAs.
    pub contestants: Vec<Vec<HeldPicture>>,
}

/// A competition as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct CompetitionRow {
    /// The competition.
    pub id: CompetitionId,
    /// What it is called.
    pub name: String,
    /// The dataset; it may be gone by now.
    pub dataset: DatasetId,
    /// What was asked for, with all that was chosen.
    pub parameters: CreateCompetition,
    /// Its job.
    pub job: JobRow,
    /// When it was accepted.
    pub created_at_ms: i64,
}

/// Who holds the pictures of a contestant from elsewhere.
fn holder(id: &CompetitionId, contestant: usize) -> String {
    format!("{id}:{contestant}")
}

/// Holds all pictures of a competition, from the transaction that accepts it on.
pub(super) async fn hold_all(
    db: &mut SqliteConnection,
    id: &CompetitionId,
    pictures: &[HeldPicture],
    contestants: &[Vec<HeldPicture>],
) -> Result<()> {
    hold(&mut *db, id.as_str(), pictures).await?;
    for (index, pictures) in contestants.iter().enumerate() {
        hold(&mut *db, &holder(id, index), pictures).await?;
    }
    Ok(())
}

impl Store {
    /// What a job was asked to hold.
    pub async fn competition_request(&self, id: &CompetitionId) -> Result<Option<CompetitionRequest>> {
        let row = sqlx::query("SELECT parameters, trigger_word FROM competitions WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let parameters: String = row.try_get("parameters")?;
        let parameters: CreateCompetition = from_json("parameters", id.as_str(), &parameters)?;
        let mut contestants = Vec::with_capacity(parameters.contestants.len());
        for index in 0..parameters.contestants.len() {
            contestants.push(self.held_pictures(&holder(id, index)).await?);
        }
        Ok(Some(CompetitionRequest {
            parameters,
            trigger_word: row.try_get("trigger_word")?,
            pictures: self.held_pictures(id.as_str()).await?,
            contestants,
        }))
    }

    /// A competition of this owner.
    pub async fn competition(&self, owner: &UserId, id: &CompetitionId) -> Result<Option<CompetitionRow>> {
        let row = sqlx::query(
            "SELECT c.*, j.id AS job FROM competitions c JOIN jobs j ON j.subject_id = c.id \
             WHERE c.id = $1 AND c.owner_id = $2",
        )
        .bind(id.as_str())
        .bind(owner.as_str())
        .fetch_optional(&self.reader)
        .await?;
        match row {
            Some(row) => self.read_competition(owner, &row).await,
            None => Ok(None),
        }
    }

    /// Competitions of this owner, newest first, older than `before`.
    pub async fn competitions(
        &self,
        owner: &UserId,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<CompetitionRow>> {
        let rows = sqlx::query(
            "SELECT c.*, j.id AS job FROM competitions c JOIN jobs j ON j.subject_id = c.id \
             WHERE c.owner_id = $1 AND ($2 = '' OR c.id < $2) ORDER BY c.id DESC LIMIT $3",
        )
        .bind(owner.as_str())
        .bind(before.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        let mut competitions = Vec::with_capacity(rows.len());
        for row in &rows {
            competitions.extend(self.read_competition(owner, row).await?);
        }
        Ok(competitions)
    }

    async fn read_competition(&self, owner: &UserId, row: &SqliteRow) -> Result<Option<CompetitionRow>> {
        let id: String = row.try_get("id")?;
        let job = JobId::new(row.try_get::<String, _>("job")?);
        let Some(job) = self.job(owner, &job).await? else { return Ok(None) };
        let parameters: String = row.try_get("parameters")?;
        Ok(Some(CompetitionRow {
            name: row.try_get("name")?,
            dataset: DatasetId::new(row.try_get::<String, _>("dataset_id")?),
            parameters: from_json("parameters", &id, &parameters)?,
            job,
            created_at_ms: row.try_get("created_at_ms")?,
            id: CompetitionId::new(id),
        }))
    }

    /// All competitions there are, whoever's.
    pub async fn competition_ids(&self) -> Result<Vec<CompetitionId>> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT id FROM competitions").fetch_all(&self.reader).await?;
        Ok(ids.into_iter().map(CompetitionId::new).collect())
    }

    /// Ends a competition's job: its folder holds what came of it.
    pub async fn succeed_competition(&self, lease: &Lease) -> Result<()> {
        let mut tx = self.write().await?;
        self.mark_succeeded(&mut tx, lease, None).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Removes a competition whose job has ended, with its ballots. `None`: there is no such competition.
    pub async fn remove_competition(&self, owner: &UserId, id: &CompetitionId) -> Result<Option<Removed>> {
        let Some(CompetitionRow { job, parameters, .. }) = self.competition(owner, id).await? else {
            return Ok(None);
        };
        let mut tx = self.write().await?;
        let live: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE id = $1 AND state IN ('queued', 'running')")
                .bind(job.id.as_str())
                .fetch_one(&mut *tx)
                .await?;
        if live > 0 {
            return Ok(Some(Removed::Busy));
        }
        let_go(&mut tx, id.as_str(), self.now_ms()).await?;
        for index in 0..parameters.contestants.len() {
            let_go(&mut tx, &holder(id, index), self.now_ms()).await?;
        }
        for sql in ["DELETE FROM ballots WHERE competition_id = $1", "DELETE FROM competitions WHERE id = $1"]
        {
            sqlx::query(sql).bind(id.as_str()).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(Some(Removed::Done))
    }
}
