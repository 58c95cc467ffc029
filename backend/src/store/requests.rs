//! Requests that are answered by one job and its pictures, whatever their kind: what larger copies and grids share.

use chapan_api::id::{JobId, UserId};
use serde::de::DeserializeOwned;
use sqlx::Row;

use super::images::ImageRow;
use super::jobs::{JobRow, from_json};
use super::{Result, Store};

/// A request as stored, with its job and its pictures.
#[derive(Clone, Debug)]
pub struct RequestRow<Id, Parameters> {
    /// The request.
    pub id: Id,
    /// What was asked for.
    pub parameters: Parameters,
    /// Its job.
    pub job: JobRow,
    /// Its pictures, in order; nothing until they are made.
    pub images: Vec<ImageRow>,
    /// When it was asked for.
    pub created_at_ms: i64,
}

/// The query of a request with its job, by owner and identifier.
macro_rules! request_of {
    ($table:literal) => {
        concat!(
            "SELECT r.parameters, r.created_at_ms, j.id AS job FROM ",
            $table,
            " r JOIN jobs j ON j.subject_id = r.id WHERE r.owner_id = $1 AND r.id = $2"
        )
    };
}
pub(super) use request_of;

impl Store {
    /// A request of this owner, by the query that [`request_of!`] makes.
    pub(super) async fn request<Id, Parameters>(
        &self,
        sql: &'static str,
        owner: &UserId,
        (id, text): (Id, &str),
    ) -> Result<Option<RequestRow<Id, Parameters>>>
    where
        Parameters: DeserializeOwned,
    {
        let row = sqlx::query(sql).bind(owner.as_str()).bind(text).fetch_optional(&self.reader).await?;
        let Some(row) = row else { return Ok(None) };
        let job = JobId::new(row.try_get::<String, _>("job")?);
        let images = self.images_of_job(&job).await?;
        let Some(job) = self.job(owner, &job).await? else { return Ok(None) };
        let parameters: String = row.try_get("parameters")?;
        let parameters = from_json("parameters", text, &parameters)?;
        Ok(Some(RequestRow { id, parameters, job, images, created_at_ms: row.try_get("created_at_ms")? }))
    }
}
