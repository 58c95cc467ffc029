//! `GET /api/jobs/{id}/events`.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chapan::events::KEPT_EVENTS;
use chapan_api::id::JobId;
use chapan_api::job::{Applied, JobChange, JobEvent, JobPhase, JobProgress, JobState, JobStatus, JobView};
use http_body_util::BodyExt;

use crate::support::{Caller, Studio};

/// A reader of a stream, event by event.
pub struct Stream {
    body: Body,
    text: String,
}

impl Stream {
    pub async fn open(caller: &Caller, job: &JobId, last: Option<u64>) -> Self {
        let mut request = Request::get(format!("/api/jobs/{job}/events"));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = caller.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event; `None` at the end of the stream. The number in `id:` must be the event's own.
    pub async fn next(&mut self) -> Option<JobEvent> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
                let Some(data) = field("data:") else { continue };
                let event: JobEvent = serde_json::from_str(data).unwrap();
                assert_eq!(field("id:"), Some(event.seq.to_string().as_str()));
                return Some(event);
            }
            let frame = self.body.frame().await?.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&frame).unwrap());
        }
    }

    pub async fn snapshot(&mut self) -> JobView {
        match self.next().await.map(|event| event.change) {
            Some(JobChange::Snapshot { job }) => *job,
            other => panic!("a snapshot was due, not {other:?}"),
        }
    }
}

fn step(step: u32) -> JobChange {
    let progress = JobProgress { phase: JobPhase::Denoising, step, total_steps: 900, preview: None };
    JobChange::Progressed { progress }
}

#[tokio::test]
async fn the_state_comes_first_then_every_change_then_the_end() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let job = caller.ask().await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    let mut state = JobState::new(stream.snapshot().await);
    assert_eq!((state.view.status, state.view.position), (JobStatus::Queued, Some(0)));

    let claimed = studio.claim().await.unwrap();
    studio.app.events.publish(&job.id, JobChange::Started { attempt: 1, at_ms: 1 });
    studio.app.events.publish(&job.id, step(1));
    let image = studio.finish(&claimed, b"png").await;
    let mut applied = 0;
    while let Some(event) = stream.next().await {
        assert_eq!(state.apply(&event), Applied::Changed, "{event:?}");
        applied += 1;
    }
    assert_eq!(applied, 3);
    assert_eq!((state.view.status, state.view.image), (JobStatus::Succeeded, Some(image)));
}

#[tokio::test]
async fn whoever_comes_after_the_end_gets_the_end() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let job = caller.ask().await;
    let image = studio.finish(&studio.claim().await.unwrap(), b"png").await;
    for last in [None, Some(1), Some(u64::MAX)] {
        let mut stream = Stream::open(&caller, &job.id, last).await;
        assert_eq!(stream.snapshot().await.image, Some(image.clone()), "{last:?}");
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn whoever_comes_back_gets_what_was_missed_and_nothing_twice() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let job = caller.ask().await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    let mut state = JobState::new(stream.snapshot().await);
    studio.app.events.publish(&job.id, JobChange::Started { attempt: 1, at_ms: 1 });
    state.apply(&stream.next().await.unwrap());
    drop(stream);
    studio.app.events.publish(&job.id, step(1));
    studio.app.events.publish(&job.id, step(2));

    let mut back = Stream::open(&caller, &job.id, Some(state.view.seq)).await;
    studio.app.events.publish(&job.id, step(3));
    for expected in 1..=3 {
        assert_eq!(state.apply(&back.next().await.unwrap()), Applied::Changed);
        assert_eq!(state.view.progress.as_ref().map(|progress| progress.step), Some(expected));
    }
}

#[tokio::test]
async fn whoever_comes_back_after_a_restart_gets_a_newer_state() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let job = caller.ask().await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    let mut state = JobState::new(stream.snapshot().await);
    studio.app.events.publish(&job.id, JobChange::Started { attempt: 1, at_ms: 1 });
    state.apply(&stream.next().await.unwrap());
    // The process is gone, and with it the live state; the next one recovers the rows.
    studio.claim().await.unwrap();
    studio.app.events.close(&job.id);
    assert!(stream.next().await.is_some(), "the row's word at the end of the old stream");
    for lost in studio.app.store.recover().await.unwrap() {
        studio.app.events.open(lost.view(Some(0), Vec::new()));
    }
    let mut back = Stream::open(&caller, &job.id, Some(state.view.seq)).await;
    let event = back.next().await.unwrap();
    assert_eq!(state.apply(&event), Applied::Changed, "{event:?}");
    assert_eq!(state.view.status, JobStatus::Queued);
}

#[tokio::test]
async fn a_slow_reader_is_told_of_the_gap_and_catches_up() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let job = caller.ask().await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    let mut state = JobState::new(stream.snapshot().await);
    studio.app.events.publish(&job.id, JobChange::Started { attempt: 1, at_ms: 1 });
    let many = KEPT_EVENTS as u32 * 3;
    for index in 1..=many {
        studio.app.events.publish(&job.id, step(index));
    }
    let mut gaps = 0;
    while state.view.progress.as_ref().is_none_or(|progress| progress.step < many) {
        let event = stream.next().await.unwrap();
        match state.apply(&event) {
            Applied::NeedsSnapshot => {
                assert_eq!(event.change, JobChange::Gap);
                gaps += 1;
            }
            applied => assert_eq!(applied, Applied::Changed, "{event:?}"),
        }
    }
    assert_eq!(gaps, 1, "lost events are never passed over in silence");
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let job = caller.ask().await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    stream.snapshot().await;
    studio.stop.send(true).unwrap();
    assert!(stream.next().await.is_none());
}
