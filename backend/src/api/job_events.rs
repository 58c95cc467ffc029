//! `GET /api/jobs/{id}/events`: a job's life as server-sent events.
//!
//! The whole state first (or, for a reader that comes back with `Last-Event-ID`, what it missed), then each change, and
//! the end of the stream after the end of the job. A reader that falls behind hears of the gap and gets the state again.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use chapan_api::error::ErrorBody;
use chapan_api::id::{JobId, UserId};
use chapan_api::job::{JobChange, JobEvent};
use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::{ApiError, ApiResult, AppState};
use crate::auth::CurrentUser;

/// Proxies close connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follow a job. Each event's data is a `JobEvent`, its id the number of the event within the job.
#[utoipa::path(
    get, path = "/api/jobs/{id}/events", tag = "job",
    params(
        ("id" = String, Path),
        ("last-event-id" = Option<u64>, Header, description = "Number of the last event that was read")
    ),
    responses(
        (status = OK, description = "A stream of JobEvent", content_type = "text/event-stream", body = JobEvent),
        (status = NOT_FOUND, body = ErrorBody)
    )
)]
pub(super) async fn follow_job(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<JobId>,
    headers: HeaderMap,
) -> ApiResult<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let reader = Reader::begin(app, user.id, id, last).await?;
    let events = unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(as_sent(&event)), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn as_sent(event: &JobEvent) -> Event {
    let data = serde_json::to_string(event).expect("events are plain data with text keys");
    Event::default().id(event.seq.to_string()).data(data)
}

/// One reader of one job.
struct Reader {
    app: AppState,
    owner: UserId,
    job: JobId,
    /// To be sent before anything else.
    ready: VecDeque<Arc<JobEvent>>,
    rest: Option<Receiver<Arc<JobEvent>>>,
    stopping: watch::Receiver<bool>,
    last_seq: u64,
    ended: bool,
}

impl Reader {
    async fn begin(app: AppState, owner: UserId, job: JobId, last: Option<u64>) -> ApiResult<Self> {
        let Some(row) = app.store.job(&owner, &job).await? else {
            return Err(ApiError::not_found("job", job));
        };
        let stopping = app.stopping.clone();
        let mut reader = Self {
            app,
            owner,
            job,
            ready: VecDeque::new(),
            rest: None,
            stopping,
            last_seq: last.unwrap_or_default(),
            ended: false,
        };
        match reader.app.events.subscribe(&row.id, last) {
            Some(subscription) => {
                reader.ready = subscription.first.into();
                reader.rest = Some(subscription.rest);
            }
            // It has ended, or ended between the two looks: the row says how.
            None => reader.read_row().await?,
        }
        Ok(reader)
    }

    async fn next(&mut self) -> Option<Arc<JobEvent>> {
        if self.ended {
            return None;
        }
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(self.sent(event));
            }
            let rest = self.rest.as_mut()?;
            let received = tokio::select! {
                received = rest.recv() => received,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            match received {
                // Already part of a snapshot that was sent.
                Ok(event) if event.seq <= self.last_seq => {}
                Ok(event) => return Some(self.sent(event)),
                Err(RecvError::Lagged(_)) => {
                    let gap = JobEvent { seq: self.last_seq, change: JobChange::Gap };
                    self.ready.push_back(Arc::new(gap));
                    match self.app.events.snapshot(&self.job) {
                        Some(snapshot) => self.ready.push_back(snapshot),
                        None => self.read_row().await.ok()?,
                    }
                }
                Err(RecvError::Closed) => self.read_row().await.ok()?,
            }
        }
    }

    /// Takes the state from the row and stops listening: for jobs that are not live (any more).
    async fn read_row(&mut self) -> ApiResult<()> {
        self.rest = None;
        if let Some(row) = self.app.store.job(&self.owner, &self.job).await? {
            let view = self.app.queue.newest(&row).await?;
            let seq = view.seq;
            let change = JobChange::Snapshot { job: Box::new(view) };
            self.ready.push_back(Arc::new(JobEvent { seq, change }));
        }
        Ok(())
    }

    fn sent(&mut self, event: Arc<JobEvent>) -> Arc<JobEvent> {
        self.last_seq = event.seq;
        self.ended = match &event.change {
            JobChange::Snapshot { job } => job.status.is_final(),
            JobChange::Finished { .. } | JobChange::Failed { .. } | JobChange::Cancelled { .. } => true,
            _ => false,
        };
        event
    }
}
