//! Configuration: flags and `CHAPAN_*` variables become one value here, and nowhere else.
//!
//! Rooms take what they need from [`ServerConfig`]; none of them reads the environment.

mod environment;
mod folders;
mod secret;
mod server;

pub use environment::Environment;
pub use folders::{assets_folders, default_data_dir};
pub use secret::Secret;
pub use server::{ConfigError, DEFAULT_PORT, ServerConfig, ServerFlags, TRAINING_SLICE};
