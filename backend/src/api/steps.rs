//! `/api/jobs/{id}/steps`: what every step of a drawing looked like.

use std::iter::once;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::JobId;
use chapan_api::steps::{StepView, StepsView};
use futures_util::stream::iter;

use super::{ApiError, ApiResult, AppState};
use crate::auth::CurrentUser;

/// The steps of a drawing that was asked for with `keep_steps`, once it has succeeded. They are kept in memory only, 64 MB for
/// everybody together: the oldest leave first, and all with the server. While `pending` is not 0, ask again for more
/// `expected` pictures.
#[utoipa::path(
    get, path = "/api/jobs/{id}/steps", tag = "job", params(("id" = String, Path)),
    responses(
        (status = OK, body = StepsView),
        (status = NOT_FOUND, description = "No such job, or its steps are not kept: not asked for, not done yet, or gone", body = ErrorBody)
    )
)]
pub(super) async fn show_steps(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<JobId>,
) -> ApiResult<Response> {
    let job = app.queue.view(&user.id, &id).await?.ok_or_else(|| ApiError::not_found("job", &id))?;
    let (view, steps) = app.queue.steps(&job.id).ok_or_else(|| {
        let hint = if job.status.is_final() {
            "draw it again with `keep_steps`; steps are kept in memory only, those of the newest drawings"
        } else {
            "wait until the job has succeeded"
        };
        ApiError::new(ErrorCode::NotFound, format!("no steps of the job `{}` are kept", job.id), hint)
    })?;
    let view = serde_json::to_string(&view).map_err(ApiError::internal)?;
    let begin = view.strip_suffix(LIST_END).ok_or_else(|| ApiError::internal("the steps are not last"))?;
    // Megabytes of pixels: one step at a time becomes text, when the reader has taken the one before.
    let parts = once(Ok(Bytes::from(begin.to_owned())))
        .chain(steps.into_iter().enumerate().map(as_text))
        .chain(once(Ok(Bytes::from_static(LIST_END.as_bytes()))));
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(iter(parts))).into_response())
}

/// How the text of a view ends after its list of steps.
const LIST_END: &str = "]}";

fn as_text((index, step): (usize, Arc<StepView>)) -> Result<Bytes, serde_json::Error> {
    let mut text = if index == 0 { Vec::new() } else { vec![b','] };
    serde_json::to_writer(&mut text, &*step)?;
    Ok(text.into())
}
