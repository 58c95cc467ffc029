//! The HTTP interface as a caller meets it: one module per noun, and the jobs behind it.
//!
//! Handlers are called through the real router with real rows. Where a test needs a job to stay where it is, no worker
//! runs; where it needs a picture, the whole server runs with a tiny model.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not there")]

mod bad_input;
mod competitions;
mod datasets;
mod downloads;
mod events;
mod gallery;
mod generations;
mod grids;
mod hires;
mod hub;
mod images;
mod jobs;
mod lessons;
mod loras;
mod memory;
mod migration;
mod models;
mod queue;
mod reproductions;
mod security;
mod server;
mod static_files;
mod steps;
mod support;
mod trainings;
mod uploads;
mod upscales;
mod users;
