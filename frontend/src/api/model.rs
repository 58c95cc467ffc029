//! Routes of the noun `model`.

use chapan_api::model::ModelView;

use super::{Failure, client};

/// The installed models.
pub async fn list() -> Result<Vec<ModelView>, Failure> {
    client::get("/api/models").await
}
