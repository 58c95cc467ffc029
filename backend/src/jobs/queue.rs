//! The queue as the rest of the server sees it: enqueue, look, cancel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chapan_api::id::{JobId, ModelId, UserId};
use chapan_api::job::{JobChange, JobStatus, JobView};
use chapan_api::steps::{StepView, StepsView};
use tokio::sync::Notify;

use super::signals::Signals;
use super::steps::StepsRoom;
use crate::events::Events;
use crate::store::{self, Cancelled, JobRow, NewJob, Store, Wished};

/// The way to the workers. Every change is committed first and told to listeners after.
#[derive(Debug)]
pub struct Queue {
    pub(super) store: Store,
    pub(super) events: Arc<Events>,
    /// Rung once for each job that becomes free to claim.
    pub(super) bell: Notify,
    /// What is wanted of the jobs that this process runs, and wishes that wait for jobs to go on.
    signals: Mutex<HashMap<JobId, Arc<Signals>>>,
    /// What each device of this process holds in memory.
    loaded: Mutex<HashMap<String, ModelId>>,
    /// What steps looked like.
    pub(super) steps: StepsRoom,
}

impl Queue {
    /// A queue over the rows of `store`. Takes up what an earlier process left: running jobs have lost their worker.
    pub async fn recover(store: Store, events: Arc<Events>) -> store::Result<Self> {
        for lost in store.recover().await? {
            tracing::warn!(job = %lost.id, attempt = lost.attempt, state = ?lost.status, "a job had lost its worker");
        }
        let order = store.queue_order().await?;
        for job in store.queued_jobs().await? {
            events.open(job.view(position_in(&order, &job.id), Vec::new()));
        }
        let queue = Self {
            store,
            events,
            bell: Notify::new(),
            signals: Mutex::default(),
            loaded: Mutex::default(),
            steps: StepsRoom::default(),
        };
        queue.bell.notify_one();
        Ok(queue)
    }

    /// Accepts work: once this returns, it will be done or its failure explained, whatever happens to the server.
    pub async fn enqueue(&self, new: &NewJob) -> store::Result<JobView> {
        // Live before it is committed: a worker may claim it, and even end it, before the next line runs.
        self.events.open(new.view());
        let job = match self.store.enqueue(new).await {
            Ok(job) => job,
            Err(error) => {
                self.events.close(&new.id);
                return Err(error);
            }
        };
        self.announce_positions().await;
        self.bell.notify_one();
        self.newest(&job).await
    }

    /// A job of this owner as it is now.
    pub async fn view(&self, owner: &UserId, id: &JobId) -> store::Result<Option<JobView>> {
        match self.store.job(owner, id).await? {
            Some(job) => self.newest(&job).await.map(Some),
            None => Ok(None),
        }
    }

    /// The owner's jobs that have not ended, newest first.
    pub async fn active(&self, owner: &UserId) -> store::Result<Vec<JobView>> {
        let mut views = Vec::new();
        for job in self.store.active_jobs(owner).await? {
            views.push(self.newest(&job).await?);
        }
        Ok(views)
    }

    /// The live state of a job, which knows more than its row.
    pub async fn newest(&self, job: &JobRow) -> store::Result<JobView> {
        if job.status.is_final() {
            return self.ended(job).await;
        }
        if let Some(view) = self.events.view(&job.id) {
            return Ok(view);
        }
        // It ended, or was accepted, a moment ago: the row is newer than what was read before.
        let job = self.store.job(&job.owner, &job.id).await?.unwrap_or_else(|| job.clone());
        if job.status.is_final() {
            return self.ended(&job).await;
        }
        let order = self.store.queue_order().await?;
        Ok(job.view(position_in(&order, &job.id), Vec::new()))
    }

    async fn ended(&self, job: &JobRow) -> store::Result<JobView> {
        let images = match job.status {
            JobStatus::Succeeded => self.store.images_of_job(&job.id).await?,
            _ => Vec::new(),
        };
        Ok(job.view(None, images.into_iter().map(|image| image.id).collect()))
    }

    /// Stops a job: a waiting one at once, a running one at its next step. `None`: this owner has no such job.
    pub async fn cancel(&self, owner: &UserId, id: &JobId) -> store::Result<Option<JobView>> {
        let Some(cancelled) = self.store.request_cancel(owner, id).await? else { return Ok(None) };
        match cancelled {
            Cancelled::Now(job) => {
                let at_ms = job.finished_at_ms.unwrap_or_default();
                self.events.publish(id, JobChange::Cancelled { at_ms });
                self.signals().remove(id);
                self.announce_positions().await;
                Ok(Some(job.view(None, Vec::new())))
            }
            Cancelled::Requested(job) => {
                if let Some(signals) = self.signals().get(id) {
                    signals.stop();
                }
                self.newest(&job).await.map(Some)
            }
            Cancelled::TooLate(job) => self.newest(&job).await.map(Some),
        }
    }

    /// Lets a job rest: a waiting one at once, a running one at its next step. `None`: this owner has no such job;
    /// `Some(false)`: it has ended.
    pub async fn pause(&self, owner: &UserId, id: &JobId) -> store::Result<Option<bool>> {
        let Some(wished) = self.store.set_paused(owner, id, true).await? else { return Ok(None) };
        let Wished::Done(job) = wished else { return Ok(Some(false)) };
        if job.status == JobStatus::Queued {
            self.events.publish(id, JobChange::Paused);
            self.announce_positions().await;
        } else if let Some(signals) = self.signals().get(id) {
            signals.stop();
        }
        Ok(Some(true))
    }

    /// Lets a job go on that rests, or that failed. `None`: this owner has no such job; `Some(false)`: it has ended otherwise.
    pub async fn resume(&self, owner: &UserId, id: &JobId) -> store::Result<Option<bool>> {
        let Some(mut wished) = self.store.set_paused(owner, id, false).await? else { return Ok(None) };
        if matches!(&wished, Wished::TooLate(job) if job.status == JobStatus::Failed) {
            let Some(again) = self.store.requeue_failed(owner, id).await? else { return Ok(None) };
            wished = again;
            if let Wished::Done(job) = &wished {
                self.events.open(job.view(None, Vec::new()));
            }
        }
        let Wished::Done(job) = wished else { return Ok(Some(false)) };
        if job.status == JobStatus::Queued {
            self.events.publish(id, JobChange::Requeued { position: 0 });
            self.announce_positions().await;
            self.bell.notify_one();
        }
        Ok(Some(true))
    }

    /// A job was ended together with what it was for: its readers hear of it.
    pub async fn ended_elsewhere(&self, owner: &UserId, id: &JobId) -> store::Result<()> {
        if let Some(job) = self.store.job(owner, id).await?
            && job.status == JobStatus::Cancelled
        {
            let at_ms = job.finished_at_ms.unwrap_or_default();
            self.events.publish(id, JobChange::Cancelled { at_ms });
            self.signals().remove(id);
            self.announce_positions().await;
        }
        Ok(())
    }

    /// Asks a training for samples, as soon as it works.
    pub fn wish_for_samples(&self, id: &JobId) {
        self.signals().entry(id.clone()).or_default().wish_for_samples();
    }

    /// Asks a training for a checkpoint, as soon as it works.
    pub fn wish_for_checkpoint(&self, id: &JobId) {
        self.signals().entry(id.clone()).or_default().wish_for_checkpoint();
    }

    /// What the steps of a job looked like: the view with an empty list, and the list. `None`: they are not kept.
    pub fn steps(&self, id: &JobId) -> Option<(StepsView, Vec<Arc<StepView>>)> {
        self.steps.view(id)
    }

    /// Models that are in memory now.
    pub fn loaded_models(&self) -> Vec<ModelId> {
        self.loaded().values().cloned().collect()
    }

    pub(super) fn set_loaded(&self, device: &str, model: Option<ModelId>) {
        match model {
            Some(model) => self.loaded().insert(device.to_owned(), model),
            None => self.loaded().remove(device),
        };
    }

    pub(super) fn loaded_on(&self, device: &str) -> Option<ModelId> {
        self.loaded().get(device).cloned()
    }

    /// Notes that this process runs a job, and gives what is wanted of it.
    pub(super) fn begin(&self, id: &JobId) -> Arc<Signals> {
        let signals = self.signals().entry(id.clone()).or_default().clone();
        signals.begin();
        signals
    }

    /// The attempt has ended; wishes stay if the job will go on.
    pub(super) fn end(&self, id: &JobId, goes_on: bool) {
        let mut all = self.signals();
        if !all.get(id).is_some_and(|signals| goes_on && signals.has_wish()) {
            all.remove(id);
        }
    }

    /// Takes back the jobs of workers that have fallen silent. To be called now and then.
    pub async fn requeue_expired(&self) -> store::Result<()> {
        let lost = self.store.requeue_expired().await?;
        for job in &lost {
            tracing::warn!(job = %job.id, attempt = job.attempt, state = ?job.status, "a worker fell silent");
            let at_ms = job.finished_at_ms.unwrap_or_default();
            let change = match (job.status, &job.error) {
                (JobStatus::Failed, Some(error)) => JobChange::Failed { error: error.clone(), at_ms },
                (JobStatus::Cancelled, _) => JobChange::Cancelled { at_ms },
                _ => JobChange::Requeued { position: 0 },
            };
            self.events.publish(&job.id, change);
            self.bell.notify_one();
        }
        if !lost.is_empty() {
            self.announce_positions().await;
        }
        Ok(())
    }

    /// Tells every waiting job its place. Only a courtesy: a fault is logged, nothing depends on it.
    pub(super) async fn announce_positions(&self) {
        match self.store.queue_order().await {
            Ok(order) => self.events.publish_positions(&order),
            Err(error) => tracing::warn!(%error, "places in the queue were not announced"),
        }
    }

    fn signals(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Signals>>> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loaded(&self) -> MutexGuard<'_, HashMap<String, ModelId>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn position_in(order: &[JobId], id: &JobId) -> Option<u32> {
    order.iter().position(|waiting| waiting == id).map(|place| place as u32)
}
