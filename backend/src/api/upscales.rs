//! `/api/upscales`: larger copies of pictures; `GET /api/upscalers`: the networks that make them.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::{ImageId, ModelId, UpscaleId, UserId};
use chapan_api::job::JobView;
use chapan_api::model::UpscalerView;
use chapan_api::upscale::{CreateUpscale, UpscaleView};

use super::extract::JsonBody;
use super::requests::{brief, enqueue, own_image, plan};
use super::{ApiError, ApiResult, App, AppState, images};
use crate::auth::CurrentUser;
use crate::hub::UpscalerFile;
use crate::ids;
use crate::jobs::upscale_memory;
use crate::store::NewRequest;

/// Ask for a larger copy of a picture. Answers at once with the job that makes it.
#[utoipa::path(
    post, path = "/api/upscales", tag = "upscale", request_body = CreateUpscale,
    responses(
        (status = ACCEPTED, body = JobView),
        (status = UNPROCESSABLE_ENTITY, description = "A field breaks its rule, or something that it names is not there", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many jobs wait already", body = ErrorBody),
        (status = INSUFFICIENT_STORAGE, description = "The copy needs more memory than there is", body = ErrorBody),
    )
)]
pub(super) async fn create_upscale(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(request): JsonBody<CreateUpscale>,
) -> ApiResult<(StatusCode, Json<JobView>)> {
    let job = accept(&app, user.id, request, None).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// Checks a request and queues it.
pub(super) async fn accept(
    app: &App,
    owner: UserId,
    request: CreateUpscale,
    reproduces: Option<ImageId>,
) -> ApiResult<JobView> {
    request.validate().map_err(ApiError::invalid)?;
    let image = own_image(app, &owner, "image", &request.image).await?;
    request.validate_size(image.width, image.height).map_err(ApiError::invalid)?;
    let upscaler = choose(app, request.model.as_ref(), "model").await?;
    let (width, height) = request.size(image.width, image.height);
    let what = format!("a copy of {width}x{height} with `{}`", upscaler.id);
    let needed = upscale_memory(&upscaler, (image.width, image.height), request.scale)
        + u64::from(image.width) * u64::from(image.height) * 8;
    plan(app, &what, needed, 0, "choose a smaller scale").map_err(|error| error.at_field("scale"))?;
    let model = upscaler.id;
    let parameters = CreateUpscale { model: Some(model.clone()), ..request };
    let id = UpscaleId::new(ids::new_id(&*app.clock));
    // How many tiles there are is known when the upscaler is loaded.
    enqueue(app, owner, model, 1, NewRequest::Upscale { id, parameters, reproduces }).await
}

/// One request for a larger copy, with its job and the copy.
#[utoipa::path(
    get, path = "/api/upscales/{id}", tag = "upscale", params(("id" = String, Path)),
    responses((status = OK, body = UpscaleView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn show_upscale(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<UpscaleId>,
) -> ApiResult<Json<UpscaleView>> {
    let row = app.store.upscale(&user.id, &id).await?;
    let row = row.ok_or_else(|| ApiError::not_found("request for a larger copy", id))?;
    Ok(Json(UpscaleView {
        id: row.id,
        parameters: row.parameters,
        job: app.queue.newest(&row.job).await?,
        image: row.images.into_iter().next().map(images::view),
        created_at_ms: row.created_at_ms,
    }))
}

/// The installed upscalers; the first one is used when a request names none.
#[utoipa::path(get, path = "/api/upscalers", tag = "model", responses((status = OK, body = Vec<UpscalerView>)))]
pub(super) async fn list_upscalers(
    State(app): State<AppState>,
    _user: CurrentUser,
) -> ApiResult<Json<Vec<UpscalerView>>> {
    let catalog = app.catalog.clone();
    let view = |file: UpscalerFile| UpscalerView {
        sha256: file.weights().known_sha256(),
        id: file.id,
        size_bytes: file.size_bytes,
    };
    let listed = move || catalog.upscalers().into_iter().map(view).collect();
    tokio::task::spawn_blocking(listed).await.map(Json).map_err(ApiError::internal)
}

/// Looks into the folders, away from the threads that answer requests.
async fn installed(app: &App) -> ApiResult<Vec<UpscalerFile>> {
    let catalog = app.catalog.clone();
    tokio::task::spawn_blocking(move || catalog.upscalers()).await.map_err(ApiError::internal)
}

/// An upscaler by its id, or the first; `field` is where the request names it.
pub(super) async fn choose(app: &App, wanted: Option<&ModelId>, field: &str) -> ApiResult<UpscalerFile> {
    let installed = installed(app).await?;
    let names: Vec<&str> = installed.iter().map(|file| file.id.as_str()).collect();
    let hint = if names.is_empty() {
        "put one (.safetensors of Real-ESRGAN) into the folder `models/upscalers` of the data folder"
            .to_owned()
    } else {
        format!("choose one of: {}", names.join(", "))
    };
    let fact = match wanted {
        Some(id) => format!("the upscaler `{}` is not installed", brief(id.as_str())),
        None => "no upscaler is installed".to_owned(),
    };
    let mut matching = installed.into_iter().filter(|file| wanted.is_none_or(|id| file.id == *id));
    matching.next().ok_or_else(|| ApiError::new(ErrorCode::UnknownModel, fact, hint).at_field(field))
}
