//! Requests for larger copies, each with its job and its picture.

use chapan_api::id::{ImageId, UpscaleId, UserId};
use chapan_api::upscale::CreateUpscale;
use sqlx::Row;

use super::jobs::from_json;
use super::requests::{RequestRow, request_of};
use super::{Result, Store};

/// A request for a larger copy, as stored; it has one picture.
pub type UpscaleRow = RequestRow<UpscaleId, CreateUpscale>;

impl Store {
    /// What a job was asked to make, and the picture that it makes again, if it does.
    pub async fn upscale_request(&self, id: &UpscaleId) -> Result<Option<(CreateUpscale, Option<ImageId>)>> {
        let row = sqlx::query("SELECT parameters, reproduces FROM upscales WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let text: String = row.try_get("parameters")?;
        let reproduces: Option<String> = row.try_get("reproduces")?;
        Ok(Some((from_json("parameters", id.as_str(), &text)?, reproduces.map(ImageId::new))))
    }

    /// A request of this owner.
    pub async fn upscale(&self, owner: &UserId, id: &UpscaleId) -> Result<Option<UpscaleRow>> {
        self.request(request_of!("upscales"), owner, (id.clone(), id.as_str())).await
    }
}
