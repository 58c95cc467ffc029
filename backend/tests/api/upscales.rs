//! `/api/upscales` and `/api/upscalers`, with the mini family's own upscaler.

use std::sync::Arc;

use axum::http::StatusCode;
use chapan::api::router;
use chapan::clock::SystemClock;
use chapan::files::png::{Pixels, encode_with_records};
use chapan::server::Server;
use chapan_api::error::ErrorCode;
use chapan_api::image::{ImageKind, ImageView};
use chapan_api::job::{JobChange, JobKind, JobPhase, JobStatus, JobView};
use chapan_api::model::UpscalerView;
use chapan_api::page::Page;
use chapan_api::reproduction::ReproductionView;
use chapan_api::upscale::UpscaleView;
use serde_json::{Value, json};

use crate::events::Stream;
use crate::server::wait;
use crate::support::{
    Caller, Studio, bytes_of, config, json_of, models_dir, record, refusal, shipped_models_dir, small,
};

const UPSCALER: &str = "chapan-mini-upscaler";

/// A whole server with an upscaler.
async fn start(folder: &tempfile::TempDir) -> (Server, Caller) {
    let mut config = config(folder.path());
    config.models_dirs = vec![models_dir(), shipped_models_dir()];
    let server = Server::start(config, Arc::new(SystemClock)).await.unwrap();
    let caller = Caller::of(router(server.app().clone()));
    (server, caller)
}

/// A server without a worker, with an upscaler.
async fn idle() -> Studio {
    Studio::with(|config| config.models_dirs.push(shipped_models_dir())).await
}

async fn ask(caller: &Caller, body: &Value) -> JobView {
    json_of(caller.post("/api/upscales", body).await, StatusCode::ACCEPTED).await
}

async fn image(caller: &Caller, job: JobView) -> ImageView {
    assert_eq!(job.status, JobStatus::Succeeded, "{:?}", job.error);
    json_of(caller.get(&format!("/api/images/{}", job.image.unwrap())).await, StatusCode::OK).await
}

/// 24x16 pixels, half of which one sees through, with the record of a drawing.
fn see_through() -> Vec<u8> {
    let rgb: Vec<u8> = (0..24 * 16 * 3).map(|i| (i * 5 % 256) as u8).collect();
    let alpha: Vec<u8> = (0..24 * 16).map(|i| if i % 24 < 12 { 0 } else { 255 }).collect();
    let pixels = Pixels { width: 24, height: 16, rgb: &rgb, alpha: Some(&alpha) };
    encode_with_records(pixels, Some(&record()), None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_copy_keeps_what_shows_through_says_how_it_was_made_and_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder).await;
    let source = caller.upload(see_through()).await;
    let body = json!({ "image": source.id, "scale": 2.5 });

    // A long one before it, until the stream is open: of a job that is done no progress is told.
    let long = chapan::files::png::encode_bare_png(500, 500, &vec![90; 500 * 500 * 3]).unwrap();
    let long = ask(&caller, &json!({ "image": caller.upload(long).await.id, "scale": 8 })).await;
    let job = ask(&caller, &body).await;
    assert_eq!((job.kind, job.generation.is_none()), (JobKind::Upscale, true));
    let mut stream = Stream::open(&caller, &job.id, None).await;
    let mut state = chapan_api::job::JobState::new(stream.snapshot().await);
    let stopped = caller.act("POST", &format!("/api/jobs/{}/cancel", long.id)).await;
    let _told: JobView = json_of(stopped, StatusCode::OK).await;
    let mut phases = Vec::new();
    while let Some(event) = stream.next().await {
        if let JobChange::Progressed { progress } = &event.change {
            assert!(progress.step <= progress.total_steps, "{progress:?}");
            phases.push(progress.phase);
        }
        state.apply(&event);
    }
    assert!(phases.contains(&JobPhase::Upscaling) && phases.ends_with(&[JobPhase::Saving]), "{phases:?}");

    let copy = image(&caller, state.view).await;
    assert_eq!((copy.kind, copy.width, copy.height), (ImageKind::Upscale, 60, 40));
    assert_eq!(copy.record, source.record, "how the original was drawn is not forgotten");
    let how = copy.enlargement.as_deref().unwrap();
    assert_eq!((how.scale, how.model.as_str()), (2.5, UPSCALER));
    assert_eq!((how.image.id.as_ref(), &how.image.sha256), (Some(&source.id), &source.sha256));
    assert!(how.model_hash.as_ref().is_some_and(|hash| hash.len() == 64) && how.engine.is_some());
    let file = bytes_of(caller.get(&copy.url).await).await;
    let mut reader = png::Decoder::new(std::io::Cursor::new(file.to_vec())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    assert_eq!(pixels.len(), 60 * 40 * 4);
    assert_eq!((pixels[3], pixels[59 * 4 + 3]), (0, 255));
    let texts = &reader.info().uncompressed_latin1_text;
    let own = texts.iter().find(|text| text.keyword == "chapan.upscale").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&own.text).unwrap(), json!(how));

    let request: UpscaleView = json_of(
        caller.get(&format!("/api/upscales/{}", copy.upscale.clone().unwrap())).await,
        StatusCode::OK,
    )
    .await;
    assert_eq!(request.image.map(|image| image.id), Some(copy.id.clone()));
    assert_eq!(request.parameters.model.map(|id| id.to_string()).as_deref(), Some(UPSCALER));
    let page: Page<ImageView> = json_of(caller.get("/api/images?kind=upscale").await, StatusCode::OK).await;
    assert_eq!(page.items.len(), 1);

    // The same request is the same file, and so is the picture that is made again.
    let second = image(&caller, wait(&caller, &ask(&caller, &body).await).await).await;
    assert_eq!(second.sha256, copy.sha256);
    let path = format!("/api/images/{}", copy.id);
    let job: JobView =
        json_of(caller.act("POST", &format!("{path}/reproduce")).await, StatusCode::ACCEPTED).await;
    assert_eq!(wait(&caller, &job).await.status, JobStatus::Succeeded);
    let view: ReproductionView =
        json_of(caller.get(&format!("{path}/reproduction")).await, StatusCode::OK).await;
    let verdict = view.verdict.unwrap();
    assert!(verdict.identical && verdict.circumstances.is_empty(), "{verdict:?}");

    // Brought in again, its file says the same.
    let brought = caller.upload(file.to_vec()).await;
    assert_eq!((brought.enlargement, brought.record), (copy.enlargement, copy.record));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_copy_is_stopped_in_its_middle() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder).await;
    let plain = chapan::files::png::encode_bare_png(500, 500, &vec![90; 500 * 500 * 3]).unwrap();
    let source = caller.upload(plain).await;
    let job = ask(&caller, &json!({ "image": source.id, "scale": 8 })).await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    loop {
        match stream.next().await.expect("it goes on").change {
            JobChange::Progressed { progress } if progress.phase == JobPhase::Upscaling => break,
            JobChange::Failed { error, .. } => panic!("{error:?}"),
            _ => {}
        }
    }
    let cancelled = caller.act("POST", &format!("/api/jobs/{}/cancel", job.id)).await;
    let _told: JobView = json_of(cancelled, StatusCode::OK).await;
    assert_eq!(wait(&caller, &job).await.status, JobStatus::Cancelled);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_enlarged_is_refused_before_the_queue() {
    let studio = idle().await;
    let (ana, ben) = (studio.someone("ana").await, studio.someone("ben").await);
    let mine = ana.upload(see_through()).await;
    let wide = chapan::files::png::encode_bare_png(1200, 1, &[7; 1200 * 3]).unwrap();
    let wide = ana.upload(wide).await;
    for (body, code, field) in [
        (json!({ "image": "nothing" }), ErrorCode::InvalidField, "image"),
        (json!({ "image": "" }), ErrorCode::InvalidField, "image"),
        (json!({ "image": mine.id, "scale": 1 }), ErrorCode::InvalidField, "scale"),
        (json!({ "image": mine.id, "scale": 1e308 }), ErrorCode::InvalidField, "scale"),
        (json!({ "image": mine.id, "scale": -4 }), ErrorCode::InvalidField, "scale"),
        (json!({ "image": wide.id, "scale": 4 }), ErrorCode::InvalidField, "scale"),
        (json!({ "image": mine.id, "model": "../../etc" }), ErrorCode::UnknownModel, "model"),
    ] {
        let refused = refusal(ana.post("/api/upscales", &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!((refused.code, refused.field.as_deref()), (code, Some(field)), "{body}");
    }
    let body = json!({ "image": mine.id });
    let refused = refusal(ben.post("/api/upscales", &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused.field.as_deref(), Some("image"), "a picture of somebody else is none");
    assert!(studio.claim().await.is_none(), "nothing was accepted");

    let job = ask(&ana, &body).await;
    let path = format!("/api/upscales/{}", job.upscale.unwrap());
    let view: UpscaleView = json_of(ana.get(&path).await, StatusCode::OK).await;
    assert_eq!((view.parameters.scale, view.image.is_none()), (4.0, true));
    refusal(ben.get(&path).await, StatusCode::NOT_FOUND).await;
    refusal(ana.get("/api/upscales/nothing").await, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn without_an_upscaler_or_memory_the_hint_says_what_to_do() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let source = caller.upload(see_through()).await;
    let body = json!({ "image": source.id });
    let refused = refusal(caller.post("/api/upscales", &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused.code, ErrorCode::UnknownModel);
    assert!(refused.hint.unwrap().contains("upscalers"));

    let studio = Studio::with(|config| {
        config.models_dirs.push(shipped_models_dir());
        config.memory_limit_bytes = Some(8 << 20);
    })
    .await;
    let caller = studio.local();
    let source = caller.upload(see_through()).await;
    let body = json!({ "image": source.id });
    let refused = refusal(caller.post("/api/upscales", &body).await, StatusCode::INSUFFICIENT_STORAGE).await;
    assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::NotEnoughMemory, Some("scale")));
}

#[tokio::test]
async fn installed_upscalers_are_listed() {
    let studio = idle().await;
    let caller = studio.local();
    let upscalers: Vec<UpscalerView> = json_of(caller.get("/api/upscalers").await, StatusCode::OK).await;
    let own = upscalers.iter().find(|upscaler| upscaler.id.as_str() == UPSCALER).unwrap();
    assert!(own.size_bytes > 10_000);
    // No model that draws is among them.
    assert!(upscalers.iter().all(|upscaler| upscaler.id.as_str() != small()["model"]));
}
