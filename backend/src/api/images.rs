//! `/api/images`: the caller's pictures.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chapan_api::error::ErrorBody;
use chapan_api::id::{FolderId, ImageId};
use chapan_api::image::{ImageKind, ImageView, limits};
use chapan_api::page::Page;
use chapan_api::validation::Checker;
use serde::Deserialize;

use super::extract::QueryOf;
use super::{ApiError, ApiResult, AppState};
use crate::auth::CurrentUser;
use crate::store::{ImageFilter, ImageRow};

/// Which pictures to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ImagesQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items on a page, 1 to 100; 30 when absent.
    limit: Option<u32>,
    /// Those in the trash instead of all others.
    #[serde(default)]
    trash: bool,
    /// Only those with this text in their prompts, in large or small letters.
    search: Option<String>,
    /// Only those with a star.
    #[serde(default)]
    starred: bool,
    /// Only those in this folder.
    folder: Option<FolderId>,
    /// Only those of this kind; without it all but masks and pictures made again.
    kind: Option<ImageKind>,
}

/// How to send a file.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct FileQuery {
    /// For keeping instead of showing.
    #[serde(default)]
    download: bool,
}

/// The caller's pictures, newest first.
#[utoipa::path(
    get, path = "/api/images", tag = "image", params(ImagesQuery),
    responses((status = OK, body = Page<ImageView>), (status = UNPROCESSABLE_ENTITY, body = ErrorBody))
)]
pub(super) async fn list_images(
    State(app): State<AppState>,
    user: CurrentUser,
    QueryOf(query): QueryOf<ImagesQuery>,
) -> ApiResult<Json<Page<ImageView>>> {
    let limit = query.limit.unwrap_or(30).clamp(1, 100);
    let mut check = Checker::new();
    check.text("search", query.search.as_deref().unwrap_or_default(), limits::SEARCH_CHARS);
    check.finish().map_err(ApiError::invalid)?;
    let filter = ImageFilter {
        before: query.cursor,
        trash: query.trash,
        search: query.search,
        starred: query.starred,
        folder: query.folder,
        kind: query.kind,
        limit,
    };
    let rows = app.store.images(&user.id, &filter).await?;
    let last = rows.last().filter(|_| rows.len() == limit as usize);
    let next_cursor = last.map(|row| row.id.to_string());
    Ok(Json(Page { items: rows.into_iter().map(view).collect(), next_cursor }))
}

/// One picture and how it was made.
#[utoipa::path(
    get, path = "/api/images/{id}", tag = "image", params(("id" = String, Path)),
    responses((status = OK, body = ImageView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn show_image(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<ImageId>,
) -> ApiResult<Json<ImageView>> {
    let image = app.store.image(&user.id, &id).await?;
    image.map(|row| Json(view(row))).ok_or_else(|| ApiError::not_found("image", id))
}

/// Put a picture into the trash.
#[utoipa::path(
    delete, path = "/api/images/{id}", tag = "image", params(("id" = String, Path)),
    responses((status = OK, body = ImageView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn delete_image(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<ImageId>,
) -> ApiResult<Json<ImageView>> {
    let image = app.store.set_image_deleted(&user.id, &id, true).await?;
    image.map(|row| Json(view(row))).ok_or_else(|| ApiError::not_found("image", id))
}

/// Take a picture out of the trash.
#[utoipa::path(
    post, path = "/api/images/{id}/restore", tag = "image", params(("id" = String, Path)),
    responses((status = OK, body = ImageView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn restore_image(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<ImageId>,
) -> ApiResult<Json<ImageView>> {
    let image = app.store.set_image_deleted(&user.id, &id, false).await?;
    image.map(|row| Json(view(row))).ok_or_else(|| ApiError::not_found("image", id))
}

/// The picture's PNG, with its record inside. Only its owner gets it.
#[utoipa::path(
    get, path = "/api/images/{id}/file", tag = "image", params(("id" = String, Path), FileQuery),
    responses(
        (status = OK, description = "The PNG", content_type = "image/png"),
        (status = NOT_FOUND, body = ErrorBody)
    )
)]
pub(super) async fn show_file(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<ImageId>,
    QueryOf(query): QueryOf<FileQuery>,
) -> ApiResult<Response> {
    let Some(row) = app.store.image(&user.id, &id).await? else {
        return Err(ApiError::not_found("image", id));
    };
    let Some(bytes) = app.blobs.get(&row.sha256).await? else {
        return Err(ApiError::internal(format!("the file of image `{id}` is missing")));
    };
    let kind = if query.download { "attachment" } else { "inline" };
    let name = format!("{kind}; filename=\"{}\"", file_name(&row));
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/png"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'"),
    );
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(ApiError::internal)?);
    Ok(response)
}

/// A picture's name as a file: of our own identifier and numbers only.
pub(super) fn file_name(row: &ImageRow) -> String {
    match &row.record {
        Some(record) => format!("chapan-{}-{}.png", record.seed, row.id),
        None => format!("chapan-{}.png", row.id),
    }
}

/// The row as readers see it.
pub(super) fn view(row: ImageRow) -> ImageView {
    ImageView {
        url: format!("/api/images/{}/file", row.id),
        id: row.id,
        kind: row.kind,
        generation: row.generation,
        upscale: row.upscale,
        grid: row.grid,
        width: row.width,
        height: row.height,
        record: row.record,
        enlargement: row.enlargement.map(Box::new),
        imported: row.imported.map(Box::new),
        sha256: row.sha256,
        size_bytes: row.size_bytes,
        duration_ms: row.duration_ms,
        created_at_ms: row.created_at_ms,
        starred: row.starred,
        folder: row.folder,
        deleted_at_ms: row.deleted_at_ms,
    }
}
