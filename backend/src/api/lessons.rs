//! `/api/lessons`: how far the caller is. The lessons' texts are data of the front end.

use axum::Json;
use axum::extract::{Path, State};
use chapan_api::error::ErrorBody;
use chapan_api::lesson::LessonProgress;
use chapan_api::validation::{FieldError, Rule};

use super::{ApiError, ApiResult, AppState};
use crate::auth::CurrentUser;

/// Longest name of a lesson or a step.
const LONGEST_NAME: usize = 64;

/// The steps of a lesson that the caller has finished.
#[utoipa::path(
    get, path = "/api/lessons/{lesson}/progress", tag = "lesson", params(("lesson" = String, Path)),
    responses((status = OK, body = LessonProgress), (status = UNPROCESSABLE_ENTITY, body = ErrorBody))
)]
pub(super) async fn show_progress(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(lesson): Path<String>,
) -> ApiResult<Json<LessonProgress>> {
    check_name("lesson", &lesson)?;
    Ok(Json(app.store.lesson_progress(&user.id, &lesson).await?))
}

/// Mark a step as finished. The first time counts.
#[utoipa::path(
    put, path = "/api/lessons/{lesson}/progress/{step}", tag = "lesson",
    params(("lesson" = String, Path), ("step" = String, Path)),
    responses((status = OK, body = LessonProgress), (status = UNPROCESSABLE_ENTITY, body = ErrorBody))
)]
pub(super) async fn finish_step(
    State(app): State<AppState>,
    user: CurrentUser,
    Path((lesson, step)): Path<(String, String)>,
) -> ApiResult<Json<LessonProgress>> {
    check_name("lesson", &lesson)?;
    check_name("step", &step)?;
    app.store.finish_lesson_step(&user.id, &lesson, &step).await?;
    Ok(Json(app.store.lesson_progress(&user.id, &lesson).await?))
}

/// Names in lessons are lower-case words joined by hyphens.
fn check_name(field: &str, name: &str) -> ApiResult<()> {
    let got = name.chars().count();
    let rule = if got > LONGEST_NAME {
        Rule::TooLong { max: LONGEST_NAME as u64, got: got as u64 }
    } else if name.is_empty() {
        Rule::Required
    } else if let Some(c) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
        Rule::ControlCharacter { got: format!("U+{:04X}", c as u32) }
    } else {
        return Ok(());
    };
    Err(ApiError::invalid(vec![FieldError::new(field, rule)]))
}
