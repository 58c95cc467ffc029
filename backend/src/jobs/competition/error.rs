//! Why a competition cannot begin or go on.

use std::path::PathBuf;

use crate::datasets::DatasetError;
use crate::files::png::PngError;
use crate::jobs::comparison::ComparisonError;
use crate::jobs::training::TrainingError;

/// A refusal; every message ends with a `hint:`.
#[derive(Debug, thiserror::Error)]
pub enum CompetitionError {
    /// Pictures could not be compared.
    #[error(transparent)]
    Comparison(#[from] ComparisonError),
    /// The engine could not draw.
    #[error(transparent)]
    Engine(#[from] chapan_engine::Error),
    /// References could not be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The training said no; its own words.
    #[error("{0}")]
    Training(String),
    /// It stopped before its end, as it was told.
    #[error("the competition was stopped\nhint: run the same command again, it goes on")]
    Stopped,
    /// A picture could not be written as PNG.
    #[error(transparent)]
    Png(#[from] PngError),
    /// The folder holds another competition.
    #[error("`{}` holds a competition of other settings\nhint: choose another folder, or the same settings to go on", .path.display())]
    Other {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the folder cannot be read or written.
    #[error("cannot keep `{}`: {fault}\nhint: may it be written, and is there space?", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        fault: String,
    },
}

impl From<TrainingError> for CompetitionError {
    fn from(error: TrainingError) -> Self {
        match error {
            TrainingError::Engine(error) => error.into(),
            other => Self::Training(other.to_string()),
        }
    }
}
