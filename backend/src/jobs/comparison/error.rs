//! Why pictures cannot be analysed or compared.

use std::path::PathBuf;

use chapan_metrics::MetricError;

use crate::datasets::DatasetError;

/// A refusal; every message ends with a `hint:`.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// The network refused.
    #[error(transparent)]
    Engine(#[from] chapan_engine::Error),
    /// A folder or picture cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A measure is not defined on what it was given.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// The network refused one picture.
    #[error("cannot look at `{}`: {source}", .path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: chapan_engine::Error,
    },
    /// A folder has no picture.
    #[error("`{}` has no picture\nhint: put PNG, JPEG or WebP files into it", .path.display())]
    NoPictures {
        /// The folder.
        path: PathBuf,
    },
    /// A folder has more pictures than are compared.
    #[error("`{}` has {got} pictures, at most {limit} are looked at\nhint: choose the best twenty", .path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// Pictures found.
        got: usize,
        /// The most.
        limit: usize,
    },
    /// A set of features cannot be used.
    #[error("the features `{}` cannot be used: {fault}", .path.display())]
    Features {
        /// The file.
        path: PathBuf,
        /// What is wrong, with a hint.
        fault: String,
    },
    /// The references have nothing in common that could be asked for.
    #[error(
        "the references share no feature of `{features}`\nhint: take references of one character, or add groups that fit them"
    )]
    NoKeyFeatures {
        /// The set's name.
        features: String,
    },
    /// There is nobody to compare.
    #[error("there is no contestant\nhint: name a folder of pictures for each")]
    NoContestants,
}
