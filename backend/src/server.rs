//! Puts the rooms together: opens the data folder, starts the workers, listens, and stops in good order.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::api::{self, App};
use crate::auth;
use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::events::Events;
use crate::files::{self, Blobs};
use crate::hub::Catalog;
use crate::hub::remote::{HubOptions, PUBLIC_HUB};
use crate::jobs::{DeviceError, DeviceThread, Downloads, Queue, Worker, keep_hashing, open_device};
use crate::store::{self, Store};

/// How long a stop waits for open requests and for the step that is being computed.
const STOP_WAITS: Duration = Duration::from_secs(20);

/// How long a caller may take to say what it wants; a slower one holds a connection and nothing else.
const HEADERS_TAKE: Duration = Duration::from_secs(10);

/// How long the listener waits after a connection could not be taken.
const AFTER_A_FAULT: Duration = Duration::from_millis(100);

/// How often jobs are looked for whose worker has fallen silent.
const LOST_JOBS_EVERY: Duration = Duration::from_secs(10);

/// How often old sessions are forgotten.
const OLD_SESSIONS_EVERY: Duration = Duration::from_hours(1);

/// How often the trash and files without a picture are looked through.
const OLD_FILES_EVERY: Duration = Duration::from_mins(10);

/// How long a picture stays in the trash before it is removed for good.
const TRASH_KEEPS: Duration = Duration::from_hours(30 * 24);

/// How long a file without a picture stays: longer than anything takes from writing a file to naming it.
const FILES_STAY: Duration = Duration::from_hours(1);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("the data folder `{path}` cannot be used: {source}\nhint: name another with --data-dir")]
    DataFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another server uses the data folder.
    #[error(
        "the data folder `{0}` is in use by another server\nhint: stop that one, or name another folder with --data-dir"
    )]
    InUse(PathBuf),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}\nhint: choose another port with --port; 0 takes a free one"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The database cannot be opened.
    #[error(
        "{0}\nhint: if a newer version of the studio has used this data folder, use that version, or another folder"
    )]
    Store(#[from] store::Error),
    /// The folder of pictures cannot be opened.
    #[error("{0}\nhint: look at the rights of the data folder, or name another with --data-dir")]
    Files(#[from] files::Error),
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Held while the server runs: one server per data folder.
    _lock: File,
}

impl Server {
    /// Opens the data folder, takes up the jobs that wait there, and listens.
    pub async fn start(config: ServerConfig, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let lock = lock_data_folder(&config)?;
        let store = Store::open(&config.data_dir.join("chapan.db"), clock.clone()).await?;
        auth::add_local_user(&store).await?;
        remove_leftovers(&store, &config.data_dir).await?;
        let blobs = Blobs::in_folder(&config.data_dir.join("blobs"))?;
        let people = config.data_dir.join("loras");
        let catalog = Catalog::new(config.models_dirs.clone()).with_people(people);
        let events = Arc::new(Events::default());
        let (device_name, device, dtype) = open_device(&config.device)?;
        let thread = DeviceThread::start(device_name.clone(), device, dtype)?;
        let address = config.address;
        let listening = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;

        let queue = Arc::new(Queue::recover(store.clone(), events.clone()).await?);
        let (stop, stopping) = watch::channel(false);
        let worker = Worker {
            device: device_name,
            thread,
            queue: queue.clone(),
            blobs: blobs.clone(),
            catalog: catalog.clone(),
            clock: clock.clone(),
            data_dir: config.data_dir.clone(),
            features_dirs: config.features_dirs.clone(),
            slice: config.training_slice,
        };
        let hub = HubOptions {
            endpoint: config.hub_endpoint.clone().unwrap_or_else(|| PUBLIC_HUB.to_owned()),
            token: config.hub_token.clone(),
        };
        let downloads = Arc::new(Downloads::new(hub, config.data_dir.join("models")));
        let stopping_too = stopping.clone();
        let app = Arc::new(App {
            config,
            clock,
            store,
            blobs,
            catalog,
            events,
            queue,
            downloads,
            decoders: Arc::new(Semaphore::new(api::DECODED_AT_ONCE)),
            stopping: stopping_too,
        });
        let tasks = vec![
            tokio::spawn(worker.run(stopping.clone())),
            tokio::spawn(serve(listener, app.clone(), stopping.clone())),
            tokio::spawn(keep_hashing(app.catalog.clone(), app.store.clone(), stopping.clone())),
            tokio::spawn(look_after(app.clone(), stopping)),
        ];
        Ok(Self { address, app, stop, tasks, _lock: lock })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its handlers work with.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Claims no more jobs, gives the running one back at its next step, finishes open requests, closes the database.
    pub async fn stop(self) {
        // All receivers live in the tasks below; if they are gone, there is nobody to tell.
        let _told = self.stop.send(true);
        self.app.downloads.stop_all();
        for task in self.tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout(STOP_WAITS, task).await.is_err() {
                tracing::warn!("a part of the server did not stop in time");
                abort.abort();
            }
        }
        self.app.store.close().await;
    }
}

fn lock_data_folder(config: &ServerConfig) -> Result<File, StartError> {
    let path = config.data_dir.clone();
    let unusable = |source| StartError::DataFolder { path: path.clone(), source };
    std::fs::create_dir_all(&path).map_err(unusable)?;
    let file = File::options().create(true).truncate(false).write(true).open(path.join("server.lock"));
    let file = file.map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::InUse(path)),
        Err(std::fs::TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// Removes what a process that died left behind: archives that were being unpacked, and folders of trainings and competitions
/// that are gone. What
/// cannot be removed is logged; it harms nobody.
async fn remove_leftovers(store: &Store, data_dir: &Path) -> Result<(), store::Error> {
    let (trained, contended) = (store.training_ids().await?, store.competition_ids().await?);
    let inside = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let name_of = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let archives = inside(data_dir).filter(|entry| name_of(entry).starts_with(api::ARCHIVE_PREFIX));
    let is_trained = |name: &str| trained.iter().any(|id| id.as_str() == name);
    let trainings = inside(&data_dir.join("trainings")).filter(|entry| !is_trained(&name_of(entry)));
    let is_contended = |name: &str| contended.iter().any(|id| id.as_str() == name);
    let competitions = inside(&data_dir.join("competitions")).filter(|entry| !is_contended(&name_of(entry)));
    for entry in archives.chain(trainings).chain(competitions) {
        if let Err(error) = std::fs::remove_dir_all(entry.path()) {
            tracing::warn!(folder = %entry.path().display(), %error, "a folder that nobody needs stays");
        }
    }
    Ok(())
}

async fn serve(listener: TcpListener, app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let service = TowerToHyperService::new(api::router(app));
    let connections = GracefulShutdown::new();
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEADERS_TAKE);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = protocol.serve_connection(TokioIo::new(stream), service.clone());
                let connection = connections.watch(connection);
                tokio::spawn(async move {
                    // A caller that goes away, or never says what it wants, is no fault of the server's.
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection broke off");
                    }
                });
            }
            Err(error) => {
                // Out of file handles, most likely: those that are open will be closed.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(AFTER_A_FAULT).await;
            }
        }
    }
    connections.shutdown().await;
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is a stop as well.
    let _told = stopping.wait_for(|stop| *stop).await;
}

/// Removes for good what has been in the trash for long, and the files that no picture needs any more.
pub async fn remove_old_files(app: &App) -> Result<(), SweepError> {
    let now = app.clock.now_ms();
    let removed = app.store.remove_deleted_before(now - TRASH_KEEPS.as_millis() as i64).await?;
    if removed > 0 {
        tracing::info!(removed, "pictures had been in the trash for 30 days");
    }
    let before = now - FILES_STAY.as_millis() as i64;
    for file in app.store.files_without_image(before).await? {
        // Asked again at the last moment; a file that is younger than the question stays as well.
        if app.store.has_image_with_file(&file).await?
            || app.blobs.remove_written_before(&file, before).await?
        {
            app.store.forget_file(&file).await?;
        }
    }
    Ok(())
}

/// Why old files could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The folder of pictures failed.
    #[error(transparent)]
    Files(#[from] files::Error),
}

/// Takes back lost jobs, forgets old sessions, empties the trash.
async fn look_after(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let mut lost_jobs = tokio::time::interval(LOST_JOBS_EVERY);
    let mut old_sessions = tokio::time::interval(OLD_SESSIONS_EVERY);
    let mut old_files = tokio::time::interval(OLD_FILES_EVERY);
    loop {
        let done = tokio::select! {
            _ = lost_jobs.tick() => app.queue.requeue_expired().await.map_err(SweepError::from),
            _ = old_sessions.tick() => {
                app.store.delete_expired_sessions().await.map(|_| ()).map_err(SweepError::from)
            }
            _ = old_files.tick() => remove_old_files(&app).await,
            () = stopped(&mut stopping) => return,
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the server could not tidy up");
        }
    }
}
