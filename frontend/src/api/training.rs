//! Routes of the noun `training`.

use chapan_api::{
    id::TrainingId,
    job::JobView,
    page::Page,
    training::{CreateTraining, MakeWish, Preflight, TrainingEvent, TrainingView, TrainingWish},
};

use super::{Failure, client, stream::Stream};

/// The user's trainings, newest first.
pub async fn list() -> Result<Page<TrainingView>, Failure> {
    client::get("/api/trainings").await
}

/// One training.
pub async fn get(id: &TrainingId) -> Result<TrainingView, Failure> {
    client::get(&format!("/api/trainings/{id}")).await
}

/// Asks for a training; the answer is its job.
pub async fn create(request: &CreateTraining) -> Result<JobView, Failure> {
    client::post("/api/trainings", request).await
}

/// What would be found before it begins.
pub async fn preflight(request: &CreateTraining) -> Result<Preflight, Failure> {
    client::post("/api/trainings/preflight", request).await
}

/// Tells a training what to do within its next step.
pub async fn wish(id: &TrainingId, wish: TrainingWish) -> Result<TrainingView, Failure> {
    client::post(&format!("/api/trainings/{id}/wish"), &MakeWish { wish }).await
}

/// Removes one that has ended or rests.
pub async fn delete(id: &TrainingId) -> Result<(), Failure> {
    client::act("DELETE", &format!("/api/trainings/{id}")).await
}

/// Where a file of the run lies.
pub fn file(id: &TrainingId, path: &str) -> String {
    format!("/api/trainings/{id}/files/{path}")
}

/// Names under which the server may send an event; the payload says by itself what it is.
const NAMES: [&str; 9] =
    ["message", "started", "step", "validation", "sample", "checkpoint", "finished", "stopped", "end"];

/// Follows a training from its first event; `tell` gets nothing when no more will come.
pub fn follow(id: &TrainingId, tell: impl Fn(Option<TrainingEvent>) + Clone + 'static) -> Option<Stream> {
    Stream::open(&format!("/api/trainings/{id}/events"), &NAMES, move |text| match text {
        Some(text) => {
            if let Ok(event) = serde_json::from_str(&text) {
                tell(Some(event));
            }
        }
        None => tell(None),
    })
}
