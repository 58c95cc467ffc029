//! The noun `lesson`: data files that are served beside the page.

use chapan_api::lesson::Lesson;

use super::{Failure, client};

/// One lesson by its stable name.
pub async fn get(id: &str) -> Result<Lesson, Failure> {
    client::get(&format!("/lessons/{id}.json")).await
}
