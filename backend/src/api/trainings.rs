//! `/api/trainings`: LoRAs that learn from datasets.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::{DatasetId, TrainingId};
use chapan_api::job::{JobStatus, JobView};
use chapan_api::page::Page;
use chapan_api::training::{
    CreateTraining, FindingCode, MakeWish, Preflight, Severity, TrainingView, TrainingWish,
};
use chapan_api::validation::{FieldError, Rule};

use super::extract::{JsonBody, QueryOf};
use super::generations::PageQuery;
use super::{ApiError, ApiResult, App, AppState, requests, run_files, run_log};
use crate::auth::CurrentUser;
use crate::hub::Checkpoint;
use crate::ids;
use crate::jobs::training::{
    Foreseen, KOHYA_FILE, LOG_FILE, LORA_FILE, Room, folder_of, foresee, steps_told,
};
use crate::jobs::{available_memory_bytes, model_memory};
use crate::store::{DatasetRow, HeldPicture, NewRequest, PictureRole, Recipe, Removed, TrainingRow};

/// Everything about a training that is about to be accepted.
pub(super) struct Planned {
    pub model: Checkpoint,
    pub parameters: CreateTraining,
    pub recipe: Recipe,
    pub pictures: Vec<HeldPicture>,
    pub preflight: Preflight,
}

impl Planned {
    /// Refuses what the preflight says cannot begin.
    pub fn check(&self) -> ApiResult<()> {
        let mut findings = self.preflight.findings.iter();
        let Some(fault) = findings.find(|finding| finding.severity == Severity::Error) else { return Ok(()) };
        let (code, field) = match fault.code {
            FindingCode::Memory => (ErrorCode::NotEnoughMemory, "resolution"),
            FindingCode::Disk => (ErrorCode::StorageFull, "max_train_steps"),
            _ => (ErrorCode::InvalidField, "dataset"),
        };
        let file =
            fault.file.as_ref().map_or_else(String::new, |file| format!("`{}`: ", requests::brief(file)));
        let fact = format!("{file}{}", fault.message);
        let hint = "look at the preflight, which names all that must change";
        Err(ApiError::new(code, fact, hint).at_field(field))
    }
}

/// Begin a training. Answers at once with its job; what the preflight would find is found here too.
#[utoipa::path(
    post, path = "/api/trainings", tag = "training", request_body = CreateTraining,
    responses(
        (status = ACCEPTED, body = JobView),
        (status = UNPROCESSABLE_ENTITY, description = "A field breaks its rule, or the pictures cannot be learnt", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many jobs wait already", body = ErrorBody),
        (status = INSUFFICIENT_STORAGE, description = "It needs more memory or space than there is", body = ErrorBody),
    )
)]
pub(super) async fn create_training(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(request): JsonBody<CreateTraining>,
) -> ApiResult<(StatusCode, Json<JobView>)> {
    let planned = plan(&app, &user, request).await?;
    planned.check()?;
    let Planned { model, parameters, recipe, pictures, preflight } = planned;
    let steps = parameters.max_train_steps.unwrap_or_default();
    let request = NewRequest::Training {
        id: TrainingId::new(ids::new_id(&*app.clock)),
        parameters: Box::new(parameters),
        recipe,
        preflight: Box::new(preflight),
        pictures,
    };
    let job = requests::enqueue(&app, user.id, model.id, steps, request).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// What a training would be: findings, sizes, memory, space, and time where trainings before tell it. Nothing begins.
#[utoipa::path(
    post, path = "/api/trainings/preflight", tag = "training", request_body = CreateTraining,
    responses((status = OK, body = Preflight), (status = UNPROCESSABLE_ENTITY, body = ErrorBody))
)]
pub(super) async fn preflight_training(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(request): JsonBody<CreateTraining>,
) -> ApiResult<Json<Preflight>> {
    Ok(Json(plan(&app, &user, request).await?.preflight))
}

/// The caller's trainings, newest first.
#[utoipa::path(
    get, path = "/api/trainings", tag = "training", params(PageQuery),
    responses((status = OK, body = Page<TrainingView>))
)]
pub(super) async fn list_trainings(
    State(app): State<AppState>,
    user: CurrentUser,
    QueryOf(page): QueryOf<PageQuery>,
) -> ApiResult<Json<Page<TrainingView>>> {
    let limit = page.limit();
    let rows = app.store.trainings(&user.id, page.cursor.as_deref(), limit).await?;
    let last = rows.last().filter(|_| rows.len() == limit as usize);
    let next_cursor = last.map(|row| row.id.to_string());
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        items.push(view(&app, row).await?);
    }
    Ok(Json(Page { items, next_cursor }))
}

/// One training.
#[utoipa::path(
    get, path = "/api/trainings/{id}", tag = "training", params(("id" = String, Path)),
    responses((status = OK, body = TrainingView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn show_training(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<TrainingId>,
) -> ApiResult<Json<TrainingView>> {
    Ok(Json(view(&app, own_training(&app, &user, &id).await?).await?))
}

/// Ask for samples or a checkpoint after the step that is being done, let the training rest, or go on. One that failed goes on
/// from its last checkpoint.
#[utoipa::path(
    post, path = "/api/trainings/{id}/wish", tag = "training", params(("id" = String, Path)), request_body = MakeWish,
    responses(
        (status = ACCEPTED, body = TrainingView), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "It has ended", body = ErrorBody)
    )
)]
pub(super) async fn make_wish(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<TrainingId>,
    JsonBody(MakeWish { wish }): JsonBody<MakeWish>,
) -> ApiResult<(StatusCode, Json<TrainingView>)> {
    let row = own_training(&app, &user, &id).await?;
    let job = &row.job.id;
    let live = !row.job.status.is_final();
    let granted = match wish {
        TrainingWish::Pause => app.queue.pause(&user.id, job).await? == Some(true),
        TrainingWish::Resume => app.queue.resume(&user.id, job).await? == Some(true),
        TrainingWish::Sample if live => {
            app.queue.wish_for_samples(job);
            true
        }
        TrainingWish::Save if live => {
            app.queue.wish_for_checkpoint(job);
            true
        }
        TrainingWish::Sample | TrainingWish::Save => false,
    };
    if !granted {
        let hint = "begin another training";
        return Err(ApiError::new(ErrorCode::Conflict, "the training has ended", hint));
    }
    Ok((StatusCode::ACCEPTED, show_training(State(app), user, Path(id)).await?))
}

/// Remove a training with its files. Its LoRA stays. Not while it waits or runs; one that rests is cancelled.
#[utoipa::path(
    delete, path = "/api/trainings/{id}", tag = "training", params(("id" = String, Path)),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody), (status = CONFLICT, body = ErrorBody))
)]
pub(super) async fn delete_training(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<TrainingId>,
) -> ApiResult<StatusCode> {
    let job = own_training(&app, &user, &id).await?.job;
    match app.store.remove_training(&user.id, &id).await? {
        None => Err(ApiError::not_found("training", id)),
        Some(Removed::Busy) => {
            let hint = "cancel or pause it first";
            Err(ApiError::new(ErrorCode::Conflict, "the training waits or runs", hint))
        }
        Some(Removed::Done) => {
            app.queue.ended_elsewhere(&job.owner, &job.id).await?;
            let folder = folder_of(&app.config.data_dir, &id);
            run_files::remove(folder).await?;
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

/// Follow what a training tells, from its first event: each is a `TrainingEvent`, its id the number of its line. An event `end`
/// follows the last when its job has ended. `started` with a step says that what came after that step before is void.
#[utoipa::path(
    get, path = "/api/trainings/{id}/events", tag = "training",
    params(
        ("id" = String, Path),
        ("last-event-id" = Option<u64>, Header, description = "Number of the last event that was read")
    ),
    responses(
        (status = OK, description = "A stream of TrainingEvent", content_type = "text/event-stream", body = chapan_api::training::TrainingEvent),
        (status = NOT_FOUND, body = ErrorBody)
    )
)]
pub(super) async fn follow_training(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<TrainingId>,
    headers: axum::http::HeaderMap,
) -> ApiResult<run_log::Followed> {
    let row = own_training(&app, &user, &id).await?;
    let log = folder_of(&app.config.data_dir, &id).join(LOG_FILE);
    Ok(run_log::follow(app, &row.job, log, run_log::last_event_id(&headers)))
}

/// A file of a training: `samples/step-000050-0.png`, `lora.safetensors` in PEFT's names, `lora_kohya.safetensors`.
#[utoipa::path(
    get, path = "/api/trainings/{id}/files/{*path}", tag = "training",
    params(("id" = String, Path), ("path" = String, Path)),
    responses(
        (status = OK, description = "The file", content_type = "application/octet-stream"),
        (status = NOT_FOUND, body = ErrorBody)
    )
)]
pub(super) async fn show_training_file(
    State(app): State<AppState>,
    user: CurrentUser,
    Path((id, path)): Path<(TrainingId, String)>,
) -> ApiResult<axum::response::Response> {
    let row = own_training(&app, &user, &id).await?;
    let folder = folder_of(&app.config.data_dir, &id);
    let name = row.lora.as_ref().map_or_else(|| id.to_string(), ToString::to_string);
    let (file, shown) = match path.as_str() {
        LORA_FILE => (folder.join(LORA_FILE), run_files::Shown::Download(format!("{name}.safetensors"))),
        KOHYA_FILE => {
            (folder.join(KOHYA_FILE), run_files::Shown::Download(format!("{name}-kohya.safetensors")))
        }
        other => match other.strip_prefix("samples/").filter(|name| is_sample(name)) {
            Some(name) => (folder.join("samples").join(name), run_files::Shown::Png),
            None => return Err(ApiError::not_found("file", requests::brief(other))),
        },
    };
    run_files::send(file, &path, shown).await
}

/// Whether a name is `step-` and digits, a dash, a digit, `.png`.
fn is_sample(name: &str) -> bool {
    let numbers = name.strip_prefix("step-").and_then(|rest| rest.strip_suffix(".png")?.split_once('-'));
    let is_number = |text: &str| (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    numbers.is_some_and(|(step, index)| is_number(step) && is_number(index))
}

async fn own_training(app: &App, user: &CurrentUser, id: &TrainingId) -> ApiResult<TrainingRow> {
    let found = app.store.training(&user.id, id).await?;
    found.ok_or_else(|| ApiError::not_found("training", id))
}

/// Fills a request in, gathers its pictures, and looks what it would be.
pub(super) async fn plan(app: &App, user: &CurrentUser, request: CreateTraining) -> ApiResult<Planned> {
    request.validate().map_err(ApiError::invalid)?;
    let model = requests::choose_model(app, request.model.as_ref()).await?;
    if model.inpainting {
        let fact = format!("the model `{}` is made for inpainting and cannot be trained", model.id);
        let hint = "train on the model that it was made of";
        return Err(ApiError::new(ErrorCode::InvalidField, fact, hint).at_field("model"));
    }
    let dataset = named_dataset(app, user, "dataset", &request.dataset).await?;
    let class = match &request.prior {
        Some(prior) => Some(named_dataset(app, user, "prior.dataset", &prior.dataset).await?),
        None => None,
    };
    let drawn = || ids::random_u64() & chapan_api::generation::limits::MAX_SEED;
    let parameters = CreateTraining {
        model: Some(model.id.clone()),
        seed: Some(request.seed.unwrap_or_else(drawn)),
        name: request.name.trim().to_owned(),
        ..request.filled(model.default_side)
    };
    // Once more: what was filled in has ranges too, such as a warm-up within the model's usual steps.
    parameters.validate().map_err(ApiError::invalid)?;
    let recipe = Recipe {
        pictures: dataset.name.clone(),
        trigger_word: dataset.trigger_word.clone(),
        class_prompt: class.as_ref().and_then(|class| class.trigger_word.clone()),
    };
    let (known, pictures) = gathered(&dataset, class.as_ref());
    let room = room(app, &model);
    let times = app.store.step_times(&model.id).await?;
    let (checkpoint, wanted, told) = (model.clone(), parameters.clone(), recipe.clone());
    let foreseen =
        tokio::task::spawn_blocking(move || foresee(&checkpoint, &wanted, &told, &known, &room, &times));
    let preflight = foreseen.await.map_err(ApiError::internal)?.map_err(|error| {
        let text = error.to_string();
        let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "change the settings"));
        let field = if text.contains("template") { "caption_template" } else { "resolution" };
        ApiError::new(ErrorCode::InvalidField, fact, hint).at_field(field)
    })?;
    Ok(Planned { model, parameters, recipe, pictures, preflight })
}

async fn named_dataset(app: &App, user: &CurrentUser, field: &str, id: &DatasetId) -> ApiResult<DatasetRow> {
    let found = app.store.dataset(&user.id, id).await?;
    found.ok_or_else(|| {
        let rule = Rule::Absent { got: requests::brief(id.as_str()) };
        ApiError::invalid(vec![FieldError::new(field, rule)])
    })
}

/// The pictures of a training: as the preflight looks at them, and as they are held.
fn gathered(dataset: &DatasetRow, class: Option<&DatasetRow>) -> (Vec<Foreseen>, Vec<HeldPicture>) {
    let (mut known, mut held) = (Vec::new(), Vec::new());
    let of_class =
        class.into_iter().flat_map(|class| &class.pictures).map(|picture| (PictureRole::Class, picture));
    let own = dataset.pictures.iter().map(|picture| {
        (if picture.held_out { PictureRole::HeldOut } else { PictureRole::Reference }, picture)
    });
    for (role, picture) in own.chain(of_class) {
        // What people wrote, then what was seen.
        let seen = picture.analysis.as_ref().map(|seen| seen.caption.as_str());
        let caption = Some(picture.caption.as_str()).filter(|text| !text.is_empty()).or(seen);
        let caption = caption.filter(|text| !text.is_empty()).map(str::to_owned);
        known.push(Foreseen {
            role,
            name: picture.name.clone(),
            size: (picture.width, picture.height),
            caption: caption.clone(),
            sha256: picture.sha256.clone(),
        });
        held.push(HeldPicture { role, sha256: picture.sha256.clone(), caption });
    }
    (known, held)
}

/// What the machine has.
fn room(app: &App, model: &Checkpoint) -> Room {
    let held = app.queue.loaded_models().contains(&model.id);
    let weights = if held { 0 } else { model_memory(model) };
    Room {
        memory_free: app.config.memory_limit_bytes.unwrap_or_else(available_memory_bytes),
        weights,
        disk_free: fs4::available_space(&app.config.data_dir).ok(),
        on_cpu: !app.config.device.starts_with("cuda") && !app.config.device.starts_with("metal"),
    }
}

async fn view(app: &App, mut row: TrainingRow) -> ApiResult<TrainingView> {
    let log = folder_of(&app.config.data_dir, &row.id).join(LOG_FILE);
    let told = tokio::task::spawn_blocking(move || steps_told(&log)).await.map_err(ApiError::internal)?;
    let told = told.map_err(ApiError::internal)?;
    let job = app.queue.newest(&row.job).await?;
    // It ended since the row was read: what came of it was written together with its end.
    if job.status == JobStatus::Succeeded
        && row.lora.is_none()
        && let Some(newer) = app.store.training(&row.job.owner, &row.id).await?
    {
        row = newer;
    }
    Ok(TrainingView {
        paused: row.rests() && !job.status.is_final(),
        job,
        lora: row.lora,
        last_step: told.last_step,
        max_train_steps: u64::from(row.parameters.max_train_steps.unwrap_or_default()),
        loss: told.loss,
        id: row.id,
        name: row.name,
        dataset: row.dataset,
        parameters: Box::new(row.parameters),
        preflight: Box::new(row.preflight),
        created_at_ms: row.created_at_ms,
    })
}
