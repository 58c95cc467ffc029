//! Wire types of the studio: what browser and server say to each other, and the rules they share.
//!
//! One module per noun. Requests have `validate()`, which collects every fault at once; the browser runs the same
//! function before it sends. Jobs have one reducer, [`job::JobState::apply`], for every stream of events. This crate
//! knows nothing of HTTP, storage or models, and builds for wasm32.

pub mod analysis;
pub mod comparison;
pub mod competition;
pub mod dataset;
pub mod download;
pub mod error;
pub mod folder;
pub mod generation;
pub mod grid;
pub mod health;
pub mod id;
pub mod image;
pub mod job;
pub mod lesson;
pub mod metadata;
pub mod model;
pub mod page;
pub mod reproduction;
pub mod steps;
pub mod training;
pub mod upscale;
pub mod user;
pub mod validation;
