//! `GET /api/jobs/{id}/steps`: what every step looked like, for whoever asked for it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use chapan::api::router;
use chapan::clock::SystemClock;
use chapan::jobs::engine_call;
use chapan::server::Server;
use chapan_api::error::ErrorCode;
use chapan_api::generation::{CreateGeneration, GenerationView};
use chapan_api::image::ImageView;
use chapan_api::job::{JobStatus, JobView};
use chapan_api::steps::{PixelFormat, StepPicture, StepsView};
use chapan_engine::pipelines::{Flow, Picture, ProgressEvent, StableDiffusionXl, Start, StepSnapshot};
use chapan_engine::{DType, Device};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::events::Stream;
use crate::server::{reach_the_middle, wait};
use crate::support::{
    Caller, MODEL, Studio, bytes_of, config, json_of, models_dir, refusal, shipped_models_dir, small,
};

/// A picture with this side whose steps are kept.
fn keeping(side: u32, steps: u32) -> Value {
    let mut body = small();
    body["keep_steps"] = json!(true);
    body["seed"] = json!(11);
    body["num_inference_steps"] = json!(steps);
    (body["width"], body["height"]) = (json!(side), json!(side));
    body
}

async fn start(folder: &TempDir) -> (Server, Caller) {
    let server = Server::start(config(folder.path()), Arc::new(SystemClock)).await.unwrap();
    let caller = Caller::of(router(server.app().clone()));
    (server, caller)
}

async fn ask(caller: &Caller, body: &Value) -> JobView {
    json_of(caller.post("/api/generations", body).await, StatusCode::ACCEPTED).await
}

async fn steps_of(caller: &Caller, job: &JobView) -> StepsView {
    json_of(caller.get(&format!("/api/jobs/{}/steps", job.id)).await, StatusCode::OK).await
}

/// The steps once nothing is pending any more.
async fn complete(caller: &Caller, job: &JobView) -> StepsView {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    loop {
        looks.tick().await;
        let view = steps_of(caller, job).await;
        if view.pending == 0 {
            return view;
        }
    }
}

fn rgb(picture: &Picture) -> StepPicture {
    let (width, height) = (picture.width as u32, picture.height as u32);
    StepPicture { width, height, format: PixelFormat::Rgb, pixels: picture.rgb.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_steps_are_what_the_engine_says() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder).await;
    let body = keeping(64, 3);
    let job = wait(&caller, &ask(&caller, &body).await).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{:?}", job.error);
    assert_eq!(steps_of(&caller, &job).await.steps.len(), 3, "there as soon as the job has ended");
    let view = complete(&caller, &job).await;

    let request: CreateGeneration = serde_json::from_value(body).unwrap();
    let pipeline = StableDiffusionXl::load(&models_dir().join(MODEL), &Device::Cpu, DType::F32).unwrap();
    let mut seen = Vec::new();
    let mut listen = |event: ProgressEvent<'_>| {
        seen.extend(StepSnapshot::of(&event));
        Flow::Continue
    };
    let drawn = pipeline.generate(&engine_call(&request, Start::Noise).unwrap(), &mut listen).unwrap();
    assert_eq!((view.width, view.height, view.steps.len()), (64, 64, seen.len()));
    for (index, (step, seen)) in view.steps.iter().zip(&seen).enumerate() {
        assert_eq!((step.index, step.total, step.timestep), (index as u32, 3, seen.timestep));
        assert_eq!((step.sigma, step.guidance), (Some(seen.sigma), seen.guidance));
        assert!(step.guidance.is_some_and(|size| size > 0.0));
        assert_eq!((&step.latents, &step.clean), (&rgb(&seen.latents), &rgb(&seen.clean)));
        assert_eq!((step.latent_channels, step.latents.width, step.latents.height), (4, 8, 8));
        let sheet = &step.channels;
        assert_eq!((sheet.width, sheet.height, sheet.format), (17, 17, PixelFormat::Rgba));
        assert_eq!(sheet.pixels, seen.channels.rgba);
        let expected = pipeline.decode_latents(&seen.clean_latents, 64, 64).unwrap();
        assert_eq!(step.expected.as_ref(), Some(&rgb(&expected)));
        assert!(step.at_ms >= view.encoded_ms && step.at_ms <= view.looped_ms);
    }
    assert!(view.steps.is_sorted_by_key(|step| step.at_ms) && view.looped_ms <= view.decoded_ms);
    let parts = pipeline.parts();
    assert_eq!(view.parts.text_widths.iter().map(|w| *w as usize).collect::<Vec<_>>(), parts.text_widths);
    assert_eq!(
        [view.parts.text_encoder_parameters, view.parts.unet_parameters, view.parts.vae_parameters],
        [parts.text_encoder_parameters, parts.unet_parameters, parts.vae_parameters]
    );

    // The picture is the same as without, and its record knows nothing of it.
    let path = format!("/api/images/{}", job.image.clone().unwrap());
    let image: ImageView = json_of(caller.get(&path).await, StatusCode::OK).await;
    let mut plain = small();
    (plain["seed"], plain["num_inference_steps"]) = (json!(11), json!(3));
    let other = wait(&caller, &ask(&caller, &plain).await).await;
    let path = format!("/api/images/{}", other.image.clone().unwrap());
    let same: ImageView = json_of(caller.get(&path).await, StatusCode::OK).await;
    assert_eq!((same.sha256, same.record), (image.sha256.clone(), image.record));
    let file = bytes_of(caller.get(&image.url).await).await;
    let shown = chapan::files::picture::decode_picture(&file).unwrap();
    assert_eq!(shown.pixels, drawn.image.rgb);
    let path = format!("/api/generations/{}", job.generation.clone().unwrap());
    let asked: GenerationView = json_of(caller.get(&path).await, StatusCode::OK).await;
    assert!(asked.parameters.keep_steps);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn larger_pictures_are_kept_without_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder).await;
    let (largest, larger) = (ask(&caller, &keeping(256, 1)).await, ask(&caller, &keeping(264, 1)).await);
    for job in [&largest, &larger] {
        assert_eq!(wait(&caller, job).await.status, JobStatus::Succeeded);
    }
    let view = steps_of(&caller, &larger).await;
    assert_eq!((view.pending, view.steps.len(), view.steps[0].expected.as_ref()), (0, 1, None));
    assert_eq!((view.steps[0].clean.width, view.steps[0].clean.height), (33, 33));
    let view = complete(&caller, &largest).await;
    let expected = view.steps[0].expected.as_ref().unwrap();
    assert_eq!((expected.width, expected.height, expected.pixels.len()), (256, 256, 256 * 256 * 3));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_picture_waits_for_expectations_and_a_cancelled_job_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder).await;
    // While this one is drawn, the next two come to stand in line.
    let before = ask(&caller, &keeping(256, 150)).await;
    let first = ask(&caller, &keeping(128, 4)).await;
    let second = ask(&caller, &keeping(256, 150)).await;
    let cancel = format!("/api/jobs/{}/cancel", before.id);
    json_of::<JobView>(caller.act("POST", &cancel).await, StatusCode::OK).await;
    let mut stream = Stream::open(&caller, &second.id, None).await;
    reach_the_middle(&mut stream).await;
    // The second was waiting when the first ended: it went before anything was decoded.
    let view = steps_of(&caller, &first).await;
    assert_eq!((view.pending, view.steps.len()), (4, 4));
    assert!(view.steps.iter().all(|step| step.expected.is_none()));

    let path = format!("/api/jobs/{}", second.id);
    let body = refusal(caller.get(&format!("{path}/steps")).await, StatusCode::NOT_FOUND).await;
    assert_eq!(body.hint.as_deref(), Some("wait until the job has succeeded"));
    json_of::<JobView>(caller.act("POST", &format!("{path}/cancel")).await, StatusCode::OK).await;
    assert_eq!(wait(&caller, &second).await.status, JobStatus::Cancelled);
    let body = refusal(caller.get(&format!("{path}/steps")).await, StatusCode::NOT_FOUND).await;
    assert!(body.hint.is_some_and(|hint| hint.contains("`keep_steps`")));

    let view = complete(&caller, &first).await;
    assert!(view.steps.iter().all(|step| step.expected.is_some()), "decoded once nobody waits");

    // The server stops although much is pending.
    let last = ask(&caller, &keeping(256, 12)).await;
    assert_eq!(wait(&caller, &last).await.status, JobStatus::Succeeded);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_their_owners_and_only_there_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder).await;
    let kept = wait(&caller, &ask(&caller, &keeping(64, 1)).await).await;
    let plain = wait(&caller, &caller.ask().await).await;
    let answer = caller.get(&format!("/api/jobs/{}/steps", kept.id)).await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
    let body =
        refusal(caller.get(&format!("/api/jobs/{}/steps", plain.id)).await, StatusCode::NOT_FOUND).await;
    assert!(body.message.contains(plain.id.as_str()) && body.hint.unwrap().contains("`keep_steps`"));

    // Somebody else hears what one hears of a job that never was.
    let studio = Studio::new().await;
    let (ana, ben) = (studio.someone("ana").await, studio.someone("ben").await);
    let job = ana.ask().await;
    let body = refusal(ana.get(&format!("/api/jobs/{}/steps", job.id)).await, StatusCode::NOT_FOUND).await;
    assert!(body.message.contains("no steps"), "{}", body.message);
    for path in [format!("/api/jobs/{}/steps", job.id), "/api/jobs/nothing/steps".to_owned()] {
        let body = refusal(ben.get(&path).await, StatusCode::NOT_FOUND).await;
        assert!(body.message.starts_with("there is no job"), "{}", body.message);
    }
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_before_the_queue() {
    let studio = Studio::with(|config| config.models_dirs.push(shipped_models_dir())).await;
    let caller = studio.local();
    let with = |field: &str, value: Value| {
        let mut body = keeping(64, 2);
        body[field] = value;
        body
    };
    for (body, field) in [
        (with("num_images_per_prompt", json!(2)), "num_images_per_prompt"),
        (with("hires", json!({ "scale": 1.5, "strength": 0.5 })), "keep_steps"),
        (keeping(1024, 33), "num_inference_steps"),
    ] {
        let refused = caller.post("/api/generations", &body).await;
        let refused = refusal(refused, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::InvalidField, Some(field)));
    }
    let grid = json!({ "base": keeping(64, 2), "x": { "parameter": "seed", "values": [4, 5] } });
    let refused = refusal(caller.post("/api/grids", &grid).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused.field.as_deref(), Some("base.keep_steps"));
    assert!(studio.claim().await.is_none(), "nothing waits");
}

#[tokio::test]
async fn the_route_is_described() {
    let studio = Studio::new().await;
    let description: Value = json_of(studio.local().get("/api/openapi.json").await, StatusCode::OK).await;
    let answer = &description["paths"]["/api/jobs/{id}/steps"]["get"]["responses"];
    let schema = &answer["200"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(schema, "#/components/schemas/StepsView");
    assert!(answer["404"].is_object());
    let schemas = &description["components"]["schemas"];
    assert_eq!(schemas["StepPicture"]["properties"]["pixels"]["format"], "byte");
    assert!(schemas["CreateGeneration"]["properties"]["keep_steps"].is_object());
}
