//! What outlives a page: jobs, pictures, the draft, the connection, the theme. Provided once by `app`.

pub mod announce;
pub mod connection;
pub mod course;
pub mod draft;
pub mod jobs;
pub mod mask;
pub mod memory;
pub mod models;
pub mod pictures;
pub mod theme;
pub mod toast;
