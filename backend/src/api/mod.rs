//! HTTP: one module per noun, one function per verb; each answers at once and leaves the work to the queue.
//!
//! The layers, from the outside: request id and log, panic guard, headers and cross-site guard, body limit, session. This
//! room knows of no SQL and of no engine.

mod competitions;
mod datasets;
mod docs;
mod downloads;
mod error;
mod extract;
mod folders;
mod gallery;
mod generations;
mod grids;
mod health;
mod images;
mod job_events;
mod jobs;
mod lessons;
mod models;
mod reproductions;
mod request_log;
mod requests;
mod run_files;
mod run_log;
mod security;
mod static_files;
mod steps;
mod trainings;
mod uploads;
mod upscales;
mod users;
mod votes;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use chapan_api::error::ErrorCode;
use tokio::sync::{Semaphore, watch};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth;
use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::events::Events;
use crate::files::Blobs;
use crate::hub::Catalog;
use crate::jobs::{Downloads, Queue};
use crate::store::Store;

pub use datasets::ARCHIVE_PREFIX;
pub use error::{ApiError, ApiResult};
pub use request_log::REQUEST_ID;
pub use uploads::DECODED_AT_ONCE;

/// The largest body that a route takes.
pub const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// What handlers work with.
pub struct App {
    /// What the server was told.
    pub config: ServerConfig,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Rows.
    pub store: Store,
    /// Files.
    pub blobs: Blobs,
    /// Models.
    pub catalog: Catalog,
    /// Live jobs.
    pub events: Arc<Events>,
    /// The way to the workers.
    pub queue: Arc<Queue>,
    /// Turns for decoding what people bring.
    pub decoders: Arc<Semaphore>,
    /// Models on their way here.
    pub downloads: Arc<Downloads>,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// Shared by all handlers.
pub type AppState = Arc<App>;

/// The description of the interface, filled in from the handlers.
#[derive(OpenApi)]
#[openapi(info(
    title = "Chapan",
    description = "The studio for visual AI. Work is accepted with 202 and a job; failures have one shape: ErrorBody."
))]
struct Description;

/// All routes of the server.
pub fn router(app: AppState) -> Router {
    let (routes, description) = described_routes().split_for_parts();
    routes
        .merge(docs::routes(&description))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(auth::session_layer(app.store.clone()))
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .fallback(static_files::serve)
        .layer(from_fn(security::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), request_log::with_request_id))
        .with_state(app)
}

/// The routes with their descriptions; the test of permissions reads them too.
fn described_routes() -> OpenApiRouter<AppState> {
    // The routes that take more than a few words.
    let uploads = OpenApiRouter::new()
        .routes(routes!(uploads::upload_image))
        .layer(DefaultBodyLimit::max(chapan_api::image::limits::UPLOAD_BYTES));
    let archives = OpenApiRouter::new()
        .routes(routes!(datasets::upload_archive))
        .layer(DefaultBodyLimit::max(chapan_api::dataset::limits::ARCHIVE_BYTES));
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(uploads)
        .merge(archives)
        .routes(routes!(health::show_health))
        .routes(routes!(users::show_me))
        .routes(routes!(models::list_models))
        .routes(routes!(models::list_loras))
        .routes(routes!(models::delete_lora))
        .routes(routes!(downloads::list_downloads, downloads::create_download))
        .routes(routes!(downloads::stop_download))
        .routes(routes!(downloads::delete_download))
        .routes(routes!(models::list_files))
        .routes(routes!(models::show_model_file))
        .routes(routes!(generations::create_generation, generations::list_generations))
        .routes(routes!(generations::show_generation))
        .routes(routes!(jobs::list_jobs))
        .routes(routes!(jobs::show_job))
        .routes(routes!(jobs::cancel_job))
        .routes(routes!(job_events::follow_job))
        .routes(routes!(steps::show_steps))
        .routes(routes!(grids::create_grid))
        .routes(routes!(grids::show_grid))
        .routes(routes!(upscales::create_upscale))
        .routes(routes!(upscales::show_upscale))
        .routes(routes!(upscales::list_upscalers))
        .routes(routes!(images::list_images))
        .routes(routes!(gallery::change_images))
        .routes(routes!(gallery::fetch_images))
        .routes(routes!(gallery::empty_trash))
        .routes(routes!(images::show_image, images::delete_image))
        .routes(routes!(images::restore_image))
        .routes(routes!(images::show_file))
        .routes(routes!(reproductions::reproduce_image))
        .routes(routes!(reproductions::show_reproduction))
        .routes(routes!(folders::list_folders, folders::create_folder))
        .routes(routes!(folders::rename_folder, folders::delete_folder))
        .routes(routes!(datasets::create_dataset, datasets::list_datasets))
        .routes(routes!(datasets::create_example))
        .routes(routes!(datasets::show_dataset, datasets::update_dataset, datasets::delete_dataset))
        .routes(routes!(datasets::add_images))
        .routes(routes!(datasets::remove_image))
        .routes(routes!(datasets::analyse_dataset))
        .routes(routes!(trainings::create_training, trainings::list_trainings))
        .routes(routes!(trainings::preflight_training))
        .routes(routes!(trainings::show_training, trainings::delete_training))
        .routes(routes!(trainings::make_wish))
        .routes(routes!(trainings::follow_training))
        .routes(routes!(trainings::show_training_file))
        .routes(routes!(competitions::create_competition, competitions::list_competitions))
        .routes(routes!(competitions::show_competition, competitions::delete_competition))
        .routes(routes!(competitions::follow_competition))
        .routes(routes!(competitions::show_competition_file))
        .routes(routes!(competitions::fetch_competition))
        .routes(routes!(competitions::take_lora))
        .routes(routes!(votes::show_ballot))
        .routes(routes!(votes::show_ballot_picture))
        .routes(routes!(votes::create_vote))
        .routes(routes!(lessons::show_progress))
        .routes(routes!(lessons::finish_step))
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        ErrorCode::MethodNotAllowed,
        "the route does not know this method",
        "compare it with the description at /api/docs",
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    ApiError::internal(format!("a handler panicked: {text}")).into_response()
}
