//! Files that leave the studio or stay in it: pictures as PNG with the record of how they were made, and blobs.

mod blobs;
pub mod png;

pub use blobs::{Blobs, Error};
