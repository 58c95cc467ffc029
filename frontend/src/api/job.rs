//! Routes of the noun `job`, and its stream of events.

use chapan_api::{
    id::JobId,
    job::{JobEvent, JobView},
    page::Page,
    steps::StepsView,
};

use super::{Failure, client, stream::Stream};

/// The user's jobs, newest first.
pub async fn list() -> Result<Page<JobView>, Failure> {
    client::get("/api/jobs").await
}

/// One job.
pub async fn get(id: &JobId) -> Result<JobView, Failure> {
    client::get(&format!("/api/jobs/{id}")).await
}

/// What every step of a drawing looked like, where it was asked to keep that.
pub async fn steps(id: &JobId) -> Result<StepsView, Failure> {
    client::get(&format!("/api/jobs/{id}/steps")).await
}

/// Stops a job within one step.
pub async fn cancel(id: &JobId) -> Result<(), Failure> {
    client::act("POST", &format!("/api/jobs/{id}/cancel")).await
}

/// What a stream tells its reader.
pub enum Told {
    /// Something happened to the job.
    Event(Box<JobEvent>),
    /// The stream ended and will not come back by itself.
    Ended,
}

/// Names under which the server may send an event; the payload says by itself what it is.
const NAMES: [&str; 10] = [
    "message",
    "snapshot",
    "moved",
    "started",
    "progressed",
    "requeued",
    "finished",
    "failed",
    "cancelled",
    "gap",
];

/// Follows a job. Nothing comes back where the browser has no streams.
pub fn follow(id: &JobId, told: impl Fn(Told) + Clone + 'static) -> Option<Stream> {
    Stream::open(&format!("/api/jobs/{id}/events"), &NAMES, move |text| match text {
        // A future server may send events that this page does not know: they change nothing here.
        Some(text) => {
            if let Ok(event) = serde_json::from_str::<JobEvent>(&text) {
                told(Told::Event(Box::new(event)));
            }
        }
        None => told(Told::Ended),
    })
}
