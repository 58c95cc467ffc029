//! Grids, each with its job, its sheet and its single pictures.

use chapan_api::grid::CreateGrid;
use chapan_api::id::{GridId, JobId, UserId};
use sqlx::Row;

use super::images::ImageRow;
use super::jobs::{JobRow, from_json};
use super::{Result, Store};

/// A grid, as stored.
#[derive(Clone, Debug)]
pub struct GridRow {
    /// The grid.
    pub id: GridId,
    /// What was asked for.
    pub parameters: CreateGrid,
    /// Its job.
    pub job: JobRow,
    /// The sheet, then the single pictures; nothing until they are made.
    pub images: Vec<ImageRow>,
    /// When it was asked for.
    pub created_at_ms: i64,
}

impl Store {
    /// What a job was asked to make.
    pub async fn grid_request(&self, id: &GridId) -> Result<Option<CreateGrid>> {
        let text: Option<String> = sqlx::query_scalar("SELECT parameters FROM grids WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        text.map(|text| from_json("parameters", id.as_str(), &text)).transpose()
    }

    /// A grid of this owner.
    pub async fn grid(&self, owner: &UserId, id: &GridId) -> Result<Option<GridRow>> {
        let row = sqlx::query(
            "SELECT g.parameters, g.created_at_ms, j.id AS job FROM grids g JOIN jobs j ON j.subject_id = g.id \
             WHERE g.owner_id = $1 AND g.id = $2",
        )
        .bind(owner.as_str())
        .bind(id.as_str())
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let job = JobId::new(row.try_get::<String, _>("job")?);
        let images = self.images_of_job(&job).await?;
        let Some(job) = self.job(owner, &job).await? else { return Ok(None) };
        let parameters: String = row.try_get("parameters")?;
        Ok(Some(GridRow {
            id: id.clone(),
            parameters: from_json("parameters", id.as_str(), &parameters)?,
            job,
            images,
            created_at_ms: row.try_get("created_at_ms")?,
        }))
    }
}
