//! A worker: one device, and the loop that gives it jobs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::attempt::Attempt;
use super::device::DeviceThread;
use super::queue::Queue;
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
}

impl Worker {
    /// Works until `stop` turns true. A job that runs then is given back to the queue.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            match self.claim().await {
                Ok(Some(claimed)) => Attempt::new(&self, claimed).run(&mut stop).await,
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

    pub(super) fn lease_end(&self) -> i64 {
        self.clock.now_ms() + LEASE_MS
    }
}
