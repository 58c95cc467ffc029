//! Why a model could not be fetched, each with what to do about it.

use std::path::PathBuf;
use std::time::Duration;

use super::repository::RepoId;

/// A fault of the hub, of the way to it, or of this disk.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The name is not `owner/name`.
    #[error(
        "`{0}` is not the name of a repository\nhint: write it as on the hub's page, such as stabilityai/stable-diffusion-xl-base-1.0"
    )]
    BadName(String),
    /// The revision cannot be one.
    #[error("`{0}` is not a branch, tag or commit\nhint: leave it out for the newest files")]
    BadRevision(String),
    /// The hub's own address is of no use.
    #[error("`{0}` is not the address of a model hub\nhint: it begins with https://")]
    BadEndpoint(String),
    /// The hub does not know the repository, or does not show it to this caller.
    #[error("the hub has no repository `{repo}` that it shows to {caller}\nhint: {hint}")]
    NoRepository {
        /// The repository.
        repo: RepoId,
        /// Who asked: with or without a token.
        caller: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The repository has no such branch, tag or commit.
    #[error("`{repo}` has no revision `{revision}`\nhint: leave it out for the newest files")]
    NoRevision {
        /// The repository.
        repo: RepoId,
        /// What was asked for.
        revision: String,
    },
    /// The file is not there.
    #[error("`{repo}` has no file `{file}`\nhint: {hint}")]
    NoFile {
        /// The repository.
        repo: RepoId,
        /// What was asked for.
        file: String,
        /// What to do.
        hint: String,
    },
    /// The repository asks for an account, and its terms for consent.
    #[error("`{repo}` is gated: {fault}\nhint: {hint}")]
    Gated {
        /// The repository.
        repo: RepoId,
        /// What is missing.
        fault: &'static str,
        /// What to do.
        hint: String,
    },
    /// The token is refused.
    #[error(
        "the hub does not accept the token\nhint: make a new one with read access, and set HF_TOKEN to it"
    )]
    TokenRefused,
    /// The hub has taken the repository down.
    #[error("the hub has disabled `{0}`\nhint: its page says why; choose another model")]
    Disabled(RepoId),
    /// Too many requests.
    #[error("the hub asks to wait{}\nhint: try again later; what is here is kept. A token (HF_TOKEN) has a higher limit", seconds(*.0))]
    TooManyRequests(Option<Duration>),
    /// The hub answered with something else than what its protocol says.
    #[error(
        "the hub's answer cannot be used: {0}\nhint: try again later; if it stays so, the hub may have changed"
    )]
    Protocol(String),
    /// The hub or its store cannot be reached.
    #[error(
        "`{host}` cannot be reached: {fault}\nhint: is this machine online? What is here is kept; start again to go on"
    )]
    Unreachable {
        /// Which machine.
        host: String,
        /// What the system said.
        fault: String,
    },
    /// A file arrived different from what the hub lists.
    #[error(
        "`{file}` arrived damaged twice: its hash is not the one that the hub lists\nhint: something between here and the hub changes files; try another network"
    )]
    Damaged {
        /// The file.
        file: String,
    },
    /// Only formats that can run code.
    #[error(
        "`{repo}` has its weights as `{file}`, a format that can run code on this machine\nhint: look for a repository with .safetensors files"
    )]
    Pickle {
        /// The repository.
        repo: RepoId,
        /// A file of it.
        file: String,
    },
    /// A model that this studio cannot run.
    #[error(
        "`{repo}` is a {found}, which cannot run here\nhint: models of the Stable Diffusion XL family can, and their LoRAs"
    )]
    Unsupported {
        /// The repository.
        repo: RepoId,
        /// What it is.
        found: String,
    },
    /// It is not clear which file is meant.
    #[error("`{repo}` is no model folder and has several files of weights\nhint: name one of them: {files}")]
    Ambiguous {
        /// The repository.
        repo: RepoId,
        /// The files.
        files: String,
    },
    /// There is nothing to fetch.
    #[error("`{0}` has no weights as safetensors\nhint: choose another repository")]
    NothingUseful(RepoId),
    /// Not enough room on the disk.
    #[error(
        "`{repo}` needs {needed_mb} MB on the disk, and {free_mb} MB are free\nhint: make room, or choose another data folder"
    )]
    DiskFull {
        /// The repository.
        repo: RepoId,
        /// What is still to come.
        needed_mb: u64,
        /// What there is.
        free_mb: u64,
    },
    /// Another model has that name.
    #[error("`{0}` is already there\nhint: remove it first, or use it as it is")]
    Exists(PathBuf),
    /// Another process fetches the same.
    #[error("`{0}` is being fetched already\nhint: wait for that to end, or stop it")]
    Busy(RepoId),
    /// This disk refuses.
    #[error("cannot write `{path}`: {source}\nhint: may you write there, and is there space?")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody asked to stop.
    #[error("stopped\nhint: what is here is kept; start again to go on")]
    Stopped,
}

impl HubError {
    /// Whether the same request may succeed a moment later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TooManyRequests(_))
    }
}

fn seconds(wait: Option<Duration>) -> String {
    wait.map(|wait| format!(" {} seconds", wait.as_secs())).unwrap_or_default()
}
