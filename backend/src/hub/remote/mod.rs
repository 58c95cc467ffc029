//! A model hub that speaks Hugging Face's protocol: what a repository holds, and its files on this disk.
//!
//! Nothing that the hub says is believed: paths, sizes, addresses and contents are checked. Downloads go on where they
//! were cut, every file is compared with the hash that the hub lists, and only safetensors and small configuration files
//! are taken. The token goes to the hub's own address and to nobody else.

mod client;
mod error;
mod install;
mod listing;
mod repository;
mod selection;
mod transfer;

pub use client::{Hub, HubOptions, PUBLIC_HUB};
pub use error::HubError;
pub use install::{Arrived, Order, Progress, Unfinished, Wanted, forget, incoming_name, install, unfinished};
pub use repository::{RepoId, Revision};
pub use selection::Precision;
