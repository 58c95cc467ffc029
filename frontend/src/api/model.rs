//! Routes of the noun `model`.

use chapan_api::{
    id::ModelId,
    model::{LoraView, ModelView, UpscalerView},
};

use super::{Failure, client};

/// The installed models.
pub async fn list() -> Result<Vec<ModelView>, Failure> {
    client::get("/api/models").await
}

/// The installed LoRAs.
pub async fn loras() -> Result<Vec<LoraView>, Failure> {
    client::get("/api/loras").await
}

/// Removes a LoRA of one's own.
pub async fn delete_lora(id: &ModelId) -> Result<(), Failure> {
    client::act("DELETE", &format!("/api/loras/{id}")).await
}

/// The installed upscalers.
pub async fn upscalers() -> Result<Vec<UpscalerView>, Failure> {
    client::get("/api/upscalers").await
}
