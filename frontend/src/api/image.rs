//! Routes of the noun `image`.

use chapan_api::{id::ImageId, image::ImageView, page::Page};

use super::{Failure, client};

/// A page of the user's pictures, newest first.
pub async fn list(cursor: Option<&str>) -> Result<Page<ImageView>, Failure> {
    match cursor {
        None => client::get("/api/images").await,
        Some(cursor) => {
            let cursor = String::from(js_sys::encode_uri_component(cursor));
            client::get(&format!("/api/images?cursor={cursor}")).await
        }
    }
}

/// One picture.
pub async fn get(id: &ImageId) -> Result<ImageView, Failure> {
    client::get(&format!("/api/images/{id}")).await
}

/// Puts a picture into the trash.
pub async fn delete(id: &ImageId) -> Result<(), Failure> {
    client::act("DELETE", &format!("/api/images/{id}")).await
}

/// Takes a picture out of the trash.
pub async fn restore(id: &ImageId) -> Result<(), Failure> {
    client::act("POST", &format!("/api/images/{id}/restore")).await
}
