//! `/api/generations`: ask for pictures, and see what was asked for.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chapan_api::error::ErrorBody;
use chapan_api::generation::{CreateGeneration, GenerationView};
use chapan_api::id::GenerationId;
use chapan_api::job::JobView;
use chapan_api::page::Page;
use serde::Deserialize;

use super::extract::{JsonBody, QueryOf};
use super::{ApiError, ApiResult, App, AppState, images, requests};
use crate::auth::CurrentUser;
use crate::ids;
use crate::store::{GenerationRow, NewRequest};

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

/// Ask for pictures. Answers at once with the job that makes them.
#[utoipa::path(
    post, path = "/api/generations", tag = "generation", request_body = CreateGeneration,
    responses(
        (status = ACCEPTED, body = JobView),
        (status = UNPROCESSABLE_ENTITY, description = "A field breaks its rule, or something that it names is not there", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many jobs wait already", body = ErrorBody),
        (status = INSUFFICIENT_STORAGE, description = "The picture needs more memory than there is", body = ErrorBody),
    )
)]
pub(super) async fn create_generation(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(request): JsonBody<CreateGeneration>,
) -> ApiResult<(StatusCode, Json<JobView>)> {
    let (model, parameters) = requests::complete(&app, &user.id, request).await?;
    let steps = parameters.planned_steps() * parameters.num_images_per_prompt;
    let id = GenerationId::new(ids::new_id(&*app.clock));
    let request = NewRequest::Generation { id, parameters: Box::new(parameters), reproduces: None };
    let job = requests::enqueue(&app, user.id, model.id, steps, request).await?;
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

/// One generation, with its job and its pictures.
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
    let images: Vec<_> = row.images.into_iter().map(images::view).collect();
    Ok(GenerationView {
        id: row.id,
        parameters: row.parameters,
        job: app.queue.newest(&row.job).await?,
        image: images.first().cloned(),
        images,
        created_at_ms: row.created_at_ms,
    })
}
