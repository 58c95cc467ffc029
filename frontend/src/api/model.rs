//! Routes of the noun `model`.

use chapan_api::{model::ModelView, page::Page};

use super::{Failure, client};

/// The installed models.
pub async fn list() -> Result<Page<ModelView>, Failure> {
    client::get("/api/models").await
}
