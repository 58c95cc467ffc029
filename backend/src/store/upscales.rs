//! Requests for larger copies, each with its job and its picture.

use chapan_api::id::{JobId, UpscaleId, UserId};
use chapan_api::upscale::CreateUpscale;
use sqlx::Row;

use super::images::ImageRow;
use super::jobs::{JobRow, from_json};
use super::{Result, Store};

/// A request for a larger copy, as stored.
#[derive(Clone, Debug)]
pub struct UpscaleRow {
    /// The request.
    pub id: UpscaleId,
    /// What was asked for.
    pub parameters: CreateUpscale,
    /// Its job.
    pub job: JobRow,
    /// The larger copy, once there is one.
    pub image: Option<ImageRow>,
    /// When it was asked for.
    pub created_at_ms: i64,
}

impl Store {
    /// What a job was asked to make.
    pub async fn upscale_request(&self, id: &UpscaleId) -> Result<Option<CreateUpscale>> {
        let text: Option<String> = sqlx::query_scalar("SELECT parameters FROM upscales WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        text.map(|text| from_json("parameters", id.as_str(), &text)).transpose()
    }

    /// A request of this owner.
    pub async fn upscale(&self, owner: &UserId, id: &UpscaleId) -> Result<Option<UpscaleRow>> {
        let row = sqlx::query(
            "SELECT u.parameters, u.created_at_ms, j.id AS job FROM upscales u JOIN jobs j ON j.subject_id = u.id \
             WHERE u.owner_id = $1 AND u.id = $2",
        )
        .bind(owner.as_str())
        .bind(id.as_str())
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let job = JobId::new(row.try_get::<String, _>("job")?);
        let image = self.images_of_job(&job).await?.into_iter().next();
        let Some(job) = self.job(owner, &job).await? else { return Ok(None) };
        let parameters: String = row.try_get("parameters")?;
        Ok(Some(UpscaleRow {
            id: id.clone(),
            parameters: from_json("parameters", id.as_str(), &parameters)?,
            job,
            image,
            created_at_ms: row.try_get("created_at_ms")?,
        }))
    }
}
