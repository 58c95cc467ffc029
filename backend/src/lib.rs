//! The library behind the `chapan` binary: server rooms and command line.

pub mod cli;
pub mod files;
