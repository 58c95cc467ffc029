//! `GET /api/health`: whether the server works, for scripts and supervisors.

use axum::Json;
use axum::extract::State;
use chapan_api::health::HealthView;

use super::{ApiResult, AppState};

/// Whether the server works. Needs no session.
#[utoipa::path(get, path = "/api/health", tag = "server", responses((status = OK, body = HealthView)))]
pub(super) async fn show_health(State(app): State<AppState>) -> ApiResult<Json<HealthView>> {
    let waiting = app.store.queue_order().await?.len() as u32;
    Ok(Json(HealthView { ok: true, version: env!("CARGO_PKG_VERSION").to_owned(), waiting }))
}
