//! The library behind the `chapan` binary: server rooms and command line.
//!
//! Follow one noun through the rooms: `api` answers requests, `jobs` does the work, `store` remembers it, `files`
//! keeps the pictures, `events` tells who listens. `server` puts the rooms together; `cli` starts it.

pub mod api;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod datasets;
pub mod events;
pub mod files;
pub mod hub;
pub mod ids;
pub mod jobs;
pub mod server;
pub mod store;
