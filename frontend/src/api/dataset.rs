//! Routes of the noun `dataset`.

use chapan_api::{
    dataset::{AddImages, CreateDataset, CreateExampleDataset, DatasetView, UpdateDataset},
    id::{DatasetId, ImageId},
    job::JobView,
    page::Page,
};

use super::{Failure, client};

/// The user's datasets, newest first.
pub async fn list() -> Result<Page<DatasetView>, Failure> {
    client::get("/api/datasets").await
}

/// One dataset.
pub async fn get(id: &DatasetId) -> Result<DatasetView, Failure> {
    client::get(&format!("/api/datasets/{id}")).await
}

/// Makes one of pictures that are there.
pub async fn create(request: &CreateDataset) -> Result<DatasetView, Failure> {
    client::post("/api/datasets", request).await
}

/// Makes one of a zip.
pub async fn create_from_archive(name: &str, file: &web_sys::Blob) -> Result<DatasetView, Failure> {
    let name = String::from(js_sys::encode_uri_component(name));
    client::upload_as(&format!("/api/datasets/archive?name={name}"), file, "application/zip").await
}

/// Makes one of the references that ship.
pub async fn create_example(name: &str) -> Result<DatasetView, Failure> {
    client::post("/api/datasets/example", &CreateExampleDataset { name: name.to_owned() }).await
}

/// Changes names, captions and what is held out.
pub async fn update(id: &DatasetId, change: &UpdateDataset) -> Result<DatasetView, Failure> {
    client::patch(&format!("/api/datasets/{id}"), change).await
}

/// Adds pictures.
pub async fn add(id: &DatasetId, images: Vec<ImageId>) -> Result<DatasetView, Failure> {
    client::post(&format!("/api/datasets/{id}/images"), &AddImages { images }).await
}

/// Takes a picture out.
pub async fn take_out(id: &DatasetId, image: &ImageId) -> Result<DatasetView, Failure> {
    client::remove(&format!("/api/datasets/{id}/images/{image}")).await
}

/// Removes one.
pub async fn delete(id: &DatasetId) -> Result<(), Failure> {
    client::act("DELETE", &format!("/api/datasets/{id}")).await
}

/// Asks what the pictures show; the answer is the job.
pub async fn analyse(id: &DatasetId) -> Result<JobView, Failure> {
    client::post(&format!("/api/datasets/{id}/analysis"), &()).await
}
