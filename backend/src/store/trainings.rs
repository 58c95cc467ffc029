//! Trainings: what was asked for, what it is made of, and what came of it.

use chapan_api::id::{DatasetId, JobId, ModelId, TrainingId, UserId};
use chapan_api::job::JobStatus;
use chapan_api::training::{CreateTraining, Preflight};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::held::let_go;
use super::jobs::{JobRow, Lease, SEQ_HEADROOM, from_json};
use super::{HeldPicture, Result, Store};

/// What decides a training's result besides its parameters and pictures, as it was when it was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// What the pictures are called together.
    pub pictures: String,
    /// The word that will call what is learnt.
    pub trigger_word: Option<String>,
    /// What class pictures without a caption are called.
    pub class_prompt: Option<String>,
}

/// What a training's job was asked to do.
#[derive(Clone, Debug)]
pub struct TrainingRequest {
    /// What it is called.
    pub name: String,
    /// What was asked for, with all that was chosen.
    pub parameters: CreateTraining,
    /// What else decides the result.
    pub recipe: Recipe,
    /// The pictures.
    pub pictures: Vec<HeldPicture>,
}

/// A training as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingRow {
    /// The training.
    pub id: TrainingId,
    /// What it is called.
    pub name: String,
    /// The dataset; it may be gone by now.
    pub dataset: DatasetId,
    /// What was asked for, with all that was chosen.
    pub parameters: CreateTraining,
    /// What was found before it was accepted.
    pub preflight: Preflight,
    /// The LoRA's name, once it is finished.
    pub lora: Option<ModelId>,
    /// Its job.
    pub job: JobRow,
    /// When it was accepted.
    pub created_at_ms: i64,
}

/// What came of a wish to let a job rest or go on.
#[derive(Clone, Debug, PartialEq)]
pub enum Wished {
    /// It is so now, or will be at the next step.
    Done(JobRow),
    /// The job has ended, so that it cannot be.
    TooLate(JobRow),
}

/// What came of a wish to remove a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone; the job, if it rested, is cancelled.
    Done,
    /// Its job waits or runs.
    Busy,
}

impl Store {
    /// What a job was asked to train.
    pub async fn training_request(&self, id: &TrainingId) -> Result<Option<TrainingRequest>> {
        let row = sqlx::query("SELECT name, parameters, recipe FROM trainings WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (parameters, recipe): (String, String) = (row.try_get("parameters")?, row.try_get("recipe")?);
        Ok(Some(TrainingRequest {
            name: row.try_get("name")?,
            parameters: from_json("parameters", id.as_str(), &parameters)?,
            recipe: from_json("recipe", id.as_str(), &recipe)?,
            pictures: self.held_pictures(id.as_str()).await?,
        }))
    }

    /// A training of this owner.
    pub async fn training(&self, owner: &UserId, id: &TrainingId) -> Result<Option<TrainingRow>> {
        let row = sqlx::query(
            "SELECT t.*, j.id AS job FROM trainings t JOIN jobs j ON j.subject_id = t.id WHERE t.id = $1 AND t.owner_id = $2",
        )
        .bind(id.as_str())
        .bind(owner.as_str())
        .fetch_optional(&self.reader)
        .await?;
        match row {
            Some(row) => self.read_training(owner, &row).await,
            None => Ok(None),
        }
    }

    /// Trainings of this owner, newest first, older than `before`.
    pub async fn trainings(
        &self,
        owner: &UserId,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<TrainingRow>> {
        let rows = sqlx::query(
            "SELECT t.*, j.id AS job FROM trainings t JOIN jobs j ON j.subject_id = t.id \
             WHERE t.owner_id = $1 AND ($2 = '' OR t.id < $2) ORDER BY t.id DESC LIMIT $3",
        )
        .bind(owner.as_str())
        .bind(before.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        let mut trainings = Vec::with_capacity(rows.len());
        for row in &rows {
            trainings.extend(self.read_training(owner, row).await?);
        }
        Ok(trainings)
    }

    async fn read_training(&self, owner: &UserId, row: &SqliteRow) -> Result<Option<TrainingRow>> {
        let id: String = row.try_get("id")?;
        let job = JobId::new(row.try_get::<String, _>("job")?);
        let Some(job) = self.job(owner, &job).await? else { return Ok(None) };
        let (parameters, preflight): (String, String) =
            (row.try_get("parameters")?, row.try_get("preflight")?);
        Ok(Some(TrainingRow {
            name: row.try_get("name")?,
            dataset: DatasetId::new(row.try_get::<String, _>("dataset_id")?),
            parameters: from_json("parameters", &id, &parameters)?,
            preflight: from_json("preflight", &id, &preflight)?,
            lora: row.try_get::<Option<String>, _>("lora")?.map(ModelId::new),
            job,
            created_at_ms: row.try_get("created_at_ms")?,
            id: TrainingId::new(id),
        }))
    }

    /// All trainings there are, whoever's.
    pub async fn training_ids(&self) -> Result<Vec<TrainingId>> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM trainings").fetch_all(&self.reader).await?;
        Ok(ids.into_iter().map(TrainingId::new).collect())
    }

    /// Ends a training's job with its LoRA.
    pub async fn succeed_training(&self, lease: &Lease, id: &TrainingId, lora: &ModelId) -> Result<()> {
        let mut tx = self.write().await?;
        self.mark_succeeded(&mut tx, lease, None).await?;
        sqlx::query("UPDATE trainings SET lora = $2 WHERE id = $1")
            .bind(id.as_str())
            .bind(lora.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Notes how long a step of a training took.
    pub async fn note_step_ms(&self, id: &TrainingId, step_ms: f64) -> Result<()> {
        sqlx::query("UPDATE trainings SET step_ms = $2 WHERE id = $1")
            .bind(id.as_str())
            .bind(step_ms)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// How long steps of the newest trainings of a model took, with their parameters.
    pub async fn step_times(&self, model: &ModelId) -> Result<Vec<(CreateTraining, f64)>> {
        let rows = sqlx::query(
            "SELECT id, parameters, step_ms FROM trainings WHERE model = $1 AND step_ms IS NOT NULL ORDER BY id DESC LIMIT 30",
        )
        .bind(model.as_str())
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &SqliteRow| -> Result<(CreateTraining, f64)> {
            let (id, parameters): (String, String) = (row.try_get("id")?, row.try_get("parameters")?);
            Ok((from_json("parameters", &id, &parameters)?, row.try_get("step_ms")?))
        };
        rows.iter().map(read).collect()
    }

    /// Lets a job rest, or takes its rest away. A running one rests at its next step.
    pub async fn set_paused(&self, owner: &UserId, job: &JobId, paused: bool) -> Result<Option<Wished>> {
        let done = sqlx::query(
            "UPDATE jobs SET paused = $3 WHERE id = $1 AND owner_id = $2 AND state IN ('queued', 'running')",
        )
        .bind(job.as_str())
        .bind(owner.as_str())
        .bind(i64::from(paused))
        .execute(&self.writer)
        .await?;
        let Some(row) = self.job(owner, job).await? else { return Ok(None) };
        Ok(Some(if done.rows_affected() == 1 { Wished::Done(row) } else { Wished::TooLate(row) }))
    }

    /// Puts a job that failed back in line. Its numbers of events go on above all that a reader has seen.
    pub async fn requeue_failed(&self, owner: &UserId, job: &JobId) -> Result<Option<Wished>> {
        let done = sqlx::query(
            "UPDATE jobs SET state = 'queued', paused = 0, error = NULL, finished_at_ms = NULL, losses = 0, lost_there = 0, \
             lost_place = NULL, yielded_at_ms = $3, seq = seq + $4 WHERE id = $1 AND owner_id = $2 AND state = 'failed'",
        )
        .bind(job.as_str())
        .bind(owner.as_str())
        .bind(self.now_ms())
        .bind(SEQ_HEADROOM)
        .execute(&self.writer)
        .await?;
        let Some(row) = self.job(owner, job).await? else { return Ok(None) };
        Ok(Some(if done.rows_affected() == 1 { Wished::Done(row) } else { Wished::TooLate(row) }))
    }

    /// Removes a training whose job has ended or rests. `None`: there is no such training.
    pub async fn remove_training(&self, owner: &UserId, id: &TrainingId) -> Result<Option<Removed>> {
        let Some(TrainingRow { job, .. }) = self.training(owner, id).await? else { return Ok(None) };
        let mut tx = self.write().await?;
        // Asked again inside: a paused job may have gone on in between.
        sqlx::query(
            "UPDATE jobs SET state = 'cancelled', finished_at_ms = $2, seq = seq + $3, cancel_requested = 1 \
             WHERE id = $1 AND state = 'queued' AND paused = 1",
        )
        .bind(job.id.as_str())
        .bind(self.now_ms())
        .bind(SEQ_HEADROOM)
        .execute(&mut *tx)
        .await?;
        let live: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE id = $1 AND state IN ('queued', 'running')")
                .bind(job.id.as_str())
                .fetch_one(&mut *tx)
                .await?;
        if live > 0 {
            return Ok(Some(Removed::Busy));
        }
        let_go(&mut tx, id.as_str(), self.now_ms()).await?;
        sqlx::query("DELETE FROM trainings WHERE id = $1").bind(id.as_str()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(Some(Removed::Done))
    }
}

impl TrainingRow {
    /// Whether it rests.
    pub fn rests(&self) -> bool {
        self.job.paused && self.job.status == JobStatus::Queued
    }
}
