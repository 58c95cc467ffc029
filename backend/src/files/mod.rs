//! Files that leave the studio, come to it or stay in it: pictures as PNG with the record of how they were made, pictures from
//! outside, and blobs.

mod blobs;
pub mod picture;
pub mod png;

pub use blobs::{Blobs, Error};
