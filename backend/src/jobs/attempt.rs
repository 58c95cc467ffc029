//! One attempt at one job, from claim to end.
//!
//! The device's thread works; this task listens to it, passes on what it reports, keeps the lease alive, and writes the
//! end. Every write is conditional on the lease: when it is lost, the attempt stops and leaves no trace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::ImageId;
use chapan_api::job::JobChange;
use tokio::sync::{mpsc, watch};

use super::device::Crash;
use super::error::JobError;
use super::signals::{Report, Reporter, Signals};
use super::task::{Done, Made, Task};
use super::worker::Worker;
use crate::ids;
use crate::store::{self, Claimed, JobRow, Lease, NewImage, Place, Wanted};

/// How often the lease is renewed while nothing is reported.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How often a long job is asked whether others wait for its device.
const LOOK_FOR_OTHERS: Duration = Duration::from_millis(500);

/// How often a write that must not be lost is tried again when the database is busy.
const WRITE_TRIES: u32 = 5;

pub(super) struct Attempt<'a> {
    worker: &'a Worker,
    job: JobRow,
    lease: Lease,
    signals: Arc<Signals>,
    cancelled_by_owner: bool,
    lease_lost: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(worker: &'a Worker, claimed: Claimed) -> Self {
        let Claimed { job, lease } = claimed;
        let signals = worker.queue.begin(&job.id);
        let cancelled_by_owner = job.cancel_requested;
        Self { worker, job, lease, signals, cancelled_by_owner, lease_lost: false }
    }

    /// Runs the job to its end, whatever that is.
    pub(super) async fn run(mut self, shutdown: &mut watch::Receiver<bool>) {
        let id = self.job.id.clone();
        let queue = &self.worker.queue;
        let at_ms = self.job.started_at_ms.unwrap_or_default();
        tracing::info!(job = %id, attempt = self.job.attempt, "started");
        queue.events.publish(&id, JobChange::Started { attempt: self.job.attempt, at_ms });
        queue.announce_positions().await;

        let began = Instant::now();
        let done = self.work(shutdown).await;
        let duration_ms = began.elapsed().as_millis() as u64;
        let ended = match done {
            Ok(done) => self.succeed(done, duration_ms).await,
            Err(JobError::Cancelled) => self.stopped().await,
            Err(JobError::Fail { body, cause }) => {
                tracing::warn!(job = %id, error = body.message, cause, "failed");
                let written = self.worker.queue.store.fail(&self.lease, &body).await;
                written.map(|()| Some(JobChange::Failed { error: *body, at_ms: self.now_ms() }))
            }
        };
        let goes_on = matches!(ended, Ok(Some(JobChange::Requeued { .. } | JobChange::Paused)));
        queue.end(&id, goes_on);
        match ended {
            Ok(Some(change)) => queue.events.publish(&id, change),
            Ok(None) => {}
            Err(store::Error::LeaseLost { .. }) => {
                tracing::warn!(job = %id, "another attempt has taken over");
            }
            // The row still says `running`; its lease will run out and the job will be done again.
            Err(error) => tracing::error!(job = %id, %error, "the end of the job could not be written"),
        }
        tracing::info!(job = %id, duration_ms, "ended");
        queue.announce_positions().await;
    }

    /// Has the device do the work, and meanwhile listens.
    async fn work(&mut self, shutdown: &mut watch::Receiver<bool>) -> Result<Done, JobError> {
        let task = Task::prepare(self.worker, &self.job).await?;
        let is_long = task.is_long();
        let (reporter, mut inbox) = Reporter::new(self.signals.clone());
        let device = self.worker.device.clone();
        let queue = self.worker.queue.clone();
        let work = self.worker.thread.run(move |bench| {
            let done = task.run(bench, &reporter);
            queue.set_loaded(&device, bench.loaded.as_ref().map(|held| held.id.clone()));
            done
        });
        tokio::pin!(work);
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.tick().await;
        let began = Instant::now();
        let mut others = tokio::time::interval(LOOK_FOR_OTHERS);
        loop {
            tokio::select! {
                biased;
                Some(report) = inbox.recv() => self.pass_on(report, &mut inbox).await,
                done = &mut work => {
                    // What was told last is not lost.
                    if let Ok(report) = inbox.try_recv() {
                        self.pass_on(report, &mut inbox).await;
                    }
                    return done.unwrap_or_else(|crash| Err(self.crashed(&crash)));
                }
                _ = shutdown.changed() => self.signals.stop(),
                _ = others.tick(), if is_long && began.elapsed() >= self.worker.slice => {
                    self.look_for_others().await;
                }
                _ = heartbeat.tick() => {
                    let kept =
                        self.worker.queue.store.renew_lease(&self.lease, self.worker.lease_end()).await;
                    self.heed(kept);
                }
            }
        }
    }

    /// Publishes all that was reported, and notes the last of it.
    async fn pass_on(&mut self, first: Report, inbox: &mut mpsc::UnboundedReceiver<Report>) {
        let mut next = Some(first);
        let mut place = None;
        while let Some(report) = next {
            match report {
                Report::Progress(progress) => {
                    place = Some(Place { phase: progress.phase, step: progress.step });
                    self.worker.queue.events.publish(&self.job.id, JobChange::Progressed { progress });
                }
                Report::Kept => {
                    let forgiven = self.worker.queue.store.forgive_losses(&self.lease).await;
                    self.heed(forgiven.map(|()| Wanted::default()));
                }
                Report::StepTook(step_ms) => self.note_step_time(step_ms).await,
            }
            next = inbox.try_recv().ok();
        }
        if let Some(place) = place {
            let until = self.worker.lease_end();
            let kept = self.worker.queue.store.record_progress(&self.lease, place, until).await;
            self.heed(kept);
        }
    }

    /// What the row said when the lease was renewed.
    fn heed(&mut self, kept: store::Result<Wanted>) {
        match kept {
            Ok(Wanted { cancel: true, .. }) => self.cancelled_by_owner = true,
            Ok(Wanted { rest: true, .. }) => {}
            Ok(Wanted { cancel: false, rest: false }) => return,
            Err(store::Error::LeaseLost { .. }) => self.lease_lost = true,
            Err(error) => {
                tracing::warn!(job = %self.job.id, %error, "progress was not noted");
                return;
            }
        }
        self.signals.stop();
    }

    /// Asks the job to give its device back when others wait for it.
    async fn look_for_others(&self) {
        match self.worker.queue.store.somebody_waits().await {
            Ok(true) => self.signals.give_back(),
            Ok(false) => {}
            Err(error) => tracing::warn!(job = %self.job.id, %error, "nobody knows whether others wait"),
        }
    }

    /// Only a help for estimates: a fault is logged.
    async fn note_step_time(&self, step_ms: f64) {
        let Some(id) = self.job.subject.training() else { return };
        if let Err(error) = self.worker.queue.store.note_step_ms(id, step_ms).await {
            tracing::warn!(job = %self.job.id, %error, "the time of a step was not noted");
        }
    }

    fn crashed(&self, crash: &Crash) -> JobError {
        self.worker.queue.set_loaded(&self.worker.device, None);
        JobError::internal("the engine stopped in the middle of this picture", &crash)
    }

    async fn succeed(&self, done: Done, duration_ms: u64) -> store::Result<Option<JobChange>> {
        let store = &self.worker.queue.store;
        match done {
            Done::Pictures(made) => return self.keep_pictures(made, duration_ms).await,
            Done::Analysis(seen) => {
                store.succeed_analysis(&self.lease, &seen.dataset, &seen.pictures, &seen.together).await?;
            }
            Done::Training(learnt) => {
                store.succeed_training(&self.lease, &learnt.id, &learnt.lora).await?;
            }
            Done::Competition => store.succeed_competition(&self.lease).await?,
        }
        Ok(Some(JobChange::Finished { images: Vec::new(), at_ms: self.now_ms() }))
    }

    /// Pictures first, then their rows together with the end of the job: a row never names a file that is not there.
    async fn keep_pictures(&self, made: Vec<Made>, duration_ms: u64) -> store::Result<Option<JobChange>> {
        let each_ms = duration_ms / made.len().max(1) as u64;
        let mut images = Vec::with_capacity(made.len());
        let mut steps = None;
        for picture in made {
            steps = steps.or(picture.steps);
            let size_bytes = picture.png.len() as u64;
            let sha256 = match self.worker.blobs.put(picture.png.into()).await {
                Ok(name) => name,
                Err(error) => return self.not_stored(&error).await,
            };
            images.push(NewImage {
                id: ImageId::new(ids::new_id(&*self.worker.clock)),
                owner: self.job.owner.clone(),
                kind: picture.kind,
                subject: Some(self.job.subject.clone()),
                sha256,
                size_bytes,
                width: picture.width,
                height: picture.height,
                record: picture.record,
                enlargement: picture.enlargement,
                imported: None,
                caption: picture.caption,
                duration_ms: each_ms,
            });
        }
        let mut tries = 1;
        loop {
            match self.worker.queue.store.succeed(&self.lease, &images).await {
                Ok(()) => break,
                Err(store::Error::Busy(_)) if tries < WRITE_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
        // Before anybody hears of the end: whoever asks then finds them.
        if let Some(steps) = steps {
            self.worker.queue.steps.put(&self.job.id, steps);
        }
        let images = images.into_iter().map(|image| image.id).collect();
        Ok(Some(JobChange::Finished { images, at_ms: self.now_ms() }))
    }

    async fn not_stored(&self, error: &crate::files::Error) -> store::Result<Option<JobChange>> {
        tracing::error!(job = %self.job.id, %error, "the picture could not be stored");
        let body = ErrorBody::new(ErrorCode::StorageFull, "the picture could not be stored")
            .with_hint("ask whoever runs the server to look at its disk, then try again");
        self.worker.queue.store.fail(&self.lease, &body).await?;
        Ok(Some(JobChange::Failed { error: body, at_ms: self.now_ms() }))
    }

    /// It stopped because it was told to: by its owner, by the loss of the lease, or by the end of the server.
    async fn stopped(&mut self) -> store::Result<Option<JobChange>> {
        if self.lease_lost {
            return Ok(None);
        }
        let store = &self.worker.queue.store;
        // The flag may have been raised before the row was read: ask it.
        if !self.cancelled_by_owner {
            self.cancelled_by_owner = store.renew_lease(&self.lease, self.worker.lease_end()).await?.cancel;
        }
        if self.cancelled_by_owner {
            store.finish_cancelled(&self.lease).await?;
            return Ok(Some(JobChange::Cancelled { at_ms: self.now_ms() }));
        }
        let rests = store.release(&self.lease, self.signals.gives_back()).await?;
        tracing::info!(job = %self.job.id, rests, "given back to the queue");
        self.worker.queue.bell.notify_one();
        Ok(Some(if rests { JobChange::Paused } else { JobChange::Requeued { position: 0 } }))
    }

    fn now_ms(&self) -> i64 {
        self.worker.clock.now_ms()
    }
}
