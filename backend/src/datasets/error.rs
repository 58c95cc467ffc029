//! Why a folder or one of its files cannot be trained on.

use std::path::PathBuf;

use crate::files::picture::PictureError;

/// A refusal; every message ends with a `hint:`.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A folder or file cannot be read.
    #[error("cannot read `{}`: {source}\nhint: is the path right, and may it be read?", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There are more pictures than any training uses.
    #[error("`{}` has more than {limit} pictures\nhint: choose the best twenty", .path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The most.
        limit: usize,
    },
    /// A caption is not text.
    #[error("the caption `{}` is no text: {fault}\nhint: save it as plain text in UTF-8, or delete it", .path.display())]
    BadCaption {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// A list of captions cannot be understood.
    #[error("`{}`, line {line}: {fault}\nhint: each line names a `file_name` in the folder and its `text`", .path.display())]
    BadMetadata {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        fault: String,
    },
    /// A template lacks what it needs.
    #[error(
        "the caption template `{template}` {fault}\nhint: write for example `a drawing of {{trigger}}, {{caption}}`"
    )]
    BadTemplate {
        /// The template.
        template: String,
        /// What is wrong.
        fault: &'static str,
    },
    /// A file is no picture that is read.
    #[error("cannot use `{}`: {source}", .path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: PictureError,
    },
    /// A picture could not be made smaller.
    #[error("cannot resize `{}`: {fault}\nhint: save it anew", .path.display())]
    Resize {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        fault: String,
    },
}
