//! Why a training did not begin or did not end.

use std::path::PathBuf;

use crate::datasets::DatasetError;

/// A failure; every message ends with a `hint:`.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The pictures cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The engine refused, or numbers left their range.
    #[error(transparent)]
    Engine(#[from] chapan_engine::Error),
    /// The same after a checkpoint, which is whole.
    #[error("{fact}\nhint: {hint}; step {step} is kept in `{}`", .checkpoint.display())]
    AfterCheckpoint {
        /// What happened.
        fact: String,
        /// What to do.
        hint: String,
        /// The step of the last checkpoint.
        step: usize,
        /// Where it lies.
        checkpoint: PathBuf,
        /// Whether numbers left their range.
        not_finite: bool,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`: {source}\nhint: is there space, and may you write there? Go on with `--resume`", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the run cannot be read.
    #[error("cannot read `{}`: {source}\nhint: choose another output folder to begin anew", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Pictures of this size do not divide into the model's cells.
    #[error("`--resolution {side}` cannot be trained at\nhint: choose a multiple of {cell} up to 4096")]
    Resolution {
        /// Side in pixels.
        side: usize,
        /// Pixels along a side of a cell.
        cell: usize,
    },
    /// The folder holds a training already.
    #[error("`{}` holds a training already\nhint: go on with `--resume`, or choose another output folder", .path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A sample could not be made a PNG.
    #[error("a sample cannot be written: {0}\nhint: please report this")]
    Sample(String),
}
