//! `/api/generations`: ask for a picture, and see what was asked for.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::generation::{CreateGeneration, GenerationView, limits};
use chapan_api::id::{GenerationId, JobId};
use chapan_api::job::JobView;
use chapan_api::page::Page;
use serde::Deserialize;

use super::extract::{JsonBody, QueryOf};
use super::{ApiError, ApiResult, App, AppState, images, models};
use crate::auth::CurrentUser;
use crate::hub::Checkpoint;
use crate::ids;
use crate::jobs::available_memory_bytes;
use crate::store::{GenerationRow, NewGeneration};

/// How many jobs one person may have in the queue: no limit for a person, one for a program that runs wild.
const MOST_WAITING: u32 = 10_000;

/// How a list is read: page by page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items on a page, 1 to 100; 30 when absent.
    pub limit: Option<u32>,
}

impl PageQuery {
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(30).clamp(1, 100)
    }
}

/// Ask for a picture. Answers at once with the job that makes it.
#[utoipa::path(
    post, path = "/api/generations", tag = "generation", request_body = CreateGeneration,
    responses(
        (status = ACCEPTED, body = JobView),
        (status = UNPROCESSABLE_ENTITY, description = "A field breaks its rule, or the model is not installed", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many jobs wait already", body = ErrorBody),
        (status = INSUFFICIENT_STORAGE, description = "The picture needs more memory than there is", body = ErrorBody),
    )
)]
pub(super) async fn create_generation(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(request): JsonBody<CreateGeneration>,
) -> ApiResult<(StatusCode, Json<JobView>)> {
    request.validate().map_err(ApiError::invalid)?;
    let model = choose_model(&app, &request).await?;
    plan_memory(&app, &model, &request)?;
    let seed = request.seed.unwrap_or_else(|| ids::random_u64() & limits::MAX_SEED);
    let parameters = CreateGeneration { seed: Some(seed), model: Some(model.id.clone()), ..request };
    let new = NewGeneration {
        id: GenerationId::new(ids::new_id(&*app.clock)),
        job: JobId::new(ids::new_id(&*app.clock)),
        owner: user.id,
        model: model.id,
        parameters,
        created_at_ms: app.clock.now_ms(),
        most_waiting: MOST_WAITING,
    };
    let job = app.queue.enqueue_generation(&new).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// The caller's generations, newest first.
#[utoipa::path(
    get, path = "/api/generations", tag = "generation", params(PageQuery),
    responses((status = OK, body = Page<GenerationView>))
)]
pub(super) async fn list_generations(
    State(app): State<AppState>,
    user: CurrentUser,
    QueryOf(page): QueryOf<PageQuery>,
) -> ApiResult<Json<Page<GenerationView>>> {
    let limit = page.limit();
    let rows = app.store.generations(&user.id, page.cursor.as_deref(), limit).await?;
    let last = rows.last().filter(|_| rows.len() == limit as usize);
    let next_cursor = last.map(|row| row.id.to_string());
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        items.push(view(&app, row).await?);
    }
    Ok(Json(Page { items, next_cursor }))
}

/// One generation, with its job and its picture.
#[utoipa::path(
    get, path = "/api/generations/{id}", tag = "generation", params(("id" = String, Path)),
    responses((status = OK, body = GenerationView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn show_generation(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<GenerationId>,
) -> ApiResult<Json<GenerationView>> {
    match app.store.generation(&user.id, &id).await? {
        Some(row) => Ok(Json(view(&app, row).await?)),
        None => Err(ApiError::not_found("generation", id)),
    }
}

async fn view(app: &App, row: GenerationRow) -> ApiResult<GenerationView> {
    Ok(GenerationView {
        id: row.id,
        parameters: row.parameters,
        job: app.queue.newest(&row.job).await?,
        image: row.image.map(images::view),
        created_at_ms: row.created_at_ms,
    })
}

async fn choose_model(app: &App, request: &CreateGeneration) -> ApiResult<Checkpoint> {
    let mut models = models::installed(app).await?;
    let place = match &request.model {
        Some(id) => models.iter().position(|model| model.id == *id),
        None => (!models.is_empty()).then_some(0),
    };
    match (place, &request.model) {
        (Some(place), _) => Ok(models.swap_remove(place)),
        (None, Some(id)) => {
            let id: String = id.as_str().chars().filter(|c| !c.is_control()).take(80).collect();
            let names: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
            let hint = format!("choose one of: {}", names.join(", "));
            let fact = format!("the model `{id}` is not installed");
            Err(ApiError::new(ErrorCode::UnknownModel, fact, hint).at_field("model"))
        }
        (None, None) => Err(ApiError::new(
            ErrorCode::UnknownModel,
            "no model is installed",
            "put a model in diffusers layout into the folder `models` of the data folder",
        )
        .at_field("model")),
    }
}

/// Refuses a picture that the machine cannot hold, before anybody waits for it.
fn plan_memory(app: &App, model: &Checkpoint, request: &CreateGeneration) -> ApiResult<()> {
    let needed = model.memory_bytes(request.width, request.height);
    // A model that is in memory already is not needed twice.
    let held = app.queue.loaded_models().contains(&model.id);
    let there = if held { model.memory_bytes(0, 0) } else { 0 };
    let limit = app.config.memory_limit_bytes.unwrap_or_else(|| available_memory_bytes() + there);
    if needed <= limit {
        return Ok(());
    }
    let fact = format!(
        "a picture of {}x{} with `{}` needs about {} MB of memory, {} MB are free",
        request.width,
        request.height,
        model.id,
        needed >> 20,
        limit >> 20
    );
    let hint = format!("try {side}x{side}, or a smaller model", side = model.default_side);
    Err(ApiError::new(ErrorCode::NotEnoughMemory, fact, hint).at_field("width"))
}
