//! Progress in lessons: which steps a person has finished, and when first.

use chapan_api::id::UserId;
use chapan_api::lesson::LessonProgress;
use sqlx::Row;

use super::{Result, Store};

impl Store {
    /// The finished steps of a lesson.
    pub async fn lesson_progress(&self, owner: &UserId, lesson: &str) -> Result<LessonProgress> {
        let rows =
            sqlx::query("SELECT step, done_at_ms FROM lesson_steps WHERE owner_id = $1 AND lesson = $2")
                .bind(owner.as_str())
                .bind(lesson)
                .fetch_all(&self.reader)
                .await?;
        let done = rows
            .iter()
            .map(|row| Ok((row.try_get("step")?, row.try_get("done_at_ms")?)))
            .collect::<Result<_>>()?;
        Ok(LessonProgress { done })
    }

    /// Marks a step as finished. The first time counts: doing it again changes nothing.
    pub async fn finish_lesson_step(&self, owner: &UserId, lesson: &str, step: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO lesson_steps (owner_id, lesson, step, done_at_ms) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (owner_id, lesson, step) DO NOTHING",
        )
        .bind(owner.as_str())
        .bind(lesson)
        .bind(step)
        .bind(self.now_ms())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
