//! Models on their way from the hub. They need no device, so they are not in the queue: each has a task of its own.
//!
//! What has arrived lies on the disk, so a download that was running when the server stopped is found again as paused.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chapan_api::download::{CreateDownload, DownloadStatus, DownloadView};
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::DownloadId;
use tokio::sync::watch;

use crate::hub::remote::{
    self, Arrived, Hub, HubError, HubOptions, Order, Precision, Progress, RepoId, Revision, Wanted,
};

/// Most downloads at once.
const MOST_RUNNING: usize = 3;

/// All downloads of this server.
#[derive(Debug)]
pub struct Downloads {
    hub: HubOptions,
    models: PathBuf,
    known: Mutex<BTreeMap<DownloadId, Known>>,
}

#[derive(Debug)]
struct Known {
    view: DownloadView,
    /// Turns true when the download is to stop; absent when it does not run.
    stop: Option<watch::Sender<bool>>,
}

impl Downloads {
    /// Downloads from this hub into the folder `models`; those that an earlier server left unfinished are paused.
    pub fn new(hub: HubOptions, models: PathBuf) -> Self {
        let downloads = Self { hub, models, known: Mutex::default() };
        let left = remote::unfinished(&downloads.models).into_iter().filter_map(|left| {
            let Order { repo, revision, file, full_precision } = left.wanted;
            let id = id_of(&repo.parse().ok()?, file.as_deref());
            let wanted = CreateDownload { repo, revision: Some(revision), file, full_precision };
            let view = DownloadView {
                done_bytes: left.done_bytes,
                ..view(id.clone(), wanted, DownloadStatus::Paused)
            };
            Some((id, Known { view, stop: None }))
        });
        downloads.known().extend(left);
        downloads
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<DownloadView> {
        self.known().values().map(|known| known.view.clone()).collect()
    }

    /// Starts one, or goes on with one that was stopped.
    pub fn start(self: &Arc<Self>, wish: CreateDownload) -> Result<DownloadView, Box<ErrorBody>> {
        let wanted = wanted(&wish).map_err(|error| Box::new(body(&error)))?;
        let hub = Hub::new(&self.hub).map_err(|error| Box::new(body(&error)))?;
        let id = id_of(&wanted.repo, wanted.file.as_deref());
        let mut known = self.known();
        if let Some(running) = known.get(&id).filter(|known| known.stop.is_some()) {
            return Ok(running.view.clone());
        }
        if known.values().filter(|known| known.stop.is_some()).count() >= MOST_RUNNING {
            let fact = format!("{MOST_RUNNING} downloads are running already");
            return Err(Box::new(
                ErrorBody::new(ErrorCode::TooManyRequests, fact).with_hint("wait for one, or stop one"),
            ));
        }
        let (stop, stopped) = watch::channel(false);
        let view = view(id.clone(), wish, DownloadStatus::Running);
        known.insert(id.clone(), Known { view: view.clone(), stop: Some(stop) });
        drop(known);
        let downloads = self.clone();
        tokio::spawn(async move {
            let report = |progress: Progress| downloads.note(&id, progress);
            let done = remote::install(&hub, &wanted, &downloads.models, &report, &stopped).await;
            downloads.end(&id, done);
        });
        Ok(view)
    }

    /// Stops one that runs; what has arrived is kept. `None`: there is no such download.
    pub fn stop(&self, id: &DownloadId) -> Option<DownloadView> {
        let known = self.known();
        let one = known.get(id)?;
        if let Some(stop) = &one.stop {
            // Nobody listens when the task has just ended.
            let _unheard = stop.send(true);
        }
        Some(one.view.clone())
    }

    /// Stops all of them, for the end of the server.
    pub fn stop_all(&self) {
        for stop in self.known().values().filter_map(|known| known.stop.as_ref()) {
            let _unheard = stop.send(true);
        }
    }

    /// Removes one that does not run, with what has arrived of it. `Ok(false)`: there is no such download.
    pub fn remove(&self, id: &DownloadId) -> Result<bool, Box<ErrorBody>> {
        let mut known = self.known();
        let Some(one) = known.get(id) else { return Ok(false) };
        if one.stop.is_some() {
            let fact = format!("the download of `{}` is running", one.view.wanted.repo);
            return Err(Box::new(ErrorBody::new(ErrorCode::Conflict, fact).with_hint("stop it first")));
        }
        let wanted = wanted(&one.view.wanted).map_err(|error| Box::new(body(&error)))?;
        remote::forget(&self.models, &wanted.repo, wanted.file.as_deref())
            .map_err(|error| Box::new(body(&error)))?;
        known.remove(id);
        Ok(true)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<DownloadId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, id: &DownloadId, progress: Progress) {
        if let Some(known) = self.known().get_mut(id) {
            known.view.file = Some(progress.file);
            known.view.done_bytes = progress.done_bytes;
            known.view.total_bytes = progress.total_bytes;
        }
    }

    fn end(&self, id: &DownloadId, done: Result<Arrived, HubError>) {
        let mut known = self.known();
        let Some(known) = known.get_mut(id) else { return };
        known.stop = None;
        known.view.file = None;
        match done {
            Ok(arrived) => {
                tracing::info!(download = %id, model = %arrived.id, "installed");
                known.view.status = DownloadStatus::Succeeded;
                known.view.done_bytes = known.view.total_bytes;
                known.view.model = Some(arrived.id);
            }
            Err(HubError::Stopped) => known.view.status = DownloadStatus::Paused,
            Err(error) => {
                tracing::warn!(download = %id, %error, "failed");
                known.view.status = DownloadStatus::Failed;
                known.view.error = Some(body(&error));
            }
        }
    }
}

fn view(id: DownloadId, wanted: CreateDownload, status: DownloadStatus) -> DownloadView {
    DownloadView { id, wanted, status, file: None, done_bytes: 0, total_bytes: 0, error: None, model: None }
}

fn id_of(repo: &RepoId, file: Option<&str>) -> DownloadId {
    DownloadId::new(remote::incoming_name(repo, file))
}

fn wanted(wish: &CreateDownload) -> Result<Wanted, HubError> {
    Ok(Wanted {
        repo: wish.repo.parse()?,
        revision: wish.revision.as_deref().map_or_else(|| Ok(Revision::default()), str::parse)?,
        file: wish.file.clone().filter(|file| !file.trim().is_empty()),
        precision: if wish.full_precision { Precision::Full } else { Precision::Half },
    })
}

/// The one table from the hub's faults to codes.
fn body(error: &HubError) -> ErrorBody {
    let code = match error {
        HubError::BadName(_) | HubError::BadRevision(_) | HubError::Ambiguous { .. } => {
            ErrorCode::InvalidField
        }
        HubError::NoRepository { .. } | HubError::NoRevision { .. } | HubError::NoFile { .. } => {
            ErrorCode::NotFound
        }
        HubError::Gated { .. } | HubError::TokenRefused | HubError::Disabled(_) => ErrorCode::Forbidden,
        HubError::TooManyRequests(_) => ErrorCode::TooManyRequests,
        HubError::DiskFull { .. } => ErrorCode::StorageFull,
        HubError::Exists(_) => ErrorCode::AlreadyExists,
        HubError::Busy(_) => ErrorCode::Conflict,
        HubError::Pickle { .. } | HubError::Unsupported { .. } | HubError::NothingUseful(_) => {
            ErrorCode::UnknownModel
        }
        HubError::Protocol(_) | HubError::Unreachable { .. } | HubError::Damaged { .. } => {
            ErrorCode::Unavailable
        }
        HubError::BadEndpoint(_) | HubError::Disk { .. } | HubError::Stopped => ErrorCode::Internal,
    };
    let text = error.to_string();
    let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "try again"));
    let field = match error {
        HubError::BadName(_) | HubError::Ambiguous { .. } => Some("repo".to_owned()),
        HubError::BadRevision(_) => Some("revision".to_owned()),
        _ => None,
    };
    ErrorBody { field, ..ErrorBody::new(code, fact).with_hint(hint) }
}
