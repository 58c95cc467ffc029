//! `/api/jobs`: what the queue is doing for the caller.

use axum::Json;
use axum::extract::{Path, State};
use chapan_api::error::ErrorBody;
use chapan_api::id::JobId;
use chapan_api::job::JobView;
use chapan_api::page::Page;

use super::{ApiError, ApiResult, AppState};
use crate::auth::CurrentUser;

/// The caller's jobs that have not ended, newest first, on one page. What has ended is in the list of generations.
#[utoipa::path(get, path = "/api/jobs", tag = "job", responses((status = OK, body = Page<JobView>)))]
pub(super) async fn list_jobs(
    State(app): State<AppState>,
    user: CurrentUser,
) -> ApiResult<Json<Page<JobView>>> {
    Ok(Json(Page { items: app.queue.active(&user.id).await?, next_cursor: None }))
}

/// One job.
#[utoipa::path(
    get, path = "/api/jobs/{id}", tag = "job", params(("id" = String, Path)),
    responses((status = OK, body = JobView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn show_job(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<JobId>,
) -> ApiResult<Json<JobView>> {
    let job = app.queue.view(&user.id, &id).await?;
    job.map(Json).ok_or_else(|| ApiError::not_found("job", id))
}

/// Stop a job: a waiting one at once, a running one at its next step. Stopping one that has ended changes nothing.
#[utoipa::path(
    post, path = "/api/jobs/{id}/cancel", tag = "job", params(("id" = String, Path)),
    responses((status = OK, body = JobView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn cancel_job(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<JobId>,
) -> ApiResult<Json<JobView>> {
    let job = app.queue.cancel(&user.id, &id).await?;
    job.map(Json).ok_or_else(|| ApiError::not_found("job", id))
}
