//! Routes of the noun `upscale`.

use chapan_api::{job::JobView, upscale::CreateUpscale};

use super::{Failure, client};

/// Asks for a larger copy of a picture; the answer is its job.
pub async fn create(request: &CreateUpscale) -> Result<JobView, Failure> {
    client::post("/api/upscales", request).await
}
