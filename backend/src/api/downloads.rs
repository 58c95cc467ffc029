//! `/api/downloads`: models on their way from the hub. For those who look after the server.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chapan_api::download::{CreateDownload, DownloadView};
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::DownloadId;
use chapan_api::user::Role;

use super::extract::JsonBody;
use super::{ApiError, ApiResult, AppState};
use crate::auth::CurrentUser;

/// The downloads that run, are paused, have failed or have arrived since the server started.
#[utoipa::path(get, path = "/api/downloads", tag = "model", responses((status = OK, body = Vec<DownloadView>)))]
pub(super) async fn list_downloads(
    State(app): State<AppState>,
    _user: CurrentUser,
) -> ApiResult<Json<Vec<DownloadView>>> {
    Ok(Json(app.downloads.list()))
}

/// Fetch a model from the hub, or go on with one that was stopped. The server's own token is used.
#[utoipa::path(
    post, path = "/api/downloads", tag = "model", request_body = CreateDownload,
    responses(
        (status = ACCEPTED, body = DownloadView), (status = FORBIDDEN, body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody)
    )
)]
pub(super) async fn create_download(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(wish): JsonBody<CreateDownload>,
) -> ApiResult<(StatusCode, Json<DownloadView>)> {
    admin_only(&user)?;
    wish.validate().map_err(ApiError::invalid)?;
    let view = app.downloads.start(wish).map_err(ApiError::from_body)?;
    Ok((StatusCode::ACCEPTED, Json(view)))
}

/// Stop a download; what has arrived is kept.
#[utoipa::path(
    post, path = "/api/downloads/{id}/stop", tag = "model", params(("id" = String, Path)),
    responses((status = OK, body = DownloadView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn stop_download(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<String>,
) -> ApiResult<Json<DownloadView>> {
    admin_only(&user)?;
    let stopped = app.downloads.stop(&DownloadId::new(id.as_str()));
    stopped.map(Json).ok_or_else(|| ApiError::not_found("download", id))
}

/// Remove a download that does not run, with what has arrived of it. An installed model stays.
#[utoipa::path(
    delete, path = "/api/downloads/{id}", tag = "model", params(("id" = String, Path)),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody), (status = CONFLICT, body = ErrorBody))
)]
pub(super) async fn delete_download(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    admin_only(&user)?;
    if app.downloads.remove(&DownloadId::new(id.as_str())).map_err(ApiError::from_body)? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("download", id))
    }
}

fn admin_only(user: &CurrentUser) -> ApiResult<()> {
    if user.roles.contains(&Role::Admin) {
        return Ok(());
    }
    let hint = "ask whoever looks after it";
    Err(ApiError::new(ErrorCode::Forbidden, "models are installed by those who look after the server", hint))
}
