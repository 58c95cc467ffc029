//! `GET /api/models`: what is installed; and the files of models that are small enough to draw in a browser.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chapan_api::error::ErrorBody;
use chapan_api::id::{ModelId, UserId};
use chapan_api::model::{LoraView, ModelFile, ModelView};
use serde::Deserialize;

use super::extract::QueryOf;
use super::{ApiError, ApiResult, App, AppState};
use crate::auth::CurrentUser;
use crate::hub::{Checkpoint, PortableModel};
use crate::jobs;

/// Which version of a file.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionQuery {
    /// The hash that the list of files gave: the answer may then be kept for ever, and is refused when the file has changed.
    sha256: Option<String>,
}

/// The installed models; the first one is used when a request names none.
#[utoipa::path(get, path = "/api/models", tag = "model", responses((status = OK, body = Vec<ModelView>)))]
pub(super) async fn list_models(
    State(app): State<AppState>,
    _user: CurrentUser,
) -> ApiResult<Json<Vec<ModelView>>> {
    let loaded = app.queue.loaded_models();
    let catalog = app.catalog.clone();
    let listed = move || catalog.models().into_iter().map(|model| view(model, &loaded)).collect();
    tokio::task::spawn_blocking(listed).await.map(Json).map_err(ApiError::internal)
}

/// Looks into the folders, away from the threads that answer requests.
pub(super) async fn installed(app: &App) -> ApiResult<Vec<Checkpoint>> {
    let catalog = app.catalog.clone();
    tokio::task::spawn_blocking(move || catalog.models()).await.map_err(ApiError::internal)
}

/// The files of a small model, for a browser that draws by itself; of a large one its tokenizers, for one that counts tokens.
#[utoipa::path(
    get, path = "/api/models/{id}/files", tag = "model", params(("id" = String, Path)),
    responses((status = OK, body = Vec<ModelFile>), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn list_files(
    State(app): State<AppState>,
    _user: CurrentUser,
    Path(id): Path<ModelId>,
) -> ApiResult<Json<Vec<ModelFile>>> {
    Ok(Json(portable(&app, id).await?.files))
}

/// One file of such a list.
#[utoipa::path(
    get, path = "/api/models/{id}/files/{*path}", tag = "model",
    params(("id" = String, Path), ("path" = String, Path), VersionQuery),
    responses(
        (status = OK, description = "The file", content_type = "application/octet-stream"),
        (status = NOT_MODIFIED, description = "The file that the caller has"),
        (status = NOT_FOUND, body = ErrorBody)
    )
)]
pub(super) async fn show_model_file(
    State(app): State<AppState>,
    _user: CurrentUser,
    Path((id, path)): Path<(ModelId, String)>,
    QueryOf(query): QueryOf<VersionQuery>,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let model = portable(&app, id).await?;
    let missing = || ApiError::not_found("file", &path);
    let file = model.files.iter().find(|file| file.path == path).ok_or_else(missing)?;
    if query.sha256.as_ref().is_some_and(|wanted| *wanted != file.sha256) {
        return Err(missing());
    }
    let lasting = query.sha256.is_some();
    let tag = format!("\"{}\"", file.sha256);
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let wanted = path.clone();
        let read =
            tokio::task::spawn_blocking(move || model.read(&wanted)).await.map_err(ApiError::internal)?;
        read.map_err(ApiError::internal)?.ok_or_else(missing)?.into_response()
    };
    let caching = if lasting { "private, max-age=31536000, immutable" } else { "no-cache" };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).map_err(ApiError::internal)?);
    Ok(response)
}

/// Looks for a small model, away from the threads that answer requests.
async fn portable(app: &App, id: ModelId) -> ApiResult<PortableModel> {
    let (catalog, wanted) = (app.catalog.clone(), id.clone());
    let found = tokio::task::spawn_blocking(move || catalog.portable(&wanted)).await;
    let found = found.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    found.ok_or_else(|| ApiError::not_found("small model", id))
}

/// The installed LoRAs, with what their files say of themselves.
#[utoipa::path(get, path = "/api/loras", tag = "model", responses((status = OK, body = Vec<LoraView>)))]
pub(super) async fn list_loras(
    State(app): State<AppState>,
    user: CurrentUser,
) -> ApiResult<Json<Vec<LoraView>>> {
    installed_loras(&app, &user.id).await.map(Json)
}

/// Remove a LoRA of one's own. Pictures that were made with it stay.
#[utoipa::path(
    delete, path = "/api/loras/{id}", tag = "model", params(("id" = String, Path)),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn delete_lora(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<ModelId>,
) -> ApiResult<StatusCode> {
    let (catalog, wanted) = (app.catalog.clone(), id.clone());
    let removed = tokio::task::spawn_blocking(move || catalog.remove_lora(&user.id, &wanted)).await;
    if removed.map_err(ApiError::internal)?.map_err(ApiError::internal)? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("LoRA of yours", id))
    }
}

/// Looks into the files, away from the threads that answer requests.
pub(super) async fn installed_loras(app: &App, user: &UserId) -> ApiResult<Vec<LoraView>> {
    let catalog = app.catalog.of(user);
    tokio::task::spawn_blocking(move || jobs::installed_loras(&catalog)).await.map_err(ApiError::internal)
}

/// A model as readers see it; its hash once it has been computed in the background.
fn view(model: Checkpoint, loaded: &[ModelId]) -> ModelView {
    let sha256 = model.weights().ok().and_then(|weights| weights.known_sha256());
    ModelView {
        memory_bytes: jobs::picture_memory(&model),
        loaded: loaded.contains(&model.id),
        inpainting: model.inpainting,
        id: model.id,
        family: model.family,
        size_bytes: model.size_bytes,
        sha256,
        precision: model.precision,
        license: model.license,
        default_side: model.default_side,
        default_scheduler: model.default_scheduler,
    }
}
