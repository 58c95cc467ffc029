//! Files that leave the studio or stay in it: pictures as PNG with the record of how they were made.

pub mod png;
