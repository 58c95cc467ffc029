//! `/api/competitions`: rounds of training, drawing and scoring against others.

use std::path::{Path as FilePath, PathBuf};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chapan_api::competition::{
    CompetitionEvent, CompetitionStage, CompetitionView, CreateCompetition, TakeLora,
};
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::CompetitionId;
use chapan_api::job::JobView;
use chapan_api::model::LoraView;
use chapan_api::page::Page;
use chapan_api::training::CreateTraining;
use chapan_api::validation::{Checker, FieldError, Rule};
use futures_util::stream::unfold;
use serde::de::DeserializeOwned;

use super::extract::{JsonBody, QueryOf};
use super::generations::PageQuery;
use super::{ApiError, ApiResult, App, AppState, models, requests, run_files, run_log, trainings, votes};
use crate::auth::CurrentUser;
use crate::files::Archive;
use crate::ids;
use crate::jobs::competition::{FirstSettings, ROUND_STEPS, feedback_of, folder_of, lora_of, report_of};
use crate::jobs::installed_loras;
use crate::store::{CompetitionRow, HeldPicture, NewRequest, PictureRole, Removed};

/// Begin a competition. Answers at once with its job; what a round's training would lack is found here.
#[utoipa::path(
    post, path = "/api/competitions", tag = "competition", request_body = CreateCompetition,
    responses(
        (status = ACCEPTED, body = JobView),
        (status = UNPROCESSABLE_ENTITY, description = "A field breaks its rule, or the pictures cannot be learnt", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many jobs wait already", body = ErrorBody),
        (status = INSUFFICIENT_STORAGE, description = "It needs more memory or space than there is", body = ErrorBody),
    )
)]
pub(super) async fn create_competition(
    State(app): State<AppState>,
    user: CurrentUser,
    JsonBody(request): JsonBody<CreateCompetition>,
) -> ApiResult<(StatusCode, Json<JobView>)> {
    request.validate().map_err(ApiError::invalid)?;
    let planned = trainings::plan(&app, &user, first_training(&request)).await?;
    planned.check()?;
    if planned.pictures.iter().all(|picture| picture.role != PictureRole::Reference) {
        return Err(ApiError::invalid(vec![FieldError::new("dataset", Rule::Required)]));
    }
    let contestants = contestants(&app, &user, &request, &planned.model.family).await?;
    let settings = request.settings.clone().map_or_else(FirstSettings::default, FirstSettings::from);
    let parameters = CreateCompetition {
        model: Some(planned.model.id.clone()),
        name: request.name.trim().to_owned(),
        seed: Some(request.seed.unwrap_or(1)),
        settings: Some(settings.complete(planned.model.default_side as usize)),
        weights: Some(request.weights.unwrap_or_default()),
        num_inference_steps: Some(request.num_inference_steps.unwrap_or(20)),
        guidance_scale: Some(request.guidance_scale.unwrap_or(5.0)),
        ..request
    };
    let steps = parameters.iterations * ROUND_STEPS;
    let request = NewRequest::Competition {
        id: CompetitionId::new(ids::new_id(&*app.clock)),
        parameters: Box::new(parameters),
        trigger_word: planned.recipe.trigger_word,
        pictures: planned.pictures,
        contestants,
    };
    let job = requests::enqueue(&app, user.id, planned.model.id, steps, request).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// The caller's competitions, newest first; without analyses, reports and feedback.
#[utoipa::path(
    get, path = "/api/competitions", tag = "competition", params(PageQuery),
    responses((status = OK, body = Page<CompetitionView>))
)]
pub(super) async fn list_competitions(
    State(app): State<AppState>,
    user: CurrentUser,
    QueryOf(page): QueryOf<PageQuery>,
) -> ApiResult<Json<Page<CompetitionView>>> {
    let limit = page.limit();
    let rows = app.store.competitions(&user.id, page.cursor.as_deref(), limit).await?;
    let last = rows.last().filter(|_| rows.len() == limit as usize);
    let next_cursor = last.map(|row| row.id.to_string());
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let view = view(&app, row).await?;
        items.push(CompetitionView { analysis: None, reports: Vec::new(), feedback: Vec::new(), ..view });
    }
    Ok(Json(Page { items, next_cursor }))
}

/// One competition, with all that it has found so far.
#[utoipa::path(
    get, path = "/api/competitions/{id}", tag = "competition", params(("id" = String, Path)),
    responses((status = OK, body = CompetitionView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn show_competition(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<CompetitionId>,
) -> ApiResult<Json<CompetitionView>> {
    Ok(Json(view(&app, own_competition(&app, &user, &id).await?).await?))
}

/// Remove a competition with its files and votes. LoRAs that were taken over stay. Not while it waits or runs.
#[utoipa::path(
    delete, path = "/api/competitions/{id}", tag = "competition", params(("id" = String, Path)),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody), (status = CONFLICT, body = ErrorBody))
)]
pub(super) async fn delete_competition(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<CompetitionId>,
) -> ApiResult<StatusCode> {
    match app.store.remove_competition(&user.id, &id).await? {
        None => Err(ApiError::not_found("competition", id)),
        Some(Removed::Busy) => {
            Err(ApiError::new(ErrorCode::Conflict, "the competition waits or runs", "cancel it first"))
        }
        Some(Removed::Done) => {
            run_files::remove(folder_of(&app.config.data_dir, &id)).await?;
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

/// Follow what a competition tells, from its first event: each is a `CompetitionEvent`, its id the number of its line. An event
/// `end` without data follows the last when its job has ended.
#[utoipa::path(
    get, path = "/api/competitions/{id}/events", tag = "competition",
    params(
        ("id" = String, Path),
        ("last-event-id" = Option<u64>, Header, description = "Number of the last event that was read")
    ),
    responses(
        (status = OK, description = "A stream of CompetitionEvent", content_type = "text/event-stream", body = CompetitionEvent),
        (status = NOT_FOUND, body = ErrorBody)
    )
)]
pub(super) async fn follow_competition(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<CompetitionId>,
    headers: HeaderMap,
) -> ApiResult<run_log::Followed> {
    let row = own_competition(&app, &user, &id).await?;
    let log = folder_of(&app.config.data_dir, &id).join(LOG);
    Ok(run_log::follow(app, &row.job, log, run_log::last_event_id(&headers)))
}

/// A file of a competition: pictures, `report.html`, reports, feedback, LoRAs, the references under `inputs/`.
#[utoipa::path(
    get, path = "/api/competitions/{id}/files/{*path}", tag = "competition",
    params(("id" = String, Path), ("path" = String, Path)),
    responses(
        (status = OK, description = "The file", content_type = "application/octet-stream"),
        (status = NOT_FOUND, body = ErrorBody)
    )
)]
pub(super) async fn show_competition_file(
    State(app): State<AppState>,
    user: CurrentUser,
    Path((id, path)): Path<(CompetitionId, String)>,
) -> ApiResult<Response> {
    let row = own_competition(&app, &user, &id).await?;
    let absent = || ApiError::not_found("file", requests::brief(&path));
    let inside = safe(&path).ok_or_else(absent)?;
    let name = inside.file_name().unwrap_or_default().to_string_lossy();
    let shown = match inside.extension().and_then(|ending| ending.to_str()) {
        Some("png") => run_files::Shown::Png,
        Some("html") => run_files::Shown::Page,
        Some("json") => run_files::Shown::Text("application/json"),
        Some("jsonl" | "txt") => run_files::Shown::Text("text/plain; charset=utf-8"),
        Some("safetensors") => run_files::Shown::Download(format!("{}-{name}", row.name)),
        _ => return Err(absent()),
    };
    run_files::send(folder_of(&app.config.data_dir, &id).join(inside), &path, shown).await
}

/// Everything that a competition keeps, as one ZIP file; without the checkpoints that its trainings go on from.
#[utoipa::path(
    get, path = "/api/competitions/{id}/archive", tag = "competition", params(("id" = String, Path)),
    responses(
        (status = OK, description = "The ZIP file", content_type = "application/zip"),
        (status = NOT_FOUND, body = ErrorBody)
    )
)]
pub(super) async fn fetch_competition(
    State(app): State<AppState>,
    user: CurrentUser,
    Path(id): Path<CompetitionId>,
) -> ApiResult<Response> {
    own_competition(&app, &user, &id).await?;
    let folder = folder_of(&app.config.data_dir, &id);
    let (root, mut names) = (folder.clone(), Vec::new());
    let listed = tokio::task::spawn_blocking(move || list(&root, &mut names).map(|()| names)).await;
    let mut names = listed.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    names.sort();
    let parts = Parts { folder, names: names.into_iter(), archive: Some(Archive::default()), file: None };
    let parts = unfold(Some(parts), |parts| async move {
        let mut parts = parts?;
        match parts.next().await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(parts))),
            Ok(None) => None,
            // The stream breaks off: the reader sees that the archive is not whole.
            Err(error) => Some((Err(error), None)),
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"competition.zip\""),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

/// Take the LoRA of a finished round over, into one's own LoRAs.
#[utoipa::path(
    post, path = "/api/competitions/{id}/rounds/{round}/lora", tag = "competition", request_body = TakeLora,
    params(("id" = String, Path), ("round" = u32, Path)),
    responses((status = CREATED, body = LoraView), (status = NOT_FOUND, body = ErrorBody))
)]
pub(super) async fn take_lora(
    State(app): State<AppState>,
    user: CurrentUser,
    Path((id, round)): Path<(CompetitionId, u32)>,
    JsonBody(TakeLora { name }): JsonBody<TakeLora>,
) -> ApiResult<(StatusCode, Json<LoraView>)> {
    let mut check = Checker::new();
    if name.trim().is_empty() {
        check.fault("name", Rule::Required);
    }
    check.text("name", &name, chapan_api::competition::limits::NAME_CHARS);
    check.finish().map_err(ApiError::invalid)?;
    own_competition(&app, &user, &id).await?;
    let folder = folder_of(&app.config.data_dir, &id);
    let lora = folder.join(lora_of(round));
    if !folder.join(feedback_of(round)).is_file() || !lora.is_file() {
        return Err(ApiError::not_found("finished round", round));
    }
    let catalog = app.catalog.clone();
    let taken = tokio::task::spawn_blocking(move || {
        let kept = catalog.keep_lora(&user.id, &name, &lora)?;
        let own = installed_loras(&catalog.of(&user.id));
        Ok::<_, std::io::Error>(own.into_iter().find(|lora| lora.id == kept))
    });
    let taken = taken.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let view = taken.ok_or_else(|| ApiError::internal("a LoRA that was kept is not listed"))?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// What a competition told, one event a line.
const LOG: &str = "events.jsonl";

/// A competition of the caller's.
pub(super) async fn own_competition(
    app: &App,
    user: &CurrentUser,
    id: &CompetitionId,
) -> ApiResult<CompetitionRow> {
    let found = app.store.competition(&user.id, id).await?;
    found.ok_or_else(|| ApiError::not_found("competition", id))
}

/// The training of the first round, as far as it is known: what it would lack is found before anybody waits.
fn first_training(request: &CreateCompetition) -> CreateTraining {
    let settings = request.settings.as_ref();
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    CreateTraining {
        model: request.model.clone(),
        max_train_steps: settings.map(|settings| number(settings.max_train_steps)),
        learning_rate: settings.map(|settings| settings.learning_rate),
        rank: settings.map(|settings| number(settings.rank)),
        sample_every: Some(0),
        seed: Some(0),
        ..CreateTraining::new(request.dataset.clone(), request.name.clone())
    }
}

/// The contestants from elsewhere: LoRAs that are installed, and pictures of one's own, which are held from now on.
async fn contestants(
    app: &App,
    user: &CurrentUser,
    request: &CreateCompetition,
    family: &str,
) -> ApiResult<Vec<Vec<HeldPicture>>> {
    let mut held = Vec::with_capacity(request.contestants.len());
    for (index, one) in request.contestants.iter().enumerate() {
        let mut pictures = Vec::new();
        if let Some(wanted) = &one.lora {
            let field = format!("contestants[{index}].lora");
            let installed = models::installed_loras(app, &user.id).await?;
            let found = installed.into_iter().find(|lora| lora.id == *wanted);
            let name = requests::brief(wanted.as_str());
            let (fact, hint) = match found {
                None => (format!("the LoRA `{name}` is not installed"), "choose one from your list"),
                Some(LoraView { fault: Some(fault), .. }) => {
                    (format!("the LoRA `{name}` cannot be used: {fault}"), "choose another")
                }
                Some(LoraView { family: Some(made_for), .. }) if made_for != family => (
                    format!("the LoRA `{name}` was made for {made_for}"),
                    "choose one that was made for this model",
                ),
                Some(_) => {
                    held.push(pictures);
                    continue;
                }
            };
            return Err(ApiError::new(ErrorCode::UnknownModel, fact, hint).at_field(field));
        }
        for (place, image) in one.images.iter().flatten().enumerate() {
            let field = format!("contestants[{index}].images[{place}]");
            let row = requests::own_image(app, &user.id, &field, image).await?;
            pictures.push(HeldPicture { role: PictureRole::Reference, sha256: row.sha256, caption: None });
        }
        held.push(pictures);
    }
    Ok(held)
}

/// A path within the folder that cannot lead out of it: plain names, none of them hidden.
fn safe(path: &str) -> Option<PathBuf> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let is_name = |name: &str| {
        !name.is_empty() && name.len() <= 300 && !name.starts_with('.') && name.chars().all(plain)
    };
    let names: Vec<&str> = path.split('/').collect();
    (names.len() <= 5 && names.iter().all(|name| is_name(name))).then(|| names.iter().collect())
}

/// What was found so far, read from the folder.
async fn view(app: &App, row: CompetitionRow) -> ApiResult<CompetitionView> {
    let folder = folder_of(&app.config.data_dir, &row.id);
    let iterations = row.parameters.iterations;
    let read = tokio::task::spawn_blocking(move || Found::read(&folder, iterations)).await;
    let found = read.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    Ok(CompetitionView {
        job: app.queue.newest(&row.job).await?,
        votes: votes::tallies(app, &row.id).await?,
        id: row.id,
        name: row.name,
        dataset: row.dataset,
        parameters: row.parameters,
        round: found.round,
        stage: found.stage,
        analysis: found.analysis,
        history: found.history,
        reports: found.reports,
        feedback: found.feedback,
        created_at_ms: row.created_at_ms,
    })
}

struct Found {
    round: u32,
    stage: CompetitionStage,
    analysis: Option<chapan_api::analysis::Analysis>,
    history: Option<chapan_api::competition::TrainingHistory>,
    reports: Vec<chapan_api::comparison::ComparisonReport>,
    feedback: Vec<chapan_api::competition::Feedback>,
}

impl Found {
    fn read(folder: &FilePath, iterations: u32) -> std::io::Result<Self> {
        let log = match std::fs::read(folder.join(LOG)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            log => log?,
        };
        let last =
            log.split(|byte| *byte == b'\n').rev().find_map(|line| match serde_json::from_slice(line) {
                Ok(CompetitionEvent::Stage { round, stage }) => Some((round, stage)),
                _ => None,
            });
        let (round, stage) = last.unwrap_or((0, CompetitionStage::Analyse));
        let (mut reports, mut feedback) = (Vec::new(), Vec::new());
        for round in 1..=iterations {
            // A round counts when both are there.
            let Some(learnt) = json(&folder.join(feedback_of(round)))? else { break };
            reports.extend(json(&folder.join(report_of(round)))?);
            feedback.push(learnt);
        }
        let analysis = json(&folder.join("analysis.json"))?;
        let history = json(&folder.join("training_history.json"))?;
        Ok(Self { round, stage, analysis, history, reports, feedback })
    }
}

/// A file as JSON, if it is there.
pub(super) fn json<T: DeserializeOwned>(path: &FilePath) -> std::io::Result<Option<T>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        bytes => serde_json::from_slice(&bytes?).map(Some).map_err(std::io::Error::other),
    }
}

/// The files of a folder and its folders that belong into an archive, by their names from the root on.
fn list(folder: &FilePath, names: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = match std::fs::read_dir(&next) {
            // It has not begun yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_partial = path.extension().is_some_and(|ending| ending == "part");
            let belongs = name != "checkpoint.safetensors" && name != "run.lock" && !is_partial;
            if let Some(inside) = path.strip_prefix(folder).ok().filter(|_| belongs) {
                names.push(inside.to_owned());
            }
        }
    }
    Ok(())
}

/// The pieces of an archive, one after the other; one file at a time is in memory.
struct Parts {
    folder: PathBuf,
    names: std::vec::IntoIter<PathBuf>,
    archive: Option<Archive>,
    file: Option<Vec<u8>>,
}

impl Parts {
    async fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        if let Some(file) = self.file.take() {
            return Ok(Some(file));
        }
        let Some(archive) = &mut self.archive else { return Ok(None) };
        for name in self.names.by_ref() {
            let bytes = match tokio::fs::read(self.folder.join(&name)).await {
                // Written anew at this moment: it is left out rather than all.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                bytes => bytes?,
            };
            let name: Vec<String> =
                name.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
            let header = archive.add(&name.join("/"), &bytes).map_err(std::io::Error::other)?;
            self.file = Some(bytes);
            return Ok(Some(header));
        }
        Ok(self.archive.take().map(Archive::finish))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leads_out() {
        for path in [
            "report.html",
            "comparisons/round-1_1_3.png",
            "rounds/1/lora/lora.safetensors",
            "comparisons/Айдар x_1.png",
        ] {
            assert_eq!(safe(path), Some(PathBuf::from(path)), "{path}");
        }
        let deep = "a/".repeat(6) + "b.png";
        let long = "a".repeat(400);
        for path in [
            "",
            "/etc/passwd",
            "../a.png",
            "a/../b.png",
            "a//b.png",
            ".hidden",
            "a/.b",
            "a\\b.png",
            "a\0.png",
            "c:a.png",
            &deep,
            &long,
        ] {
            assert_eq!(safe(path), None, "{path:?}");
        }
    }
}
