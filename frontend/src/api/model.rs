//! Routes of the noun `model`.

use chapan_api::model::{LoraView, ModelView, UpscalerView};

use super::{Failure, client};

/// The installed models.
pub async fn list() -> Result<Vec<ModelView>, Failure> {
    client::get("/api/models").await
}

/// The installed LoRAs.
pub async fn loras() -> Result<Vec<LoraView>, Failure> {
    client::get("/api/loras").await
}

/// The installed upscalers.
pub async fn upscalers() -> Result<Vec<UpscalerView>, Failure> {
    client::get("/api/upscalers").await
}
