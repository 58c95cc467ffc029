//! The one typed client: a file per noun, each a list of routes. It knows the wire and nothing of pages.

mod client;
pub mod competition;
pub mod dataset;
pub mod download;
pub mod folder;
pub mod generation;
pub mod grid;
pub mod image;
pub mod job;
pub mod lesson;
pub mod model;
pub mod stream;
pub mod text;
pub mod training;
pub mod upscale;
pub mod user;

pub use client::{Failure, bytes};
