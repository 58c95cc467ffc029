//! Generations: what was asked for, with its job and its picture.

use chapan_api::generation::CreateGeneration;
use chapan_api::id::{GenerationId, JobId, ModelId, UserId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::images::{ImageRow, image_columns};
use super::jobs::{JobRow, from_json, job_columns, returning_job, to_json};
use super::{Error, Result, Store};

/// A generation to be queued.
#[derive(Clone, Debug)]
pub struct NewGeneration {
    /// The generation.
    pub id: GenerationId,
    /// Its job.
    pub job: JobId,
    /// Who asks.
    pub owner: UserId,
    /// The model that was chosen.
    pub model: ModelId,
    /// What is asked for, with model and seed filled in.
    pub parameters: CreateGeneration,
    /// When it was asked for.
    pub created_at_ms: i64,
    /// How many jobs the owner may have in the queue.
    pub most_waiting: u32,
}

/// A generation, as stored.
#[derive(Clone, Debug)]
pub struct GenerationRow {
    /// The generation.
    pub id: GenerationId,
    /// What was asked for.
    pub parameters: CreateGeneration,
    /// Its job.
    pub job: JobRow,
    /// Its picture.
    pub image: Option<ImageRow>,
    /// When it was asked for.
    pub created_at_ms: i64,
}

impl Store {
    /// Stores a generation and queues its job: both or neither.
    pub async fn enqueue_generation(&self, new: &NewGeneration) -> Result<JobRow> {
        let mut tx = self.write().await?;
        let waiting: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM jobs WHERE owner_id = $1 AND state IN ('queued', 'running')",
        )
        .bind(new.owner.as_str())
        .fetch_one(&mut *tx)
        .await?;
        if waiting >= i64::from(new.most_waiting) {
            return Err(Error::QueueFull { waiting: waiting as u32 });
        }
        sqlx::query(
            "INSERT INTO generations (id, owner_id, parameters, created_at_ms) VALUES ($1, $2, $3, $4)",
        )
        .bind(new.id.as_str())
        .bind(new.owner.as_str())
        .bind(to_json(&new.parameters))
        .bind(new.created_at_ms)
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query(concat!(
            "INSERT INTO jobs (id, owner_id, kind, subject_id, model, state, total_steps, created_at_ms) \
             VALUES ($1, $2, 'generation', $3, $4, 'queued', $5, $6) ",
            returning_job!()
        ))
        .bind(new.job.as_str())
        .bind(new.owner.as_str())
        .bind(new.id.as_str())
        .bind(new.model.as_str())
        .bind(i64::from(new.parameters.num_inference_steps))
        .bind(new.created_at_ms)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        JobRow::read(&row)
    }

    /// What a job was asked to make.
    pub async fn generation_parameters(&self, id: &GenerationId) -> Result<Option<CreateGeneration>> {
        let text: Option<String> = sqlx::query_scalar("SELECT parameters FROM generations WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        text.map(|text| from_json("parameters", id.as_str(), &text)).transpose()
    }

    /// A generation of this owner.
    pub async fn generation(&self, owner: &UserId, id: &GenerationId) -> Result<Option<GenerationRow>> {
        let sql = concat!(
            "SELECT g.parameters, g.created_at_ms AS asked_at_ms, ",
            job_columns!(),
            ", ",
            image_columns!(),
            " FROM generations g JOIN jobs j ON j.subject_id = g.id LEFT JOIN images i ON i.job_id = j.id \
             WHERE g.owner_id = $1 AND g.id = $2"
        );
        let row =
            sqlx::query(sql).bind(owner.as_str()).bind(id.as_str()).fetch_optional(&self.reader).await?;
        row.as_ref().map(GenerationRow::read).transpose()
    }

    /// Generations of this owner, newest first, older than `before`.
    pub async fn generations(
        &self,
        owner: &UserId,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<GenerationRow>> {
        let sql = concat!(
            "SELECT g.parameters, g.created_at_ms AS asked_at_ms, ",
            job_columns!(),
            ", ",
            image_columns!(),
            " FROM generations g JOIN jobs j ON j.subject_id = g.id LEFT JOIN images i ON i.job_id = j.id \
             WHERE g.owner_id = $1 AND ($2 = '' OR g.id < $2) ORDER BY g.id DESC LIMIT $3"
        );
        let rows = sqlx::query(sql)
            .bind(owner.as_str())
            .bind(before.unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(GenerationRow::read).collect()
    }
}

impl GenerationRow {
    fn read(row: &SqliteRow) -> Result<Self> {
        let job = JobRow::read(row)?;
        let parameters: String = row.try_get("parameters")?;
        Ok(Self {
            id: job.generation.clone(),
            parameters: from_json("parameters", job.generation.as_str(), &parameters)?,
            image: ImageRow::read_optional(row)?,
            created_at_ms: row.try_get("asked_at_ms")?,
            job,
        })
    }
}
