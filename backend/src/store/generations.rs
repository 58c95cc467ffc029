//! Generations: what was asked for, with its job and its pictures.

use chapan_api::generation::CreateGeneration;
use chapan_api::id::{GenerationId, ImageId, JobId, UserId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::images::{ImageRow, image_columns};
use super::jobs::{JobRow, from_json, job_columns};
use super::{Result, Store};

/// A generation, as stored.
#[derive(Clone, Debug)]
pub struct GenerationRow {
    /// The generation.
    pub id: GenerationId,
    /// What was asked for.
    pub parameters: CreateGeneration,
    /// The picture that it makes again, if it does.
    pub reproduces: Option<ImageId>,
    /// Its job.
    pub job: JobRow,
    /// Its pictures, in order.
    pub images: Vec<ImageRow>,
    /// When it was asked for.
    pub created_at_ms: i64,
}

/// The last time that a picture was made again.
#[derive(Clone, Debug)]
pub struct ReproductionRow {
    /// The job that makes it.
    pub job: JobRow,
    /// The second picture, once it is made.
    pub again: Option<ImageRow>,
}

impl Store {
    /// What a job was asked to make, and the picture that it makes again, if it does.
    pub async fn generation_request(
        &self,
        id: &GenerationId,
    ) -> Result<Option<(CreateGeneration, Option<ImageId>)>> {
        let row = sqlx::query("SELECT parameters, reproduces FROM generations WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let text: String = row.try_get("parameters")?;
        let reproduces: Option<String> = row.try_get("reproduces")?;
        Ok(Some((from_json("parameters", id.as_str(), &text)?, reproduces.map(ImageId::new))))
    }

    /// A generation of this owner.
    pub async fn generation(&self, owner: &UserId, id: &GenerationId) -> Result<Option<GenerationRow>> {
        let sql = concat!(
            "SELECT g.parameters, g.reproduces, g.created_at_ms AS asked_at_ms, ",
            job_columns!(),
            ", ",
            image_columns!(),
            " FROM generations g JOIN jobs j ON j.subject_id = g.id LEFT JOIN images i ON i.job_id = j.id \
             WHERE g.owner_id = $1 AND g.id = $2 ORDER BY i.place"
        );
        let rows = sqlx::query(sql).bind(owner.as_str()).bind(id.as_str()).fetch_all(&self.reader).await?;
        Ok(grouped(&rows)?.pop())
    }

    /// Generations of this owner, newest first, older than `before`. Those that only make a picture again are left out.
    pub async fn generations(
        &self,
        owner: &UserId,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<GenerationRow>> {
        let sql = concat!(
            "SELECT g.parameters, g.reproduces, g.created_at_ms AS asked_at_ms, ",
            job_columns!(),
            ", ",
            image_columns!(),
            " FROM (SELECT * FROM generations WHERE owner_id = $1 AND ($2 = '' OR id < $2) AND reproduces IS NULL \
             ORDER BY id DESC LIMIT $3) g JOIN jobs j ON j.subject_id = g.id LEFT JOIN images i ON i.job_id = j.id \
             ORDER BY g.id DESC, i.place"
        );
        let rows = sqlx::query(sql)
            .bind(owner.as_str())
            .bind(before.unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        grouped(&rows)
    }

    /// The last time that this owner's picture was made again.
    pub async fn reproduction(&self, owner: &UserId, image: &ImageId) -> Result<Option<ReproductionRow>> {
        let id: Option<String> = sqlx::query_scalar(
            "SELECT j.id FROM jobs j WHERE j.owner_id = $1 AND j.subject_id IN ( \
                SELECT id FROM generations WHERE reproduces = $2 UNION ALL SELECT id FROM upscales WHERE reproduces = $2 \
             ) ORDER BY j.id DESC LIMIT 1",
        )
        .bind(owner.as_str())
        .bind(image.as_str())
        .fetch_optional(&self.reader)
        .await?;
        let Some(id) = id.map(JobId::new) else { return Ok(None) };
        let Some(job) = self.job(owner, &id).await? else { return Ok(None) };
        let again = self.images_of_job(&id).await?.into_iter().next();
        Ok(Some(ReproductionRow { job, again }))
    }
}

/// One generation for each run of rows of the same job.
fn grouped(rows: &[SqliteRow]) -> Result<Vec<GenerationRow>> {
    let mut generations: Vec<GenerationRow> = Vec::new();
    for row in rows {
        let job = JobRow::read(row)?;
        if generations.last().is_none_or(|last| last.job.id != job.id) {
            let parameters: String = row.try_get("parameters")?;
            let id = GenerationId::new(job.subject.as_str());
            generations.push(GenerationRow {
                parameters: from_json("parameters", id.as_str(), &parameters)?,
                reproduces: row.try_get::<Option<String>, _>("reproduces")?.map(ImageId::new),
                created_at_ms: row.try_get("asked_at_ms")?,
                images: Vec::new(),
                id,
                job,
            });
        }
        if let (Some(last), Some(image)) = (generations.last_mut(), ImageRow::read_optional(row)?) {
            last.images.push(image);
        }
    }
    Ok(generations)
}
