//! `/api/folders`: places in the caller's gallery.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::folder::{FolderView, NameFolder};
use chapan_api::id::FolderId;

use super::extract::JsonBody;
use super::{ApiError, ApiResult, AppState};
use crate::auth::CurrentUser;
use crate::ids;
use crate::store::Named;

/// Most folders of one person.
const MOST_FOLDERS: usize = 1_000;

/// The caller's folders, by name.
#[utoipa::path(get, path = "/api/folders", tag = "folder", responses((status = OK, body = Vec<FolderView>)))]
pub(super) async fn list_folders(
    State(app): State<AppState>,
    user: CurrentUser,
) -> ApiResult<Json<Vec<FolderView>>> {
    Ok(Json(app.store.folders(&user.id).await?))
}

/// Make a folder.
#[utoipa::path(
    post, path = "/api/folders", tag = "folder", request_body = NameFolder,
    responses(
        (status = CREATED, body = FolderView),
        (status = CONFLICT, description = "Another folder has this name", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody),
    )
)]
pub(super) async fn create_folder(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(request): JsonBody<NameFolder>,
) -> ApiResult<(StatusCode, Json<FolderView>)> {
    request.validate().map_err(ApiError::invalid)?;
    if app.store.folders(&user.id).await?.len() >= MOST_FOLDERS {
        let fact = format!("you have {MOST_FOLDERS} folders already");
        return Err(ApiError::new(ErrorCode::Conflict, fact, "remove one that you need no more"));
    }
    let id = FolderId::new(ids::new_id(&*app.clock));
    let name = request.name.trim();
    match app.store.add_folder(&user.id, &id, name).await? {
        Named::Done => Ok((StatusCode::CREATED, Json(FolderView { id, name: name.to_owned(), images: 0 }))),
        Named::Taken | Named::Missing => Err(taken(name)),
    }
}

/// Give a folder another name.
#[utoipa::path(
    put, path = "/api/folders/{id}", tag = "folder", params(("id" = String, Path)), request_body = NameFolder,
    responses(
        (status = OK, body = FolderView),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "Another folder has this name", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody),
    )
)]
pub(super) async fn rename_folder(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<FolderId>,
    JsonBody(request): JsonBody<NameFolder>,
) -> ApiResult<Json<FolderView>> {
    request.validate().map_err(ApiError::invalid)?;
    let name = request.name.trim();
    match app.store.rename_folder(&user.id, &id, name).await? {
        Named::Done => {}
        Named::Taken => return Err(taken(name)),
        Named::Missing => return Err(ApiError::not_found("folder", id)),
    }
    let folders = app.store.folders(&user.id).await?;
    let folder = folders.into_iter().find(|folder| folder.id == id);
    folder.map(Json).ok_or_else(|| ApiError::not_found("folder", id))
}

/// Remove a folder. Its pictures stay, in no folder.
#[utoipa::path(
    delete, path = "/api/folders/{id}", tag = "folder", params(("id" = String, Path)),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn delete_folder(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<FolderId>,
) -> ApiResult<StatusCode> {
    let removed = app.store.remove_folder(&user.id, &id).await?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found("folder", id)) }
}

fn taken(name: &str) -> ApiError {
    let fact = format!("you have a folder `{name}` already");
    ApiError::new(ErrorCode::AlreadyExists, fact, "choose another name").at_field("name")
}
