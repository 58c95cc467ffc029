//! One file from the hub to the disk: goes on where it was cut, and is compared with its hash before it gets its name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Response;
use reqwest::header::CONTENT_RANGE;
use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::client::{Hub, LONGEST_WAIT, Repository, unreachable};
use super::error::HubError;
use super::listing::{Hash, RemoteFile};

/// How often a cut connection is taken up again without a byte of progress in between.
const MOST_CUTS: u32 = 5;
/// First wait after a cut; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The hash of what is on the disk so far.
enum Running {
    Sha256(Sha256),
    GitBlob(sha1::Sha1),
}

impl Running {
    fn new(file: &RemoteFile) -> Self {
        match file.hash {
            Hash::Sha256(_) => Self::Sha256(Sha256::new()),
            Hash::GitBlob(_) => {
                use sha1::Digest as _;
                let mut hasher = sha1::Sha1::new();
                hasher.update(format!("blob {}\0", file.size));
                Self::GitBlob(hasher)
            }
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::GitBlob(hasher) => sha1::Digest::update(hasher, bytes),
        }
    }

    fn finish(self) -> Hash {
        let text = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        match self {
            Self::Sha256(hasher) => Hash::Sha256(text(&hasher.finalize())),
            Self::GitBlob(hasher) => Hash::GitBlob(text(&sha1::Digest::finalize(hasher))),
        }
    }
}

/// A file that is being filled.
struct Partial {
    path: PathBuf,
    file: File,
    length: u64,
    running: Running,
}

impl Partial {
    /// Opens what is there already, and hashes it.
    async fn open(path: PathBuf, wanted: &RemoteFile) -> Result<Self, HubError> {
        let fail = |source| HubError::Disk { path: path.clone(), source };
        let file = File::options().create(true).read(true).write(true).truncate(false).open(&path).await;
        let mut file = file.map_err(fail)?;
        let mut running = Running::new(wanted);
        let mut length = 0;
        let mut block = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut block).await.map_err(fail)?;
            if read == 0 {
                break;
            }
            running.update(&block[..read]);
            length += read as u64;
        }
        let mut partial = Self { path, file, length, running };
        if partial.length > wanted.size {
            partial.restart(wanted).await?;
        }
        Ok(partial)
    }

    async fn restart(&mut self, wanted: &RemoteFile) -> Result<(), HubError> {
        let fail = |source| HubError::Disk { path: self.path.clone(), source };
        self.file = File::create(&self.path).await.map_err(fail)?;
        self.length = 0;
        self.running = Running::new(wanted);
        Ok(())
    }

    async fn append(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        self.file
            .write_all(bytes)
            .await
            .map_err(|source| HubError::Disk { path: self.path.clone(), source })?;
        self.running.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), HubError> {
        let done = async {
            self.file.flush().await?;
            self.file.sync_all().await
        };
        done.await.map_err(|source| HubError::Disk { path: self.path.clone(), source })
    }
}

/// The name of an unfinished file.
pub(super) fn partial_path(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    target.with_file_name(name)
}

/// Fetches one file to `target`. `report` hears how many of its bytes are there. A file that is there with the right
/// size was compared with its hash when it got its name.
pub(super) async fn fetch(
    hub: &Hub,
    repository: &Repository,
    wanted: &RemoteFile,
    target: &Path,
    report: &(dyn Fn(u64) + Sync),
    stop: &watch::Receiver<bool>,
) -> Result<(), HubError> {
    if fs::metadata(target).await.is_ok_and(|there| there.is_file() && there.len() == wanted.size) {
        report(wanted.size);
        return Ok(());
    }
    let mut partial = Partial::open(partial_path(target), wanted).await?;
    for last in [false, true] {
        fill(hub, repository, wanted, &mut partial, report, stop).await?;
        partial.settle().await?;
        let running = std::mem::replace(&mut partial.running, Running::new(wanted));
        if running.finish() == wanted.hash {
            let fail = |source| HubError::Disk { path: target.to_owned(), source };
            return fs::rename(&partial.path, target).await.map_err(fail);
        }
        partial.restart(wanted).await?;
        if last {
            break;
        }
        tracing::warn!(file = wanted.path, "arrived damaged, once more");
    }
    let path = partial.path.clone();
    fs::remove_file(&path).await.map_err(|source| HubError::Disk { path, source })?;
    Err(HubError::Damaged { file: wanted.path.clone() })
}

/// Fills the file to its full size, over as many connections as that takes.
async fn fill(
    hub: &Hub,
    repository: &Repository,
    wanted: &RemoteFile,
    partial: &mut Partial,
    report: &(dyn Fn(u64) + Sync),
    stop: &watch::Receiver<bool>,
) -> Result<(), HubError> {
    let mut cuts = 0;
    while partial.length < wanted.size {
        report(partial.length);
        let before = partial.length;
        let mut stopped = stop.clone();
        let done = tokio::select! {
            biased;
            // An error means that whoever could stop us is gone.
            Ok(_) = stopped.wait_for(|stop| *stop) => Err(HubError::Stopped),
            done = once(hub, repository, wanted, partial, report) => done,
        };
        let Err(error) = done else { continue };
        cuts = if partial.length > before { 1 } else { cuts + 1 };
        let wait = match error {
            HubError::TooManyRequests(wait) => wait.unwrap_or(FIRST_WAIT * 2u32.pow(cuts)),
            ref passing if passing.is_passing() => FIRST_WAIT * 2u32.pow(cuts),
            other => {
                // What has arrived is for the next start.
                partial.settle().await?;
                return Err(other);
            }
        };
        if cuts > MOST_CUTS || wait > LONGEST_WAIT {
            partial.settle().await?;
            return Err(error);
        }
        tokio::select! {
            Ok(_) = stopped.wait_for(|stop| *stop) => return Err(HubError::Stopped),
            () = tokio::time::sleep(wait) => {}
        }
    }
    report(partial.length);
    Ok(())
}

/// One connection: asks for what is missing and writes what comes.
async fn once(
    hub: &Hub,
    repository: &Repository,
    wanted: &RemoteFile,
    partial: &mut Partial,
    report: &(dyn Fn(u64) + Sync),
) -> Result<(), HubError> {
    let mut answer = hub.open(repository, wanted, partial.length).await?;
    match answer.status().as_u16() {
        206 if starts_at(&answer) == Some(partial.length) => {}
        // The whole file, or a part that was not asked for: begin again.
        200 => {
            if partial.length > 0 {
                partial.restart(wanted).await?;
            }
        }
        206 | 416 => {
            let had = partial.length;
            partial.restart(wanted).await?;
            if had == 0 {
                return Err(HubError::Protocol(format!(
                    "`{}` cannot be asked for from its start",
                    wanted.path
                )));
            }
            return Ok(());
        }
        status => return Err(HubError::Protocol(format!("status {status} for `{}`", wanted.path))),
    }
    let address = answer.url().clone();
    while let Some(part) = answer.chunk().await.map_err(|error| unreachable(&address, &error))? {
        if partial.length + part.len() as u64 > wanted.size {
            partial.restart(wanted).await?;
            let fault = format!("`{}` is longer than the {} bytes that are listed", wanted.path, wanted.size);
            return Err(HubError::Protocol(fault));
        }
        partial.append(&part).await?;
        report(partial.length);
    }
    if partial.length < wanted.size {
        let fault = format!("the connection ended after {} of {} bytes", partial.length, wanted.size);
        return Err(HubError::Unreachable {
            host: address.host_str().unwrap_or("the hub").to_owned(),
            fault,
        });
    }
    Ok(())
}

/// The first byte of `Content-Range: bytes 5-9/10`.
fn starts_at(answer: &Response) -> Option<u64> {
    let text = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}
