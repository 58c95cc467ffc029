//! Routes of the noun `generation`.

use chapan_api::{
    generation::{CreateGeneration, GenerationView},
    id::GenerationId,
    job::JobView,
};

use super::{Failure, client};

/// Asks for a picture; the answer is its job.
pub async fn create(request: &CreateGeneration) -> Result<JobView, Failure> {
    client::post("/api/generations", request).await
}

/// One generation: what was asked, its job, its picture.
pub async fn get(id: &GenerationId) -> Result<GenerationView, Failure> {
    client::get(&format!("/api/generations/{id}")).await
}
