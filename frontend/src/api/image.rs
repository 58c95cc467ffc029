//! Routes of the noun `image`.

use chapan_api::{
    id::ImageId,
    image::{ChangeImages, ChangedImages, ImageKind, ImageView},
    job::JobView,
    page::Page,
    reproduction::ReproductionView,
};

use super::{Failure, client};

/// A page of the user's pictures, newest first; `query` says which, as in an address.
pub async fn list(query: &str, cursor: Option<&str>) -> Result<Page<ImageView>, Failure> {
    let cursor =
        cursor.map(|cursor| format!("&cursor={}", String::from(js_sys::encode_uri_component(cursor))));
    client::get(&format!("/api/images?{query}{}", cursor.unwrap_or_default())).await
}

/// One picture.
pub async fn get(id: &ImageId) -> Result<ImageView, Failure> {
    client::get(&format!("/api/images/{id}")).await
}

/// Brings a file in.
pub async fn upload(file: &web_sys::Blob, kind: ImageKind) -> Result<ImageView, Failure> {
    let path = match kind {
        ImageKind::Mask => "/api/images?mask=true",
        ImageKind::Reference => "/api/images?reference=true",
        _ => "/api/images",
    };
    client::upload(path, file).await
}

/// Where the file of a picture lies.
pub fn file(id: &ImageId) -> String {
    format!("/api/images/{id}/file")
}

/// Changes several pictures.
pub async fn change(request: &ChangeImages) -> Result<ChangedImages, Failure> {
    client::post("/api/images/batch", request).await
}

/// Removes what lies in the trash, for good.
pub async fn empty_trash() -> Result<(), Failure> {
    client::act("POST", "/api/images/trash/empty").await
}

/// Where several pictures come as one file.
pub fn archive(images: &[ImageId]) -> String {
    let ids: Vec<&str> = images.iter().map(ImageId::as_str).collect();
    format!("/api/images/archive?images={}", ids.join(","))
}

/// Makes a picture again, to see whether the same comes out.
pub async fn reproduce(id: &ImageId) -> Result<ReproductionView, Failure> {
    let job: JobView = client::post(&format!("/api/images/{id}/reproduce"), &()).await?;
    Ok(ReproductionView { image: id.clone(), job, verdict: None })
}

/// How far that is, and what came out.
pub async fn reproduction(id: &ImageId) -> Result<ReproductionView, Failure> {
    client::get(&format!("/api/images/{id}/reproduction")).await
}
