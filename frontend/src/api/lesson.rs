//! The noun `lesson`: data files that are served beside the page.

use chapan_api::lesson::{Lesson, LessonProgress};

use super::{Failure, client};

/// One lesson by its stable name.
pub async fn get(id: &str) -> Result<Lesson, Failure> {
    client::get(&format!("/lessons/{id}.json")).await
}

/// The steps of a lesson that the user has finished.
pub async fn progress(id: &str) -> Result<LessonProgress, Failure> {
    client::get(&format!("/api/lessons/{id}/progress")).await
}

/// Marks a step as finished.
pub async fn finish_step(id: &str, step: &str) -> Result<(), Failure> {
    client::act("PUT", &format!("/api/lessons/{id}/progress/{step}")).await
}
