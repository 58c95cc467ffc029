//! Routes of the noun `job`, and its stream of events.

use chapan_api::{
    id::JobId,
    job::{JobEvent, JobView},
    page::Page,
    steps::StepsView,
};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent};

use super::{Failure, client};

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

/// An open stream of one job's events; closes when dropped.
pub struct Stream {
    source: EventSource,
    _on_event: Closure<dyn Fn(MessageEvent)>,
    _on_error: Closure<dyn Fn()>,
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

impl Stream {
    /// Opens the stream of a job. Nothing comes back where the browser has no streams.
    pub fn open(id: &JobId, told: impl Fn(Told) + Clone + 'static) -> Option<Self> {
        let source = EventSource::new(&format!("/api/jobs/{id}/events")).ok()?;
        let tell = told.clone();
        let on_event = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            let Some(text) = message.data().as_string() else { return };
            // A future server may send events that this page does not know: they change nothing here.
            if let Ok(event) = serde_json::from_str::<JobEvent>(&text) {
                tell(Told::Event(Box::new(event)));
            }
        });
        for name in NAMES {
            let _ = source.add_event_listener_with_callback(name, on_event.as_ref().unchecked_ref());
        }
        let watched = source.clone();
        let on_error = Closure::<dyn Fn()>::new(move || {
            // While the browser reconnects by itself there is nothing to do.
            if watched.ready_state() == EventSource::CLOSED {
                told(Told::Ended);
            }
        });
        source.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Some(Self { source, _on_event: on_event, _on_error: on_error })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.set_onerror(None);
        self.source.close();
    }
}
