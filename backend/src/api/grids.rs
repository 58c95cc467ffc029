//! `/api/grids`: one request drawn with one, two or three parameters changed, and a labelled sheet of all.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chapan_api::error::ErrorBody;
use chapan_api::generation::CreateGeneration;
use chapan_api::grid::{CreateGrid, GridView};
use chapan_api::id::GridId;
use chapan_api::image::ImageKind;
use chapan_api::job::JobView;
use chapan_api::validation::{FieldError, Rule};

use super::extract::JsonBody;
use super::{ApiError, ApiResult, AppState, images, requests};
use crate::auth::CurrentUser;
use crate::ids;
use crate::store::NewRequest;

/// Ask for a grid. Answers at once with the job that makes all of it.
#[utoipa::path(
    post, path = "/api/grids", tag = "grid", request_body = CreateGrid,
    responses(
        (status = ACCEPTED, body = JobView),
        (status = UNPROCESSABLE_ENTITY, description = "A field breaks its rule, or something that it names is not there", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many jobs wait already", body = ErrorBody),
        (status = INSUFFICIENT_STORAGE, description = "A picture needs more memory than there is", body = ErrorBody),
    )
)]
pub(super) async fn create_grid(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(request): JsonBody<CreateGrid>,
) -> ApiResult<(StatusCode, Json<JobView>)> {
    request.validate().map_err(ApiError::invalid)?;
    if request.base.keep_steps {
        let rule = Rule::Excludes { other: "x".to_owned() };
        return Err(ApiError::invalid(vec![FieldError::new("base.keep_steps", rule)]));
    }
    let (model, base) = requests::complete(&app, &user.id, request.base.clone()).await?;
    // Tags of LoRAs stay in the prompt, where an axis may replace them; each place takes its own.
    let base = CreateGeneration { prompt: request.base.prompt, loras: request.base.loras, ..base };
    let parameters = CreateGrid { base, ..request };
    let cells = parameters.cells().map_err(ApiError::invalid)?;
    let mut asked = Vec::new();
    for cell in &cells {
        // Each model, size and set of LoRAs is asked about once; a cell that differs in other things needs no more.
        let CreateGeneration { model, prompt, .. } = &cell.request;
        let what = (model, cell.request.result_size(), prompt.contains('<').then_some(prompt));
        if !asked.contains(&what) {
            requests::complete(&app, &user.id, cell.request.clone()).await?;
            asked.push(what);
        }
    }
    let steps = cells.iter().map(|cell| cell.request.planned_steps()).sum();
    let id = GridId::new(ids::new_id(&*app.clock));
    let request = NewRequest::Grid { id, parameters: Box::new(parameters) };
    let job = requests::enqueue(&app, user.id, model.id, steps, request).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// One grid, with its job, its sheet and its pictures.
#[utoipa::path(
    get, path = "/api/grids/{id}", tag = "grid", params(("id" = String, Path)),
    responses((status = OK, body = GridView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn show_grid(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<GridId>,
) -> ApiResult<Json<GridView>> {
    let row = app.store.grid(&user.id, &id).await?;
    let row = row.ok_or_else(|| ApiError::not_found("grid", id))?;
    let (sheets, singles): (Vec<_>, Vec<_>) =
        row.images.into_iter().map(images::view).partition(|image| image.kind == ImageKind::Grid);
    Ok(Json(GridView {
        id: row.id,
        parameters: row.parameters,
        job: app.queue.newest(&row.job).await?,
        sheet: sheets.into_iter().next(),
        images: singles,
        created_at_ms: row.created_at_ms,
    }))
}
