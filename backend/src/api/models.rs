//! `GET /api/models`: what is installed.

use axum::Json;
use axum::extract::State;
use chapan_api::id::ModelId;
use chapan_api::model::ModelView;

use super::{ApiError, ApiResult, App, AppState};
use crate::auth::CurrentUser;
use crate::hub::Checkpoint;

/// The installed models; the first one is used when a request names none.
#[utoipa::path(get, path = "/api/models", tag = "model", responses((status = OK, body = Vec<ModelView>)))]
pub(super) async fn list_models(
    State(app): State<AppState>,
    _user: CurrentUser,
) -> ApiResult<Json<Vec<ModelView>>> {
    let loaded = app.queue.loaded_models();
    let models = installed(&app).await?;
    Ok(Json(models.into_iter().map(|model| view(model, &loaded)).collect()))
}

/// Looks into the folders, away from the threads that answer requests.
pub(super) async fn installed(app: &App) -> ApiResult<Vec<Checkpoint>> {
    let catalog = app.catalog.clone();
    tokio::task::spawn_blocking(move || catalog.models()).await.map_err(ApiError::internal)
}

fn view(model: Checkpoint, loaded: &[ModelId]) -> ModelView {
    ModelView {
        memory_bytes: model.memory_bytes(model.default_side, model.default_side),
        loaded: loaded.contains(&model.id),
        id: model.id,
        family: model.family,
        size_bytes: model.size_bytes,
        sha256: None,
        precision: model.precision,
        license: model.license,
        default_side: model.default_side,
        default_scheduler: model.default_scheduler,
    }
}
