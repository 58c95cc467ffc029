//! Routes of the noun `grid`.

use chapan_api::{
    grid::{CreateGrid, GridView},
    id::GridId,
    job::JobView,
};

use super::{Failure, client};

/// Asks for a grid; the answer is its job.
pub async fn create(request: &CreateGrid) -> Result<JobView, Failure> {
    client::post("/api/grids", request).await
}

/// One grid: what was asked, its job, its pictures.
pub async fn get(id: &GridId) -> Result<GridView, Failure> {
    client::get(&format!("/api/grids/{id}")).await
}
