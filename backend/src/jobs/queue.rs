//! The queue as the rest of the server sees it: enqueue, look, cancel.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chapan_api::id::{JobId, ModelId, UserId};
use chapan_api::job::{JobChange, JobStatus, JobView};
use chapan_api::steps::{StepView, StepsView};
use tokio::sync::Notify;

use super::steps::StepsRoom;
use crate::events::Events;
use crate::store::{self, Cancelled, JobRow, NewJob, Store};

/// The way to the workers. Every change is committed first and told to listeners after.
#[derive(Debug)]
pub struct Queue {
    pub(super) store: Store,
    pub(super) events: Arc<Events>,
    /// Rung once for each job that becomes free to claim.
    pub(super) bell: Notify,
    /// Stop flags of the jobs that this process runs.
    running: Mutex<HashMap<JobId, Arc<AtomicBool>>>,
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
            running: Mutex::default(),
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
                self.announce_positions().await;
                Ok(Some(job.view(None, Vec::new())))
            }
            Cancelled::Requested(job) => {
                if let Some(stop) = self.running().get(id) {
                    stop.store(true, Ordering::Relaxed);
                }
                self.newest(&job).await.map(Some)
            }
            Cancelled::TooLate(job) => self.newest(&job).await.map(Some),
        }
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

    /// Notes that this process runs a job; the flag is raised when it should stop.
    pub(super) fn begin(&self, id: &JobId) -> Arc<AtomicBool> {
        let stop = Arc::new(AtomicBool::new(false));
        self.running().insert(id.clone(), stop.clone());
        stop
    }

    pub(super) fn end(&self, id: &JobId) {
        self.running().remove(id);
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

    fn running(&self) -> MutexGuard<'_, HashMap<JobId, Arc<AtomicBool>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loaded(&self) -> MutexGuard<'_, HashMap<String, ModelId>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn position_in(order: &[JobId], id: &JobId) -> Option<u32> {
    order.iter().position(|waiting| waiting == id).map(|place| place as u32)
}
