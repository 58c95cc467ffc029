//! One attempt at one job, from claim to end.
//!
//! The device's thread works; this task listens to it, passes on what it reports, keeps the lease alive, and writes the
//! end. Every write is conditional on the lease: when it is lost, the attempt stops and leaves no trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::ImageId;
use chapan_api::job::{JobChange, JobProgress};
use chapan_engine::pipelines::Flow;
use tokio::sync::{mpsc, watch};

use super::device::Crash;
use super::error::JobError;
use super::task::{Made, Task};
use super::worker::Worker;
use crate::ids;
use crate::store::{self, Claimed, JobRow, Lease, NewImage, Place};

/// How often the lease is renewed while nothing is reported.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How often a write that must not be lost is tried again when the database is busy.
const WRITE_TRIES: u32 = 5;

pub(super) struct Attempt<'a> {
    worker: &'a Worker,
    job: JobRow,
    lease: Lease,
    stop: Arc<AtomicBool>,
    cancelled_by_owner: bool,
    lease_lost: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(worker: &'a Worker, claimed: Claimed) -> Self {
        let Claimed { job, lease } = claimed;
        let stop = worker.queue.begin(&job.id);
        let cancelled_by_owner = job.cancel_requested;
        Self { worker, job, lease, stop, cancelled_by_owner, lease_lost: false }
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
            Ok(made) => self.succeed(made, duration_ms).await,
            Err(JobError::Cancelled) => self.stopped().await,
            Err(JobError::Fail { body, cause }) => {
                tracing::warn!(job = %id, error = body.message, cause, "failed");
                let written = self.worker.queue.store.fail(&self.lease, &body).await;
                written.map(|()| Some(JobChange::Failed { error: *body, at_ms: self.now_ms() }))
            }
        };
        queue.end(&id);
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
    async fn work(&mut self, shutdown: &mut watch::Receiver<bool>) -> Result<Vec<Made>, JobError> {
        let task = Task::prepare(self.worker, &self.job).await?;
        let (reports, mut inbox) = mpsc::unbounded_channel();
        let stop = self.stop.clone();
        let device = self.worker.device.clone();
        let queue = self.worker.queue.clone();
        let work = self.worker.thread.run(move |bench| {
            let report = |progress: JobProgress| {
                // The listener may be gone when the server stops; the flag says so as well.
                let _unheard = reports.send(progress);
                if stop.load(Ordering::Relaxed) { Flow::Cancel } else { Flow::Continue }
            };
            let done = task.run(bench, &report);
            queue.set_loaded(&device, bench.loaded.as_ref().map(|held| held.id.clone()));
            done
        });
        tokio::pin!(work);
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.tick().await;
        loop {
            tokio::select! {
                biased;
                Some(progress) = inbox.recv() => self.pass_on(progress, &mut inbox).await,
                done = &mut work => return done.unwrap_or_else(|crash| Err(self.crashed(&crash))),
                _ = shutdown.changed() => self.stop.store(true, Ordering::Relaxed),
                _ = heartbeat.tick() => {
                    let kept =
                        self.worker.queue.store.renew_lease(&self.lease, self.worker.lease_end()).await;
                    self.heed(kept);
                }
            }
        }
    }

    /// Publishes all that was reported, and notes the last of it.
    async fn pass_on(&mut self, first: JobProgress, inbox: &mut mpsc::UnboundedReceiver<JobProgress>) {
        let mut next = Some(first);
        let mut place = None;
        while let Some(progress) = next {
            place = Some(Place { phase: progress.phase, step: progress.step });
            self.worker.queue.events.publish(&self.job.id, JobChange::Progressed { progress });
            next = inbox.try_recv().ok();
        }
        if let Some(place) = place {
            let until = self.worker.lease_end();
            let kept = self.worker.queue.store.record_progress(&self.lease, place, until).await;
            self.heed(kept);
        }
    }

    /// What the row said when the lease was renewed.
    fn heed(&mut self, kept: store::Result<bool>) {
        match kept {
            Ok(false) => return,
            Ok(true) => self.cancelled_by_owner = true,
            Err(store::Error::LeaseLost { .. }) => self.lease_lost = true,
            Err(error) => {
                tracing::warn!(job = %self.job.id, %error, "progress was not noted");
                return;
            }
        }
        self.stop.store(true, Ordering::Relaxed);
    }

    fn crashed(&self, crash: &Crash) -> JobError {
        self.worker.queue.set_loaded(&self.worker.device, None);
        JobError::internal("the engine stopped in the middle of this picture", &crash)
    }

    /// Pictures first, then their rows together with the end of the job: a row never names a file that is not there.
    async fn succeed(&self, made: Vec<Made>, duration_ms: u64) -> store::Result<Option<JobChange>> {
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
            self.cancelled_by_owner = store.renew_lease(&self.lease, self.worker.lease_end()).await?;
        }
        if self.cancelled_by_owner {
            store.finish_cancelled(&self.lease).await?;
            return Ok(Some(JobChange::Cancelled { at_ms: self.now_ms() }));
        }
        store.release(&self.lease).await?;
        tracing::info!(job = %self.job.id, "given back to the queue");
        Ok(Some(JobChange::Requeued { position: 0 }))
    }

    fn now_ms(&self) -> i64 {
        self.worker.clock.now_ms()
    }
}
