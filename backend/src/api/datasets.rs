//! `/api/datasets`: pictures of a character with captions.

use std::collections::BTreeSet;
use std::path::{Path as FilePath, PathBuf};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use chapan_api::dataset::{
    AddImages, CreateDataset, CreateExampleDataset, DatasetPicture, DatasetView, UpdateDataset, limits,
};
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::{DatasetId, ImageId};
use chapan_api::image::ImageKind;
use chapan_api::job::{JobStatus, JobView};
use chapan_api::page::Page;
use chapan_api::training::{Finding, FindingCode, Severity};
use chapan_api::validation::{FieldError, Rule};
use serde::Deserialize;

use super::extract::{JsonBody, QueryOf};
use super::generations::PageQuery;
use super::{ApiError, ApiResult, App, AppState, requests, uploads};
use crate::auth::CurrentUser;
use crate::datasets::{ArchiveError, Collected, DatasetError, collect, unpack};
use crate::files::upload::Purpose;
use crate::ids;
use crate::jobs::USUAL_CLIP;
use crate::store::{DatasetRow, NewDataset, NewImage, NewPicture, NewRequest};

/// The most pixels of all pictures of an archive together: a minute of decoding.
const ARCHIVE_PIXELS: u64 = 300_000_000;

/// How folders are called in which archives are unpacked.
pub const ARCHIVE_PREFIX: &str = "archive-";

/// What an archive's dataset is called.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ArchiveQuery {
    /// The dataset's name.
    name: String,
    /// The word that will call what is learnt.
    trigger_word: Option<String>,
}

/// Make a dataset, of pictures that were brought in before, or of none yet.
#[utoipa::path(
    post, path = "/api/datasets", tag = "dataset", request_body = CreateDataset,
    responses((status = CREATED, body = DatasetView), (status = UNPROCESSABLE_ENTITY, body = ErrorBody))
)]
pub(super) async fn create_dataset(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(request): JsonBody<CreateDataset>,
) -> ApiResult<(StatusCode, Json<DatasetView>)> {
    request.validate().map_err(ApiError::invalid)?;
    let pictures = own_pictures(&app, &user, &request.images).await?;
    let new = NewDataset {
        id: DatasetId::new(ids::new_id(&*app.clock)),
        owner: user.id.clone(),
        name: request.name.trim().to_owned(),
        trigger_word: trigger(request.trigger_word.as_deref()),
        findings: Vec::new(),
        pictures,
    };
    created(&app, &user, new).await
}

/// Make a dataset of a ZIP file with pictures: plain, or as kohya's trainer or diffusers lay them out; with folders `training`
/// and `held-out` the second is only measured with. Files that cannot be read are named in `findings`.
#[utoipa::path(
    post, path = "/api/datasets/archive", tag = "dataset", params(ArchiveQuery),
    request_body(content = inline(Vec<u8>), content_type = "application/zip", description = "The archive, at most 64 MB and 200 pictures"),
    responses(
        (status = CREATED, body = DatasetView),
        (status = PAYLOAD_TOO_LARGE, description = "It has, or unpacks to, more than is taken", body = ErrorBody),
        (status = UNSUPPORTED_MEDIA_TYPE, description = "It is not marked as a ZIP file", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "No archive, one with names that lead elsewhere, or without pictures", body = ErrorBody),
    )
)]
pub(super) async fn upload_archive(
    State(app): State<AppState>,
    user: CurrentUser,
    QueryOf(query): QueryOf<ArchiveQuery>,
    request: Request,
) -> ApiResult<(StatusCode, Json<DatasetView>)> {
    let named = CreateDataset { name: query.name, trigger_word: query.trigger_word, images: Vec::new() };
    named.validate().map_err(ApiError::invalid)?;
    if !is_zip(request.headers()) {
        return Err(ApiError::new(
            ErrorCode::UnsupportedContentType,
            "the body is not marked as a ZIP file",
            "send the header `content-type: application/zip`",
        ));
    }
    let bytes = Bytes::from_request(request, &app).await.map_err(|refused| {
        if refused.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let hint = format!("send at most {} MB", limits::ARCHIVE_BYTES >> 20);
            ApiError::new(ErrorCode::BodyTooLarge, "the archive is too large", hint)
        } else {
            let hint = "check the connection and send it again";
            ApiError::new(ErrorCode::MalformedBody, "the archive did not arrive", hint)
        }
    })?;
    let turn = app.decoders.clone().acquire_owned().await.map_err(ApiError::internal)?;
    let place = app.config.data_dir.clone();
    let unpacked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let folder = tempfile::Builder::new().prefix(ARCHIVE_PREFIX).tempdir_in(place)?;
        unpack(&bytes, folder.path())?;
        Ok::<_, ArchiveError>(folder)
    });
    let folder = unpacked.await.map_err(ApiError::internal)?.map_err(|error| refused(&error))?;
    from_folder(&app, &user, folder.path(), named).await
}

/// Make a dataset of references that ship with the studio.
#[utoipa::path(
    post, path = "/api/datasets/example", tag = "dataset", request_body = CreateExampleDataset,
    responses(
        (status = CREATED, body = DatasetView), (status = NOT_FOUND, description = "It is not installed", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody)
    )
)]
pub(super) async fn create_example(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(request): JsonBody<CreateExampleDataset>,
) -> ApiResult<(StatusCode, Json<DatasetView>)> {
    request.validate().map_err(ApiError::invalid)?;
    // The name is one of ours by now.
    let folders = app.config.references_dirs.iter().map(|folder| folder.join(&request.name));
    let folder: Option<PathBuf> = folders.into_iter().find(|folder| folder.is_dir());
    let folder = folder.ok_or_else(|| ApiError::not_found("example", &request.name))?;
    let named = CreateDataset { name: title_of(&request.name), ..CreateDataset::default() };
    from_folder(&app, &user, &folder, named).await
}

/// `aldar` as a name that people write.
fn title_of(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The caller's datasets, newest first, without what was seen in their pictures.
#[utoipa::path(
    get, path = "/api/datasets", tag = "dataset", params(PageQuery),
    responses((status = OK, body = Page<DatasetView>))
)]
pub(super) async fn list_datasets(
    State(app): State<AppState>,
    user: CurrentUser,
    QueryOf(page): QueryOf<PageQuery>,
) -> ApiResult<Json<Page<DatasetView>>> {
    let limit = page.limit();
    let rows = app.store.datasets(&user.id, page.cursor.as_deref(), limit).await?;
    let last = rows.last().filter(|_| rows.len() == limit as usize);
    let next_cursor = last.map(|row| row.id.to_string());
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let mut item = view(&app, row).await?;
        item.analysis = None;
        for picture in &mut item.pictures {
            picture.analysis = None;
        }
        items.push(item);
    }
    Ok(Json(Page { items, next_cursor }))
}

/// One dataset, with what was seen in its pictures.
#[utoipa::path(
    get, path = "/api/datasets/{id}", tag = "dataset", params(("id" = String, Path)),
    responses((status = OK, body = DatasetView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn show_dataset(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<DatasetId>,
) -> ApiResult<Json<DatasetView>> {
    Ok(Json(view(&app, own_dataset(&app, &user, &id).await?).await?))
}

/// Change a dataset's name, trigger word, captions, or which pictures are held out.
#[utoipa::path(
    patch, path = "/api/datasets/{id}", tag = "dataset", params(("id" = String, Path)), request_body = UpdateDataset,
    responses(
        (status = OK, body = DatasetView), (status = NOT_FOUND, body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody)
    )
)]
pub(super) async fn update_dataset(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<DatasetId>,
    JsonBody(change): JsonBody<UpdateDataset>,
) -> ApiResult<Json<DatasetView>> {
    change.validate().map_err(ApiError::invalid)?;
    own_dataset(&app, &user, &id).await?;
    if let Some(absent) = app.store.change_dataset(&id, &change).await? {
        let index = change.pictures.iter().position(|picture| picture.image == absent).unwrap_or_default();
        let rule = Rule::Absent { got: requests::brief(absent.as_str()) };
        return Err(ApiError::invalid(vec![FieldError::new(format!("pictures[{index}].image"), rule)]));
    }
    show_dataset(State(app), user, Path(id)).await
}

/// Add pictures that were brought in before.
#[utoipa::path(
    post, path = "/api/datasets/{id}/images", tag = "dataset", params(("id" = String, Path)), request_body = AddImages,
    responses(
        (status = OK, body = DatasetView), (status = NOT_FOUND, body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "Not one's own, or more than a dataset takes", body = ErrorBody)
    )
)]
pub(super) async fn add_images(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<DatasetId>,
    JsonBody(request): JsonBody<AddImages>,
) -> ApiResult<Json<DatasetView>> {
    request.validate().map_err(ApiError::invalid)?;
    let row = own_dataset(&app, &user, &id).await?;
    let there: BTreeSet<&ImageId> = row.pictures.iter().map(|picture| &picture.image).collect();
    let new: BTreeSet<&ImageId> = request.images.iter().filter(|image| !there.contains(image)).collect();
    let count = there.len() + new.len();
    if count as u64 > limits::PICTURES {
        let rule = Rule::TooMany { max: limits::PICTURES, got: count as u64 };
        return Err(ApiError::invalid(vec![FieldError::new("images", rule)]));
    }
    let pictures = own_pictures(&app, &user, &request.images).await?;
    app.store.add_pictures(&id, &pictures).await?;
    show_dataset(State(app), user, Path(id)).await
}

/// Take a picture out of a dataset.
#[utoipa::path(
    delete, path = "/api/datasets/{id}/images/{image}", tag = "dataset",
    params(("id" = String, Path), ("image" = String, Path)),
    responses((status = OK, body = DatasetView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn remove_image(
    State(app): State<AppState>,
    user: CurrentUser,
    Path((id, image)): Path<(DatasetId, ImageId)>,
) -> ApiResult<Json<DatasetView>> {
    own_dataset(&app, &user, &id).await?;
    if !app.store.remove_picture(&id, &image).await? {
        return Err(ApiError::not_found("picture of this dataset", image));
    }
    show_dataset(State(app), user, Path(id)).await
}

/// Remove a dataset, and the pictures that came for it alone. Not while a training or competition of it waits or runs.
#[utoipa::path(
    delete, path = "/api/datasets/{id}", tag = "dataset", params(("id" = String, Path)),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody), (status = CONFLICT, body = ErrorBody))
)]
pub(super) async fn delete_dataset(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<DatasetId>,
) -> ApiResult<StatusCode> {
    let row = own_dataset(&app, &user, &id).await?;
    if let Some(job) = row.analysis_job.filter(|job| !job.status.is_final()) {
        app.queue.cancel(&user.id, &job.id).await?;
    }
    if app.store.remove_dataset(&id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let hint = "wait until it is done, or cancel it";
    Err(ApiError::new(ErrorCode::Conflict, "work on this dataset waits or runs", hint))
}

/// Look at the pictures of a dataset: what each shows, and all together. One look at a time: while one waits or runs, its job is
/// the answer.
#[utoipa::path(
    post, path = "/api/datasets/{id}/analysis", tag = "dataset", params(("id" = String, Path)),
    responses(
        (status = ACCEPTED, body = JobView), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "The dataset has no pictures", body = ErrorBody)
    )
)]
pub(super) async fn analyse_dataset(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<DatasetId>,
) -> ApiResult<(StatusCode, Json<JobView>)> {
    let row = own_dataset(&app, &user, &id).await?;
    if row.pictures.is_empty() {
        let hint = "add some first";
        return Err(ApiError::new(ErrorCode::Conflict, "the dataset has no pictures", hint));
    }
    if let Some(job) = row.analysis_job.filter(|job| !job.status.is_final()) {
        return Ok((StatusCode::ACCEPTED, Json(app.queue.newest(&job).await?)));
    }
    let steps = row.pictures.len() as u32;
    let request = NewRequest::Analysis { dataset: id, unique: ids::new_id(&*app.clock) };
    let job = requests::enqueue(&app, user.id, USUAL_CLIP.to_owned().into(), steps, request).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// A dataset of one's own.
pub(super) async fn own_dataset(app: &App, user: &CurrentUser, id: &DatasetId) -> ApiResult<DatasetRow> {
    let found = app.store.dataset(&user.id, id).await?;
    found.ok_or_else(|| ApiError::not_found("dataset", id))
}

fn trigger(word: Option<&str>) -> Option<String> {
    word.map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned)
}

/// Pictures of one's own, to be put into a dataset.
async fn own_pictures(app: &App, user: &CurrentUser, images: &[ImageId]) -> ApiResult<Vec<NewPicture>> {
    let mut pictures = Vec::with_capacity(images.len());
    for (index, image) in images.iter().enumerate() {
        let row = requests::own_image(app, &user.id, &format!("images[{index}]"), image).await?;
        // The words of its making are a first caption; the kind of picture has none.
        let caption = row.record.as_ref().map(|record| record.prompt.trim().to_owned()).unwrap_or_default();
        let caption = caption.chars().take(limits::CAPTION_CHARS as usize).collect();
        let name = super::images::file_name(&row);
        pictures.push(NewPicture { image: row.id, row: None, name, caption, held_out: false });
    }
    Ok(pictures)
}

/// A dataset of all pictures below a folder.
async fn from_folder(
    app: &App,
    user: &CurrentUser,
    folder: &FilePath,
    named: CreateDataset,
) -> ApiResult<(StatusCode, Json<DatasetView>)> {
    let looked = folder.to_owned();
    let collected = tokio::task::spawn_blocking(move || look(&looked)).await;
    let (files, mut findings) = collected.map_err(ApiError::internal)??;
    let (mut pictures, mut kept): (Vec<NewPicture>, Vec<String>) = (Vec::new(), Vec::new());
    for file in files {
        match bring_in(app, user, &file).await {
            Ok(image) if kept.contains(&image.sha256) => {
                let message = "it shows the same as another and is left out".to_owned();
                findings.push(finding(FindingCode::Duplicate, &file.name, message));
            }
            Ok(image) => {
                kept.push(image.sha256.clone());
                pictures.push(NewPicture {
                    image: image.id.clone(),
                    row: Some(Box::new(image)),
                    name: file.name,
                    caption: file.caption,
                    held_out: file.held_out,
                });
            }
            Err(error) if error.code() == ErrorCode::Internal || error.code() == ErrorCode::StorageFull => {
                return Err(error);
            }
            Err(error) => findings.push(finding(FindingCode::Unreadable, &file.name, error.told())),
        }
    }
    let new = NewDataset {
        id: DatasetId::new(ids::new_id(&*app.clock)),
        owner: user.id.clone(),
        name: named.name.trim().to_owned(),
        trigger_word: trigger(named.trigger_word.as_deref()).or_else(|| shared_beginning(&pictures)),
        findings,
        pictures,
    };
    created(app, user, new).await
}

/// Lists a folder, and refuses what would take too long: the sizes that pictures state are summed before any is decoded.
fn look(folder: &FilePath) -> ApiResult<(Vec<Collected>, Vec<Finding>)> {
    let unusable = |error: &DatasetError| {
        let text = error.to_string().replace(&folder.display().to_string(), "");
        let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "pack the folder again"));
        ApiError::new(ErrorCode::UnreadableImage, fact, hint)
    };
    let (files, findings) = collect(folder).map_err(|error| unusable(&error))?;
    if files.is_empty() {
        return Err(ApiError::new(
            ErrorCode::UnreadableImage,
            "there is no picture in it",
            "put PNG, JPEG or WebP files into it",
        ));
    }
    if files.len() as u64 > limits::PICTURES {
        let fact = format!("it has {} pictures, at most {} are taken", files.len(), limits::PICTURES);
        return Err(ApiError::new(ErrorCode::BodyTooLarge, fact, "choose the best twenty"));
    }
    let mut pixels = 0;
    for file in &files {
        let bytes = std::fs::read(&file.path).map_err(ApiError::internal)?;
        let (width, height) = crate::files::picture::stated_size(&bytes).unwrap_or_default();
        pixels += u64::from(width) * u64::from(height);
    }
    if pixels > ARCHIVE_PIXELS {
        let fact = format!("its pictures have {pixels} pixels together, at most {ARCHIVE_PIXELS} are taken");
        return Err(ApiError::new(ErrorCode::BodyTooLarge, fact, "make the pictures smaller first"));
    }
    Ok((files, findings))
}

/// Decodes a file and keeps it among the blobs; its row comes with the dataset.
async fn bring_in(app: &App, user: &CurrentUser, file: &Collected) -> ApiResult<NewImage> {
    let path = file.path.clone();
    let turn = app.decoders.clone().acquire_owned().await.map_err(ApiError::internal)?;
    let taken = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let bytes = std::fs::read(path).map_err(ApiError::internal)?;
        uploads::take(&bytes, Purpose::Picture)
    });
    let taken = taken.await.map_err(|panic| uploads::damaged("the file cannot be read").because(panic))??;
    uploads::keep(app, &user.id, ImageKind::Reference, taken).await
}

/// The first words that all captions share, up to a comma: what they call their subject.
fn shared_beginning(pictures: &[NewPicture]) -> Option<String> {
    let first = |caption: &str| caption.split(',').next().unwrap_or_default().trim().to_owned();
    let word = first(&pictures.first()?.caption);
    let fits = !word.is_empty()
        && word.chars().count() as u64 <= limits::TRIGGER_CHARS
        && pictures.len() > 1
        && pictures.iter().all(|picture| first(&picture.caption) == word);
    fits.then_some(word)
}

fn finding(code: FindingCode, file: &str, message: String) -> Finding {
    Finding { severity: Severity::Warning, code, file: Some(file.to_owned()), message }
}

async fn created(
    app: &App,
    user: &CurrentUser,
    new: NewDataset,
) -> ApiResult<(StatusCode, Json<DatasetView>)> {
    app.store.add_dataset(&new).await?;
    let row = own_dataset(app, user, &new.id).await?;
    Ok((StatusCode::CREATED, Json(view(app, row).await?)))
}

async fn view(app: &App, mut row: DatasetRow) -> ApiResult<DatasetView> {
    // What a look found stands in the dataset: its job matters until then.
    let mut analysis_job = None;
    if let Some(job) = row.analysis_job.take().filter(|job| job.status != JobStatus::Succeeded) {
        let now = app.queue.newest(&job).await?;
        if now.status != JobStatus::Succeeded {
            analysis_job = Some(Box::new(now));
        } else if let Some(newer) = app.store.dataset(&job.owner, &row.id).await? {
            // It ended since the row was read: what it saw was written together with its end.
            row = newer;
        }
    }
    let picture = |picture: crate::store::PictureRow| DatasetPicture {
        image: picture.image,
        name: picture.name,
        caption: picture.caption,
        held_out: picture.held_out,
        width: picture.width,
        height: picture.height,
        analysis: picture.analysis,
    };
    Ok(DatasetView {
        id: row.id,
        name: row.name,
        trigger_word: row.trigger_word,
        pictures: row.pictures.into_iter().map(picture).collect(),
        analysis: row.analysis.map(Box::new),
        analysis_job,
        findings: row.findings,
        created_at_ms: row.created_at_ms,
    })
}

fn is_zip(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    let known = ["application/zip", "application/x-zip-compressed"];
    kind.is_some_and(|kind| known.iter().any(|known| kind.eq_ignore_ascii_case(known)))
}

fn refused(error: &ArchiveError) -> ApiError {
    let text = error.to_string();
    let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "pack the folder again"));
    let code = match error {
        ArchiveError::TooMuch { .. } => ErrorCode::BodyTooLarge,
        ArchiveError::Write(_) => ErrorCode::StorageFull,
        ArchiveError::Unreadable(_) | ArchiveError::Hostile { .. } => ErrorCode::UnreadableImage,
    };
    ApiError::new(code, fact, hint)
}
