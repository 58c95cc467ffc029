//! Pictures with captions in a folder, as training wants them: found, read, turned, cut to one of a few sizes.
//!
//! | layout | how it is told | captions |
//! |---|---|---|
//! | diffusers | `metadata.jsonl` or `metadata.csv` in the folder | its `text` column, beside `file_name` |
//! | kohya | folders named `10_words` | `.txt` beside each picture, else the words; pictures count ten times |
//! | plain | anything else | `.txt` beside each picture |
//!
//! What people send packed comes through `archive`, and is taken apart by `collection`.
//!
//! This room knows files and pixels; it knows no model and no job.

mod archive;
mod buckets;
mod captions;
mod collection;
mod error;
mod layout;
mod pictures;

pub use archive::{ArchiveError, unpack};
pub use buckets::{Bucket, Buckets};
pub use captions::{CaptionTemplate, caption_beside};
pub use collection::{Collected, collect};
pub use error::DatasetError;
pub use layout::{Entry, Layout, Listing, list};
pub use pictures::{Fitted, Measured, fit, measure, read};
