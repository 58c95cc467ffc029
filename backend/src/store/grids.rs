//! Grids, each with its job, its sheet and its single pictures.

use chapan_api::grid::CreateGrid;
use chapan_api::id::{GridId, UserId};

use super::jobs::from_json;
use super::requests::{RequestRow, request_of};
use super::{Result, Store};

/// A grid, as stored; its pictures are the sheet, then the single ones.
pub type GridRow = RequestRow<GridId, CreateGrid>;

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
        self.request(request_of!("grids"), owner, (id.clone(), id.as_str())).await
    }
}
