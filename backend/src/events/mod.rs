//! Who listens to which job: the live state of every job that has not ended, and its stream of events.
//!
//! The database says what is true; this room says it quickly. Each live job has a state, the last few events (for
//! readers that come back with the number of the last one they saw) and a channel. Numbers grow by one with each event
//! of a job. A job that ends leaves; whoever asks later reads its row. This room knows nothing of the database or of HTTP.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chapan_api::id::JobId;
use chapan_api::job::{JobChange, JobEvent, JobState, JobStatus, JobView};
use tokio::sync::broadcast;

/// How many events a slow reader may fall behind before it is told of a gap, and how many a returning one can get.
pub const KEPT_EVENTS: usize = 64;

/// The live jobs of this process.
#[derive(Debug, Default)]
pub struct Events {
    jobs: Mutex<HashMap<JobId, Live>>,
}

#[derive(Debug)]
struct Live {
    state: JobState,
    recent: VecDeque<Arc<JobEvent>>,
    sender: broadcast::Sender<Arc<JobEvent>>,
}

/// A reader's place: what to send first, and where the rest comes from.
#[derive(Debug)]
pub struct Subscription {
    /// The missed events, or the whole state: never nothing for a reader without a place.
    pub first: Vec<Arc<JobEvent>>,
    /// All later events. Closed after the last.
    pub rest: broadcast::Receiver<Arc<JobEvent>>,
}

impl Events {
    /// Takes up a job that has not ended. One that is known already stays as it is.
    pub fn open(&self, view: JobView) {
        if view.status.is_final() {
            return;
        }
        self.jobs().entry(view.id.clone()).or_insert_with(|| Live {
            state: JobState::new(view),
            recent: VecDeque::with_capacity(KEPT_EVENTS),
            sender: broadcast::channel(KEPT_EVENTS).0,
        });
    }

    /// Drops a job about which the database knows better. Its readers' streams close.
    pub fn close(&self, id: &JobId) {
        self.jobs().remove(id);
    }

    /// Numbers a change, applies it and sends it to all readers. Call it after the change is committed.
    pub fn publish(&self, id: &JobId, change: JobChange) {
        let mut jobs = self.jobs();
        let Some(live) = jobs.get_mut(id) else { return };
        let event = Arc::new(JobEvent { seq: live.state.view.seq + 1, change });
        live.state.apply(&event);
        if live.recent.len() == KEPT_EVENTS {
            live.recent.pop_front();
        }
        live.recent.push_back(event.clone());
        // Nobody listening is no fault.
        let _readers = live.sender.send(event);
        if live.state.view.status.is_final() {
            jobs.remove(id);
        }
    }

    /// Tells the jobs in `order` their places, where they changed.
    pub fn publish_positions(&self, order: &[JobId]) {
        for (place, id) in order.iter().enumerate() {
            let position = place as u32;
            let is_news = |view: &JobView| {
                view.status == JobStatus::Queued && view.position.is_none_or(|old| old != position)
            };
            let moved = self.jobs().get(id).is_some_and(|live| is_news(&live.state.view));
            if moved {
                self.publish(id, JobChange::Moved { position });
            }
        }
    }

    /// The job's state now, if it is live.
    pub fn view(&self, id: &JobId) -> Option<JobView> {
        self.jobs().get(id).map(|live| live.state.view.clone())
    }

    /// Begins to read a job. `after` is the number of the last event that the reader has seen.
    pub fn subscribe(&self, id: &JobId, after: Option<u64>) -> Option<Subscription> {
        let jobs = self.jobs();
        let live = jobs.get(id)?;
        let missed = after.and_then(|after| live.after(after));
        let first = missed.unwrap_or_else(|| vec![live.snapshot()]);
        Some(Subscription { first, rest: live.sender.subscribe() })
    }

    /// The whole state as an event, if the job is live.
    pub fn snapshot(&self, id: &JobId) -> Option<Arc<JobEvent>> {
        self.jobs().get(id).map(Live::snapshot)
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, Live>> {
        // No code panics while it holds this lock in a half-changed state.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn snapshot(&self) -> Arc<JobEvent> {
        let job = Box::new(self.state.view.clone());
        Arc::new(JobEvent { seq: job.seq, change: JobChange::Snapshot { job } })
    }

    /// The events after number `after`, if all of them are still here.
    fn after(&self, after: u64) -> Option<Vec<Arc<JobEvent>>> {
        let now = self.state.view.seq;
        let oldest = self.recent.front().map_or(now + 1, |event| event.seq);
        (after + 1 >= oldest && after <= now)
            .then(|| self.recent.iter().filter(|event| event.seq > after).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chapan_api::id::{GenerationId, ImageId};
    use chapan_api::job::{Applied, JobKind, JobPhase, JobProgress};

    fn queued(seq: u64) -> JobView {
        JobView {
            id: JobId::new("j"),
            kind: JobKind::Generation,
            generation: Some(GenerationId::new("g")),
            upscale: None,
            grid: None,
            dataset: None,
            training: None,
            competition: None,
            status: JobStatus::Queued,
            position: Some(3),
            progress: None,
            image: None,
            images: Vec::new(),
            error: None,
            attempt: 0,
            seq,
            created_at_ms: 1,
            started_at_ms: None,
            finished_at_ms: None,
        }
    }

    fn step(step: u32) -> JobChange {
        let progress = JobProgress { phase: JobPhase::Denoising, step, total_steps: 500, preview: None };
        JobChange::Progressed { progress }
    }

    #[test]
    fn a_reader_that_comes_late_sees_the_state_and_then_the_rest() {
        let (events, id) = (Events::default(), JobId::new("j"));
        events.open(queued(7));
        events.publish(&id, JobChange::Started { attempt: 1, at_ms: 2 });
        events.publish(&id, step(1));
        let mut reader = events.subscribe(&id, None).unwrap();
        events.publish(&id, JobChange::Finished { images: vec![ImageId::new("i")], at_ms: 3 });
        let JobChange::Snapshot { job } = &reader.first[0].change else { panic!("{:?}", reader.first) };
        assert_eq!((job.seq, job.status), (9, JobStatus::Running));
        let mut state = JobState::new((**job).clone());
        assert_eq!(state.apply(&reader.rest.try_recv().unwrap()), Applied::Changed);
        assert_eq!(state.view.status, JobStatus::Succeeded);
        assert!(matches!(reader.rest.try_recv(), Err(broadcast::error::TryRecvError::Closed)));
        assert!(events.view(&id).is_none(), "a job that ended is not live");
    }

    #[test]
    fn a_reader_that_comes_back_gets_what_it_missed_if_it_is_still_here() {
        let (events, id) = (Events::default(), JobId::new("j"));
        events.open(queued(0));
        events.publish(&id, JobChange::Started { attempt: 1, at_ms: 2 });
        for index in 1..=10 {
            events.publish(&id, step(index));
        }
        let seqs = |after| -> Vec<u64> {
            events.subscribe(&id, Some(after)).unwrap().first.iter().map(|event| event.seq).collect()
        };
        assert_eq!(seqs(9), [10, 11]);
        assert_eq!(seqs(11), [0u64; 0]);
        assert_eq!(seqs(999), [11], "a number from the future gets the state");
        for index in 11..=200 {
            events.publish(&id, step(index));
        }
        let first = events.subscribe(&id, Some(9)).unwrap().first;
        assert!(matches!(first[0].change, JobChange::Snapshot { .. }), "too old gets the state");
    }

    #[test]
    fn only_changed_positions_are_told() {
        let (events, id) = (Events::default(), JobId::new("j"));
        events.open(queued(0));
        events.publish_positions(&[JobId::new("other"), id.clone()]);
        events.publish_positions(&[JobId::new("other"), id.clone()]);
        assert_eq!(events.view(&id).map(|view| (view.position, view.seq)), Some((Some(1), 1)));
    }
}
