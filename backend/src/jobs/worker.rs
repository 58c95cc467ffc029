//! A worker: one device, and the loop that gives it jobs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::attempt::Attempt;
use super::device::DeviceThread;
use super::keeping;
use super::queue::Queue;
use super::steps::ToDecode;
use crate::clock::Clock;
use crate::files::Blobs;
use crate::hub::Catalog;
use crate::store::{Claim, Claimed};

/// How long a worker may be silent before its job is given to another.
pub(super) const LEASE_MS: i64 = 60_000;

/// How long a worker waits after a fault of the database.
const AFTER_A_FAULT: Duration = Duration::from_secs(1);

/// What a worker needs.
pub struct Worker {
    /// The device's name.
    pub device: String,
    /// Its thread.
    pub thread: DeviceThread,
    /// Where jobs come from.
    pub queue: Arc<Queue>,
    /// Where pictures go.
    pub blobs: Blobs,
    /// Where models are.
    pub catalog: Catalog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where long work keeps its folders.
    pub data_dir: PathBuf,
    /// Where sets of features lie.
    pub features_dirs: Vec<PathBuf>,
    /// How long a training works while others wait.
    pub slice: Duration,
}

impl Worker {
    /// Works until `stop` turns true. A job that runs then is given back to the queue.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            match self.claim().await {
                Ok(Some(claimed)) => Attempt::new(&self, claimed).run(&mut stop).await,
                Ok(None) if self.decode_a_step().await => {}
                Ok(None) => {
                    tokio::select! {
                        () = self.queue.bell.notified() => {}
                        _ = stop.changed() => {}
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "no job could be claimed");
                    tokio::select! {
                        () = tokio::time::sleep(AFTER_A_FAULT) => {}
                        _ = stop.changed() => {}
                    }
                }
            }
        }
    }

    async fn claim(&self) -> crate::store::Result<Option<Claimed>> {
        let loaded = self.queue.loaded_on(&self.device);
        let claim = Claim { worker: &self.device, loaded: loaded.as_ref(), until_ms: self.lease_end() };
        self.queue.store.claim(&claim).await
    }

    /// Decodes what was expected at one kept step; false when there is none. A job that arrives meanwhile waits for this one
    /// picture only.
    async fn decode_a_step(&self) -> bool {
        let Some(ToDecode { job, model, size, expectation }) = self.queue.steps.next_to_decode() else {
            return false;
        };
        let index = expectation.index;
        let done =
            self.thread.run(move |bench| keeping::decode(bench, &model, &expectation.latents, size)).await;
        match done {
            Ok(Some(Ok(expected))) => self.queue.steps.decoded(&job, index, Some(expected)),
            Ok(Some(Err(error))) => {
                tracing::warn!(%job, index, %error, "what was expected at a step could not be decoded");
                self.queue.steps.decoded(&job, index, None);
            }
            Ok(None) => self.queue.steps.give_up(&job),
            Err(crash) => {
                tracing::error!(%job, index, %crash, "the decoding of a step broke off");
                self.queue.set_loaded(&self.device, None);
                self.queue.steps.give_up(&job);
            }
        }
        true
    }

    pub(super) fn lease_end(&self) -> i64 {
        self.clock.now_ms() + LEASE_MS
    }
}
