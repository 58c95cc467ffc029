//! Files that come into the studio, stay in it or leave it: pictures from outside, pictures as PNG with the record of how
//! they were made, sheets and archives of several, and blobs.

mod archive;
mod blobs;
mod difference;
pub mod picture;
pub mod png;
pub mod sheet;
pub mod upload;

pub use archive::{Archive, ArchiveError};
pub use blobs::{Blobs, Error};
pub use difference::Difference;
