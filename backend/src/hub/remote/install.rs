//! From a name on the hub to a model in the models folder.
//!
//! Files gather in `models/.incoming/{owner}--{name}` and the folder gets its final name when all of it is there, so the
//! catalog never sees half a model. What was fetched before a cut is kept for the next start.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use chapan_api::id::ModelId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::client::{Hub, Repository};
use super::error::HubError;
use super::listing::{Hash, RemoteFile};
use super::repository::{RepoId, Revision};
use super::selection::{Precision, Selection, select};
use super::transfer::{fetch, partial_path};
use crate::hub::weight_names::catalog_id;

/// Where unfinished models are, below the models folder.
const INCOMING: &str = ".incoming";
/// What was asked for; beside the unfinished files.
const ORDER: &str = "order.json";
/// Where a model came from; in its folder, or beside its file.
const SOURCE: &str = "source.json";
/// Room that is left on the disk.
const SPARE_BYTES: u64 = 256 << 20;

/// What to fetch.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The repository.
    pub repo: RepoId,
    /// Its branch, tag or commit.
    pub revision: Revision,
    /// One file of weights instead of the whole.
    pub file: Option<String>,
    /// Which weights to prefer.
    pub precision: Precision,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file that is coming.
    pub file: String,
    /// Bytes that are there, of all files.
    pub done_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
}

/// A model that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its identifier in the catalog.
    pub id: ModelId,
    /// Its folder or file.
    pub path: PathBuf,
    /// Whether it was there before, from the same commit.
    pub was_there: bool,
}

/// A download that was stopped or cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The repository.
    pub wanted: Order,
    /// Bytes that are there.
    pub done_bytes: u64,
}

/// [`Wanted`] as it is kept on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The repository.
    pub repo: String,
    /// Its branch, tag or commit.
    pub revision: String,
    /// One file of weights instead of the whole.
    pub file: Option<String>,
    /// Whether full precision is preferred.
    pub full_precision: bool,
}

/// Where a model came from.
#[derive(Debug, Serialize, Deserialize)]
struct Source {
    repo: String,
    commit: String,
    files: Vec<SourceFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SourceFile {
    path: String,
    size: u64,
    hash: String,
}

/// Fetches a model into the folder `models`. `report` hears of every part; `stop` turning true ends it at once, and what
/// has arrived is kept.
pub async fn install(
    hub: &Hub,
    wanted: &Wanted,
    models: &Path,
    report: &(dyn Fn(Progress) + Sync),
    stop: &watch::Receiver<bool>,
) -> Result<Arrived, HubError> {
    let incoming = Incoming::open(models, wanted)?;
    let repository = hub.repository(&wanted.repo, &wanted.revision).await?;
    let selection = select(&repository, wanted.file.as_deref(), wanted.precision)?;
    let name = match &selection {
        Selection::Folder(_) => wanted.repo.name().to_owned(),
        Selection::Single(file) => single_name(&wanted.repo, file),
    };
    let target = models.join(&name);
    if target.exists() {
        incoming.remove()?;
        return already(&target, &selection, &repository, &name);
    }
    check_space(&wanted.repo, &selection, &incoming.folder)?;
    let total_bytes: u64 = selection.files().iter().map(|file| file.size).sum();
    let mut done_bytes = 0;
    for file in selection.files() {
        let place = incoming.place(file)?;
        let told = |here: u64| {
            report(Progress { file: file.path.clone(), done_bytes: done_bytes + here, total_bytes });
        };
        fetch(hub, &repository, file, &place, &told, stop).await?;
        done_bytes += file.size;
        if file.path == "model_index.json" {
            check_family(&wanted.repo, &place)?;
        }
    }
    match &selection {
        Selection::Folder(files) => incoming.keep_only(files)?,
        Selection::Single(_) => {}
    }
    incoming.finish(&selection, &repository, &target)?;
    Ok(Arrived { id: catalog_id(&name), path: target, was_there: false })
}

/// The downloads that were stopped or cut, by name.
pub fn unfinished(models: &Path) -> Vec<Unfinished> {
    let Ok(entries) = fs::read_dir(models.join(INCOMING)) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let read = |folder: PathBuf| {
        let text = fs::read(folder.join(ORDER)).ok()?;
        let wanted = serde_json::from_slice(&text).ok()?;
        Some(Unfinished { wanted, done_bytes: size_below(&folder.join("files")) })
    };
    folders.into_iter().filter_map(read).collect()
}

/// Removes what is there of an unfinished download.
pub fn forget(models: &Path, repo: &RepoId, file: Option<&str>) -> Result<(), HubError> {
    let folder = models.join(INCOMING).join(incoming_name(repo, file));
    match fs::remove_dir_all(&folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(HubError::Disk { path: folder, source })
        }
        _ => Ok(()),
    }
}

/// The folder where a model gathers, ours alone as long as this value lives.
struct Incoming {
    folder: PathBuf,
    _lock: File,
}

impl Incoming {
    fn open(models: &Path, wanted: &Wanted) -> Result<Self, HubError> {
        let folder = models.join(INCOMING).join(incoming_name(&wanted.repo, wanted.file.as_deref()));
        let fail = |source| HubError::Disk { path: folder.clone(), source };
        fs::create_dir_all(folder.join("files")).map_err(fail)?;
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock"));
        let lock = lock.map_err(fail)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(HubError::Busy(wanted.repo.clone())),
            Err(fs::TryLockError::Error(source)) => return Err(fail(source)),
        }
        let order = Order {
            repo: wanted.repo.to_string(),
            revision: wanted.revision.as_str().to_owned(),
            file: wanted.file.clone(),
            full_precision: wanted.precision == Precision::Full,
        };
        write_json(&folder.join(ORDER), &order)?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where a file goes, with its folder made. A file of another content than `wanted` is not there any more.
    fn place(&self, wanted: &RemoteFile) -> Result<PathBuf, HubError> {
        let place = self.folder.join("files").join(&wanted.path);
        let folder = place.parent().unwrap_or(&self.folder).to_owned();
        let fail = |source| HubError::Disk { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(fail)?;
        // The hash that the bytes here belong to: the repository may have moved on since the last start.
        let mut note = place.clone().into_os_string();
        note.push(".hash");
        let note = PathBuf::from(note);
        let hash = hash_text(&wanted.hash);
        if fs::read_to_string(&note).ok().as_deref() != Some(&hash) {
            for stale in [&place, &partial_path(&place)] {
                match fs::remove_file(stale) {
                    Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(fail(source)),
                    _ => {}
                }
            }
            fs::write(&note, &hash).map_err(fail)?;
        }
        Ok(place)
    }

    /// Removes what does not belong to the model: notes, and files of an earlier choice.
    fn keep_only(&self, files: &[RemoteFile]) -> Result<(), HubError> {
        let root = self.folder.join("files");
        let wanted: Vec<PathBuf> = files.iter().map(|file| root.join(&file.path)).collect();
        for path in files_below(&root).into_iter().filter(|path| !wanted.contains(path)) {
            fs::remove_file(&path).map_err(|source| HubError::Disk { path, source })?;
        }
        Ok(())
    }

    /// Gives the model its final name.
    fn finish(self, selection: &Selection, repository: &Repository, target: &Path) -> Result<(), HubError> {
        let files = self.folder.join("files");
        let source = source_of(selection, repository);
        let fail = |source| HubError::Disk { path: target.to_owned(), source };
        match selection {
            Selection::Folder(_) => {
                write_json(&files.join(SOURCE), &source)?;
                fs::rename(&files, target).map_err(fail)?;
            }
            Selection::Single(file) => {
                fs::rename(files.join(&file.path), target).map_err(fail)?;
                write_json(&beside(target), &source)?;
            }
        }
        self.remove()
    }

    fn remove(self) -> Result<(), HubError> {
        fs::remove_dir_all(&self.folder)
            .map_err(|source| HubError::Disk { path: self.folder.clone(), source })
    }
}

fn source_of(selection: &Selection, repository: &Repository) -> Source {
    let file = |file: &RemoteFile| SourceFile {
        path: file.path.clone(),
        size: file.size,
        hash: hash_text(&file.hash),
    };
    Source {
        repo: repository.repo.to_string(),
        commit: repository.commit.as_str().to_owned(),
        files: selection.files().iter().map(file).collect(),
    }
}

/// A model of this name is there: the same one is good news, another one is not touched.
fn already(
    target: &Path,
    selection: &Selection,
    repository: &Repository,
    name: &str,
) -> Result<Arrived, HubError> {
    let note = match selection {
        Selection::Folder(_) => target.join(SOURCE),
        Selection::Single(_) => beside(target),
    };
    let there: Option<Source> = fs::read(note).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let same = there.is_some_and(|there| {
        there.repo == repository.repo.to_string() && there.commit == repository.commit.as_str()
    });
    if same {
        return Ok(Arrived { id: catalog_id(name), path: target.to_owned(), was_there: true });
    }
    Err(HubError::Exists(target.to_owned()))
}

/// A LoRA's file is often called the same in every repository; its repository's name tells it apart.
fn single_name(repo: &RepoId, file: &RemoteFile) -> String {
    match file.name() {
        "pytorch_lora_weights.safetensors" | "lora.safetensors" | "model.safetensors" => {
            format!("{}.safetensors", repo.name())
        }
        name => name.to_owned(),
    }
}

/// `x.safetensors` comes with `x.source.json`.
fn beside(target: &Path) -> PathBuf {
    target.with_extension(SOURCE)
}

/// The name of a download: that of the folder where it gathers.
pub fn incoming_name(repo: &RepoId, file: Option<&str>) -> String {
    match file {
        None => repo.folder(),
        Some(file) => {
            let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
            format!("{}--{}", repo.folder(), file.chars().take(96).map(plain).collect::<String>())
        }
    }
}

fn hash_text(hash: &Hash) -> String {
    match hash {
        Hash::Sha256(digits) => format!("sha256:{digits}"),
        Hash::GitBlob(digits) => format!("git:{digits}"),
    }
}

/// What is still to come must fit, with some room left.
fn check_space(repo: &RepoId, selection: &Selection, folder: &Path) -> Result<(), HubError> {
    let total: u64 = selection.files().iter().map(|file| file.size).sum();
    let missing = total.saturating_sub(size_below(&folder.join("files")));
    let free =
        fs4::available_space(folder).map_err(|source| HubError::Disk { path: folder.to_owned(), source })?;
    if missing.saturating_add(SPARE_BYTES) > free {
        let mega = |bytes: u64| bytes.div_ceil(1 << 20);
        return Err(HubError::DiskFull { repo: repo.clone(), needed_mb: mega(missing), free_mb: mega(free) });
    }
    Ok(())
}

/// Refuses pipelines that cannot run here before their weights are fetched.
fn check_family(repo: &RepoId, index: &Path) -> Result<(), HubError> {
    let text = fs::read(index).map_err(|source| HubError::Disk { path: index.to_owned(), source })?;
    let index: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| HubError::Protocol(format!("`model_index.json`: {error}")))?;
    let class = index["_class_name"].as_str().unwrap_or("pipeline without a name");
    if class.starts_with("StableDiffusionXL") {
        return Ok(());
    }
    Err(HubError::Unsupported { repo: repo.clone(), found: class.chars().take(80).collect() })
}

fn size_below(folder: &Path) -> u64 {
    files_below(folder).iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len()).sum()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), HubError> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| HubError::Protocol(error.to_string()))?;
    fs::write(path, text).map_err(|source| HubError::Disk { path: path.to_owned(), source })
}
