//! Routes of the noun `folder`.

use chapan_api::{
    folder::{FolderView, NameFolder},
    id::FolderId,
};

use super::{Failure, client};

/// The user's folders, by name.
pub async fn list() -> Result<Vec<FolderView>, Failure> {
    client::get("/api/folders").await
}

/// Makes a folder.
pub async fn create(name: &str) -> Result<FolderView, Failure> {
    client::post("/api/folders", &NameFolder { name: name.to_owned() }).await
}

/// Removes a folder; its pictures stay.
pub async fn delete(id: &FolderId) -> Result<(), Failure> {
    client::act("DELETE", &format!("/api/folders/{id}")).await
}
