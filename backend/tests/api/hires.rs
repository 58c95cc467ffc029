//! The second pass at a larger size: drawn, recorded, made again.

use std::sync::Arc;

use axum::http::StatusCode;
use chapan::api::router;
use chapan::clock::SystemClock;
use chapan::server::Server;
use chapan_api::error::ErrorCode;
use chapan_api::generation::GenerationView;
use chapan_api::image::ImageView;
use chapan_api::job::{JobChange, JobPhase, JobState, JobStatus, JobView};
use chapan_api::reproduction::ReproductionView;
use serde_json::{Value, json};

use crate::events::Stream;
use crate::server::wait;
use crate::support::{
    Caller, Studio, bytes_of, config, json_of, models_dir, refusal, shipped_models_dir, small,
};

/// A small picture that is drawn over at one and a half of its size.
fn larger() -> Value {
    let mut body = small();
    body["seed"] = json!(4);
    body["hires"] = json!({ "scale": 1.5, "strength": 0.5, "steps": 4 });
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_pass_is_drawn_recorded_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.models_dirs = vec![models_dir(), shipped_models_dir()];
    let server = Server::start(config, Arc::new(SystemClock)).await.unwrap();
    let caller = Caller::of(router(server.app().clone()));

    let job: JobView = json_of(caller.post("/api/generations", &larger()).await, StatusCode::ACCEPTED).await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    let mut state = JobState::new(stream.snapshot().await);
    let (mut phases, mut steps) = (Vec::new(), Vec::new());
    while let Some(event) = stream.next().await {
        if let JobChange::Progressed { progress } = &event.change {
            phases.push(progress.phase);
            steps.push((progress.step, progress.total_steps));
        }
        state.apply(&event);
    }
    assert_eq!(state.view.status, JobStatus::Succeeded, "{:?}", state.view.error);
    assert!(phases.contains(&JobPhase::Upscaling), "{phases:?}");
    assert!(steps.is_sorted() && steps.last() == Some(&(4, 4)), "two steps, and two of four: {steps:?}");

    let path = format!("/api/images/{}", state.view.image.unwrap());
    let image: ImageView = json_of(caller.get(&path).await, StatusCode::OK).await;
    assert_eq!((image.width, image.height), (96, 96));
    let record = image.record.unwrap();
    assert_eq!((record.width, record.height), (64, 64), "the size of the first pass");
    let hires = record.ingredients.hires.unwrap();
    assert_eq!((hires.request.scale, hires.request.strength, hires.request.steps), (1.5, 0.5, Some(4)));
    assert_eq!(hires.request.upscaler.unwrap().as_str(), "chapan-mini-upscaler");
    assert_eq!(hires.upscaler_hash.unwrap().len(), 64);
    let file = bytes_of(caller.get(&image.url).await).await;
    let reader = png::Decoder::new(std::io::Cursor::new(file.to_vec())).read_info().unwrap();
    let text = &reader.info().uncompressed_latin1_text[0].text;
    assert!(text.contains("Denoising strength: 0.5, Hires upscale: 1.5, Hires steps: 2"), "{text}");

    // Without the second pass it is another picture; with it, made again, the same.
    let view: GenerationView =
        json_of(caller.get(&format!("/api/generations/{}", image.generation.unwrap())).await, StatusCode::OK)
            .await;
    assert!(view.parameters.hires.is_some_and(|hires| hires.upscaler.is_some()));
    let job: JobView =
        json_of(caller.act("POST", &format!("{path}/reproduce")).await, StatusCode::ACCEPTED).await;
    assert_eq!(wait(&caller, &job).await.status, JobStatus::Succeeded);
    let view: ReproductionView =
        json_of(caller.get(&format!("{path}/reproduction")).await, StatusCode::OK).await;
    let verdict = view.verdict.unwrap();
    assert!(verdict.identical && verdict.circumstances.is_empty(), "{verdict:?}");

    // A grid draws its places the same way.
    let mut base = larger();
    base["num_images_per_prompt"] = json!(1);
    let grid = json!({ "base": base, "x": { "parameter": "seed", "values": [4, 5] } });
    let job: JobView = json_of(caller.post("/api/grids", &grid).await, StatusCode::ACCEPTED).await;
    let done = wait(&caller, &job).await;
    assert_eq!(done.images.len(), 3, "{:?}", done.error);
    let first: ImageView =
        json_of(caller.get(&format!("/api/images/{}", done.images[1])).await, StatusCode::OK).await;
    assert_eq!(first.sha256, image.sha256);
    server.stop().await;
}

#[tokio::test]
async fn a_second_pass_that_cannot_be_is_refused_before_the_queue() {
    let studio = Studio::with(|config| config.models_dirs.push(shipped_models_dir())).await;
    let caller = studio.local();
    let picture = chapan::files::png::encode_bare_png(64, 64, &[90; 64 * 64 * 3]).unwrap();
    let picture = caller.upload(picture).await;
    let with = |hires: Value, more: &[(&str, Value)]| {
        let mut body = small();
        body["hires"] = hires;
        for (name, value) in more {
            body[*name] = value.clone();
        }
        body
    };
    let (image, mask) = (("image", json!(picture.id)), ("mask_image", json!(picture.id)));
    for (body, code, field) in [
        (with(json!({ "scale": 9 }), &[]), ErrorCode::InvalidField, "hires.scale"),
        (with(json!({ "strength": 1.5 }), &[]), ErrorCode::InvalidField, "hires.strength"),
        (with(json!({ "strength": 0.1 }), &[]), ErrorCode::InvalidField, "hires.strength"),
        (
            with(json!({ "strength": 0.5, "upscaler": "../x" }), &[]),
            ErrorCode::UnknownModel,
            "hires.upscaler",
        ),
        (
            with(json!({ "strength": 0.5 }), &[image, mask, ("strength", json!(1.0))]),
            ErrorCode::InvalidField,
            "hires",
        ),
    ] {
        let refused =
            refusal(caller.post("/api/generations", &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!((refused.code, refused.field.as_deref()), (code, Some(field)), "{body}");
    }
    assert!(studio.claim().await.is_none(), "nothing was accepted");
    let bare = Studio::new().await;
    let refused = refusal(
        bare.local().post("/api/generations", &with(json!({ "strength": 0.5 }), &[])).await,
        StatusCode::UNPROCESSABLE_ENTITY,
    )
    .await;
    assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::UnknownModel, Some("hires.upscaler")));
}
