//! Routes of the noun `download`.

use chapan_api::{
    download::{CreateDownload, DownloadView},
    id::DownloadId,
};

use super::{Failure, client};

/// All downloads of the server.
pub async fn list() -> Result<Vec<DownloadView>, Failure> {
    client::get("/api/downloads").await
}

/// Starts one, or goes on with it.
pub async fn create(wish: &CreateDownload) -> Result<DownloadView, Failure> {
    client::post("/api/downloads", wish).await
}

/// Stops one.
pub async fn stop(id: &DownloadId) -> Result<(), Failure> {
    client::act("POST", &format!("/api/downloads/{id}/stop")).await
}

/// Removes one with what has arrived of it.
pub async fn delete(id: &DownloadId) -> Result<(), Failure> {
    client::act("DELETE", &format!("/api/downloads/{id}")).await
}
