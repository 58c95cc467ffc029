//! `POST /api/images`: bring a picture in.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::{ImageId, UserId};
use chapan_api::image::{ImageKind, ImageView, limits};
use chapan_api::metadata;
use chapan_api::upscale::UpscaleRecord;
use serde::Deserialize;

use super::extract::QueryOf;
use super::{ApiError, ApiResult, App, AppState, images};
use crate::auth::CurrentUser;
use crate::files::picture::PictureError;
use crate::files::png::{Pixels, encode_with_records};
use crate::files::upload::{Purpose, Upload, UploadError, read_upload, records_in};
use crate::ids;
use crate::store::NewImage;

/// How many files are decoded at once; each may take some hundred megabytes.
pub const DECODED_AT_ONCE: usize = 2;

/// What the picture is for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadQuery {
    /// As a mask: not listed in the gallery.
    #[serde(default)]
    mask: bool,
    /// As a reference to learn from: not listed in the gallery either.
    #[serde(default)]
    reference: bool,
}

/// Bring a picture in: the body is the file, a PNG, JPEG or WebP of at most 32 MB. It is turned as its EXIF says and
/// written anew as PNG; EXIF, with its places and dates, is dropped. What its texts say about its making comes back.
#[utoipa::path(
    post, path = "/api/images", tag = "image", params(UploadQuery),
    request_body(content = inline(Vec<u8>), content_type = "application/octet-stream", description = "The file, whatever its type"),
    responses(
        (status = CREATED, body = ImageView),
        (status = PAYLOAD_TOO_LARGE, description = "The file has too many bytes or pixels", body = ErrorBody),
        (status = UNSUPPORTED_MEDIA_TYPE, description = "No PNG, JPEG or WebP", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "Damaged, or of a form that would lose something", body = ErrorBody),
    )
)]
pub(super) async fn upload_image(
    State(app): State<AppState>,
    user: CurrentUser,
    QueryOf(query): QueryOf<UploadQuery>,
    request: Request,
) -> ApiResult<(StatusCode, Json<ImageView>)> {
    let bytes = Bytes::from_request(request, &app).await.map_err(|refused| {
        if refused.status() == StatusCode::PAYLOAD_TOO_LARGE {
            too_large("the file is too large")
        } else {
            ApiError::new(
                ErrorCode::MalformedBody,
                "the file did not arrive",
                "check the connection and send it again",
            )
        }
    })?;
    let turn = Arc::clone(&app.decoders).acquire_owned().await.map_err(ApiError::internal)?;
    let (kind, purpose) = match (query.mask, query.reference) {
        (true, _) => (ImageKind::Mask, Purpose::Mask),
        (false, true) => (ImageKind::Reference, Purpose::Picture),
        (false, false) => (ImageKind::Upload, Purpose::Picture),
    };
    let taken = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        take(&bytes, purpose)
    });
    let taken = taken.await.map_err(|panic| {
        let refused = damaged("the file cannot be read");
        refused.because(panic)
    })??;
    let image = keep(&app, &user.id, kind, taken).await?;
    app.store.add_image(&image).await?;
    let row = app.store.image(&user.id, &image.id).await?;
    let row = row.ok_or_else(|| ApiError::internal("a picture that was just stored is gone"))?;
    Ok((StatusCode::CREATED, Json(images::view(row))))
}

/// Keeps a picture's file, and makes its row.
pub(super) async fn keep(app: &App, owner: &UserId, kind: ImageKind, taken: Taken) -> ApiResult<NewImage> {
    let size_bytes = taken.png.len() as u64;
    Ok(NewImage {
        id: ImageId::new(ids::new_id(&*app.clock)),
        owner: owner.clone(),
        kind,
        subject: None,
        sha256: app.blobs.put(taken.png.into()).await?,
        size_bytes,
        width: taken.width,
        height: taken.height,
        record: taken.record,
        enlargement: taken.enlargement,
        imported: taken.imported,
        caption: None,
        duration_ms: 0,
    })
}

/// A picture that was taken: our own PNG of it, and what its file said.
pub(super) struct Taken {
    png: Vec<u8>,
    width: u32,
    height: u32,
    record: Option<chapan_api::image::ImageRecord>,
    enlargement: Option<UpscaleRecord>,
    imported: Option<metadata::Imported>,
}

/// Decodes the bytes of a file, and writes the picture anew.
pub(super) fn take(bytes: &[u8], purpose: Purpose) -> ApiResult<Taken> {
    let Upload { width, height, rgb, alpha, texts } =
        read_upload(bytes, purpose).map_err(|error| refused(&error))?;
    let (record, enlargement) = records_in(&texts);
    let imported = metadata::read(&texts);
    let pixels = Pixels { width, height, rgb: &rgb, alpha: alpha.as_deref() };
    let png =
        encode_with_records(pixels, record.as_ref(), enlargement.as_ref()).map_err(ApiError::internal)?;
    Ok(Taken { png, width, height, record, enlargement, imported })
}

fn refused(error: &UploadError) -> ApiError {
    let text = error.to_string();
    let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "choose another file"));
    let code = match error {
        UploadError::Picture(PictureError::UnknownFormat { .. }) => ErrorCode::UnsupportedContentType,
        UploadError::Picture(PictureError::TooLarge { .. } | PictureError::FileTooLarge { .. }) => {
            ErrorCode::BodyTooLarge
        }
        _ => ErrorCode::UnreadableImage,
    };
    // A decoder repeats what it found; a long one is of no use to anybody.
    let fact: String = fact.chars().filter(|c| !c.is_control()).take(300).collect();
    ApiError::new(code, fact, hint)
}

pub(super) fn damaged(fact: &str) -> ApiError {
    ApiError::new(ErrorCode::UnreadableImage, fact, "open it in an image editor and save it again")
}

fn too_large(fact: &str) -> ApiError {
    let hint = format!("send at most {} MB; JPEG files are smaller", limits::UPLOAD_BYTES >> 20);
    ApiError::new(ErrorCode::BodyTooLarge, fact, hint)
}
