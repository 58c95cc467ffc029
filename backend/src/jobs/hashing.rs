//! Hashes of what is installed, computed in the background and kept in the database: no request waits for one.

use std::time::Duration;

use tokio::sync::watch;

use super::loras::installed_loras;
use crate::hub::{Catalog, WeightFiles};
use crate::store::Store;

/// How often is looked for files that are new or have changed.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Looks for weight files without a hash now and then, until `stop` turns true.
pub async fn keep_hashing(catalog: Catalog, store: Store, mut stop: watch::Receiver<bool>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = look.tick() => hash_installed(&catalog, &store, &stop).await,
            // An error means that the server is gone, which is a stop as well.
            _ = stop.changed() => return,
        }
    }
}

/// Computes the hashes that are missing, one after the other, the small files first. A fault is logged: a model without a hash is
/// a model all the same.
pub async fn hash_installed(catalog: &Catalog, store: &Store, stop: &watch::Receiver<bool>) {
    let looked = catalog.clone();
    let all = tokio::task::spawn_blocking(move || weight_files(&looked)).await.unwrap_or_default();
    for files in all {
        if *stop.borrow() {
            return;
        }
        if let Err(error) = hash(files, store, stop.clone()).await {
            tracing::warn!(%error, "a hash could not be computed or kept");
        }
    }
}

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
enum HashError {
    #[error(transparent)]
    Files(#[from] crate::hub::Error),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    #[error("the thread that computes it ended: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

async fn hash(files: WeightFiles, store: &Store, stop: watch::Receiver<bool>) -> Result<(), HashError> {
    if files.known_sha256().is_some() {
        return Ok(());
    }
    let stamp = files.stamp()?;
    if let Some(sha256) = store.weight_hash(&stamp).await? {
        files.remember(stamp, sha256);
        return Ok(());
    }
    let computed = tokio::task::spawn_blocking(move || files.sha256_unless(&|| *stop.borrow())).await??;
    match computed {
        Some(sha256) => Ok(store.remember_weight_hash(&stamp, &sha256).await?),
        None => Ok(()),
    }
}

/// The weight files of all that is installed.
fn weight_files(catalog: &Catalog) -> Vec<WeightFiles> {
    let loras = installed_loras(catalog);
    let is_lora = |id| loras.iter().any(|lora| lora.id == id);
    let loras = catalog.lora_candidates().into_iter().filter(|file| is_lora(file.id.clone()));
    let upscalers = catalog.upscalers().into_iter().map(|file| file.weights());
    let own = catalog.everybodys_loras().into_iter().map(|file| file.weights());
    let small = loras.map(|file| file.weights()).chain(own).chain(upscalers);
    small.chain(catalog.models().into_iter().filter_map(|model| model.weights().ok())).collect()
}
