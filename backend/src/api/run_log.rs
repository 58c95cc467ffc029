//! Long work's own events, as server-sent events: the lines of a log that only grows, then each new one.
//!
//! The id of an event is the number of its line, so that a reader that comes back goes on where it was, also after the server
//! was started anew. What wakes a reader is the job's own stream; what it reads is the file.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::SeekFrom;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use chapan_api::id::{JobId, UserId};
use chapan_api::job::JobEvent;
use futures_util::stream::{Stream, unfold};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::AppState;
use crate::store::JobRow;

/// Proxies close connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a reader waits for a job that nobody tells of.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
/// How much of a log is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// The answer to whoever follows.
pub(super) type Followed =
    Sse<KeepAliveStream<Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>>>;

/// The number of the last event that a reader has seen.
pub(super) fn last_event_id(headers: &HeaderMap) -> u64 {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    last.unwrap_or_default()
}

/// Follows a log from the line after `last` on, until its job has ended.
pub(super) fn follow(app: AppState, job: &JobRow, log: PathBuf, last: u64) -> Followed {
    let reader = Reader {
        // Listening begins before the file is read: no line falls in between.
        rest: app.events.subscribe(&job.id, None).map(|subscription| subscription.rest),
        stopping: app.stopping.clone(),
        app,
        owner: job.owner.clone(),
        job: job.id.clone(),
        log,
        offset: 0,
        line: 0,
        last,
        half: Vec::new(),
        ready: VecDeque::new(),
        ended: false,
    };
    let events = unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    let events: Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>> = Box::pin(events);
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

struct Reader {
    app: AppState,
    owner: UserId,
    job: JobId,
    log: PathBuf,
    rest: Option<Receiver<Arc<JobEvent>>>,
    stopping: watch::Receiver<bool>,
    /// How far the file is read, and which line that is.
    offset: u64,
    line: u64,
    /// Lines up to this one are known to the reader.
    last: u64,
    /// The beginning of a line whose end is not written yet.
    half: Vec<u8>,
    ready: VecDeque<Event>,
    ended: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            // Asked before the file is read: what was written until then is read below.
            let has_ended = self.has_ended().await?;
            let more = match self.read_on().await {
                Ok(more) => more,
                Err(error) => {
                    tracing::warn!(job = %self.job, %error, "a log cannot be read");
                    return None;
                }
            };
            if more {
                continue;
            }
            if has_ended {
                self.ended = true;
                self.ready.push_back(Event::default().event("end").data("{}"));
                continue;
            }
            self.wait().await?;
        }
    }

    /// Whether the job has ended; `None` when nobody knows, and when its row is gone.
    async fn has_ended(&mut self) -> Option<bool> {
        if self.rest.is_some() {
            return Some(false);
        }
        let row = self.app.store.job(&self.owner, &self.job).await.ok().flatten()?;
        if !row.status.is_final() {
            // It goes on again after all.
            self.rest = self.app.events.subscribe(&self.job, None).map(|subscription| subscription.rest);
        }
        Some(row.status.is_final())
    }

    /// Waits until the job tells something.
    async fn wait(&mut self) -> Option<()> {
        let Some(rest) = self.rest.as_mut() else {
            // Its row says that it lives, and nobody tells of it: between two attempts, for a moment.
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
            return Some(());
        };
        let received = tokio::select! {
            received = rest.recv() => received,
            _ = self.stopping.wait_for(|stopping| *stopping) => return None,
        };
        if matches!(received, Err(RecvError::Closed)) {
            self.rest = None;
        }
        Some(())
    }

    /// Reads a piece of the file. Says whether there was one.
    async fn read_on(&mut self) -> std::io::Result<bool> {
        let mut file = match tokio::fs::File::open(&self.log).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        file.seek(SeekFrom::Start(self.offset)).await?;
        let mut piece = Vec::new();
        file.take(PIECE_BYTES as u64).read_to_end(&mut piece).await?;
        self.offset += piece.len() as u64;
        for line in piece.split_inclusive(|byte| *byte == b'\n') {
            self.half.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                continue;
            }
            let text = String::from_utf8_lossy(&std::mem::take(&mut self.half)).trim_end().to_owned();
            self.line += 1;
            if self.line > self.last {
                self.ready.push_back(Event::default().id(self.line.to_string()).data(text));
            }
        }
        Ok(!piece.is_empty())
    }
}
