//! Several pictures at once: change them, fetch them as one file, empty the trash.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::ImageId;
use chapan_api::image::{ChangeImages, ChangedImages, EmptiedTrash, ImageChange, limits};
use chapan_api::validation::{FieldError, Rule};
use futures_util::stream::unfold;
use serde::Deserialize;

use super::extract::{JsonBody, QueryOf};
use super::{ApiError, ApiResult, AppState, images, requests};
use crate::auth::CurrentUser;
use crate::files::{Archive, Blobs};
use crate::store::ImageRow;

/// Most bytes of one archive.
const MOST_BYTES: u64 = 2 << 30;

/// Which pictures to fetch.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ArchiveQuery {
    /// Identifiers, joined by commas; at most 500.
    images: String,
}

/// Change several pictures: into the trash and out of it, stars, folders.
#[utoipa::path(
    post, path = "/api/images/batch", tag = "image", request_body = ChangeImages,
    responses((status = OK, body = ChangedImages), (status = UNPROCESSABLE_ENTITY, body = ErrorBody))
)]
pub(super) async fn change_images(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(request): JsonBody<ChangeImages>,
) -> ApiResult<Json<ChangedImages>> {
    request.validate().map_err(ApiError::invalid)?;
    if let ImageChange::Move(Some(folder)) = &request.change
        && !app.store.has_folder(&user.id, folder).await?
    {
        let rule = Rule::Absent { got: requests::brief(folder.as_str()) };
        return Err(ApiError::invalid(vec![FieldError::new("change.move", rule)]));
    }
    Ok(Json(app.store.change_images(&user.id, &request.images, &request.change).await?))
}

/// Remove what lies in the caller's trash, for good.
#[utoipa::path(
    post, path = "/api/images/trash/empty", tag = "image", responses((status = OK, body = EmptiedTrash))
)]
pub(super) async fn empty_trash(
    State(app): State<AppState>,
    user: CurrentUser,
) -> ApiResult<Json<EmptiedTrash>> {
    Ok(Json(EmptiedTrash { removed: app.store.empty_trash(&user.id).await? }))
}

/// Several pictures as one ZIP file.
#[utoipa::path(
    get, path = "/api/images/archive", tag = "image", params(ArchiveQuery),
    responses(
        (status = OK, description = "The ZIP file", content_type = "application/zip"),
        (status = UNPROCESSABLE_ENTITY, description = "Too many pictures, or one is not there", body = ErrorBody),
    )
)]
pub(super) async fn fetch_images(
    State(app): State<AppState>,
    user: CurrentUser,
    QueryOf(query): QueryOf<ArchiveQuery>,
) -> ApiResult<Response> {
    let mut ids: Vec<ImageId> = Vec::new();
    for id in query.images.split(',').filter(|id| !id.is_empty()).map(ImageId::new) {
        if !ids.contains(&id) {
            ids.push(id);
        }
        if ids.len() as u64 > limits::BATCH {
            break;
        }
    }
    ChangeImages { images: ids.clone(), change: ImageChange::Restore }
        .validate()
        .map_err(ApiError::invalid)?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in &ids {
        rows.push(requests::own_image(&app, &user.id, "images", id).await?);
    }
    let total: u64 = rows.iter().map(|row| row.size_bytes).sum();
    if total > MOST_BYTES {
        let fact =
            format!("these pictures have {} MB, an archive takes {} MB", total >> 20, MOST_BYTES >> 20);
        return Err(ApiError::new(ErrorCode::InvalidField, fact, "choose fewer").at_field("images"));
    }
    let parts = unfold(Some(Parts::new(app.blobs.clone(), rows)), |parts| async move {
        let mut parts = parts?;
        match parts.next().await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(parts))),
            Ok(None) => None,
            // The stream breaks off: the reader sees that the archive is not whole.
            Err(error) => Some((Err(error), None)),
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"chapan.zip\""),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

/// The pieces of an archive, one after the other; one picture at a time is in memory.
struct Parts {
    blobs: Blobs,
    rows: std::vec::IntoIter<ImageRow>,
    archive: Option<Archive>,
    picture: Option<Bytes>,
}

impl Parts {
    fn new(blobs: Blobs, rows: Vec<ImageRow>) -> Self {
        Self { blobs, rows: rows.into_iter(), archive: Some(Archive::default()), picture: None }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, std::io::Error> {
        if let Some(picture) = self.picture.take() {
            return Ok(Some(picture));
        }
        let Some(archive) = &mut self.archive else { return Ok(None) };
        let Some(row) = self.rows.next() else {
            return Ok(self.archive.take().map(|archive| archive.finish().into()));
        };
        let found = self.blobs.get(&row.sha256).await.map_err(std::io::Error::other)?;
        let picture = found.ok_or_else(|| std::io::Error::other("a picture's file is missing"))?;
        let header = archive.add(&images::file_name(&row), &picture).map_err(std::io::Error::other)?;
        self.picture = Some(picture);
        Ok(Some(header.into()))
    }
}
