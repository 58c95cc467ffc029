//! `/api/generations`.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chapan_api::error::ErrorCode;
use chapan_api::generation::GenerationView;
use chapan_api::image::ImageKind;
use chapan_api::job::{JobStatus, JobView};
use chapan_api::page::Page;
use serde_json::json;

use crate::support::{MODEL, Studio, json_of, refusal, small};

#[tokio::test]
async fn a_request_is_accepted_with_its_job_and_place() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let first = caller.ask().await;
    let second = caller.ask().await;
    assert_eq!((first.status, first.position), (JobStatus::Queued, Some(0)));
    assert_eq!((second.status, second.position), (JobStatus::Queued, Some(1)));

    let path = format!("/api/generations/{}", first.generation.clone().unwrap());
    let view: GenerationView = json_of(caller.get(&path).await, StatusCode::OK).await;
    assert_eq!(view.job.id, first.id);
    assert!(view.parameters.seed.is_some(), "the server chose a seed and says which");
    assert_eq!(view.parameters.model.map(|id| id.to_string()), Some(MODEL.to_owned()));
}

#[tokio::test]
async fn a_list_is_read_in_pages() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let mut asked = Vec::new();
    for _ in 0..5 {
        asked.push(caller.ask().await.generation.unwrap());
    }
    asked.reverse();
    let mut seen = Vec::new();
    let mut path = "/api/generations?limit=2".to_owned();
    loop {
        let page: Page<GenerationView> = json_of(caller.get(&path).await, StatusCode::OK).await;
        seen.extend(page.items.into_iter().map(|item| item.id));
        let Some(cursor) = page.next_cursor else { break };
        path = format!("/api/generations?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, asked, "newest first, each once");
}

#[tokio::test]
async fn what_belongs_to_another_does_not_exist() {
    let studio = Studio::new().await;
    let job = studio.someone("ana").await.ask().await;
    let ben = studio.someone("ben").await;
    let path = format!("/api/generations/{}", job.generation.unwrap());
    let body = refusal(ben.get(&path).await, StatusCode::NOT_FOUND).await;
    assert_eq!(body.code, ErrorCode::NotFound);
    let page: Page<GenerationView> = json_of(ben.get("/api/generations").await, StatusCode::OK).await;
    assert!(page.items.is_empty());
    refusal(ben.get("/api/generations/nothing").await, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn every_faulty_field_is_named() {
    let studio = Studio::new().await;
    let caller = studio.local();
    for (field, value, status, code) in [
        ("prompt", json!("  "), 422, ErrorCode::InvalidField),
        ("prompt", json!("x".repeat(3000)), 422, ErrorCode::InvalidField),
        ("width", json!(7), 422, ErrorCode::InvalidField),
        ("height", json!(1_000_000), 422, ErrorCode::InvalidField),
        ("num_inference_steps", json!(0), 422, ErrorCode::InvalidField),
        ("num_inference_steps", json!(-1), 400, ErrorCode::MalformedBody),
        ("num_inference_steps", json!(1_000_000_000_000_u64), 400, ErrorCode::MalformedBody),
        ("seed", json!(1_u64 << 60), 422, ErrorCode::InvalidField),
        ("seed", json!(1e30), 400, ErrorCode::MalformedBody),
        ("guidance_scale", json!(1e308), 422, ErrorCode::InvalidField),
        ("scheduler", json!("magic"), 422, ErrorCode::InvalidField),
        ("model", json!("../../etc"), 422, ErrorCode::UnknownModel),
        ("cfg", json!(1), 400, ErrorCode::MalformedBody),
    ] {
        let mut body = small();
        body[field] = value.clone();
        let status = StatusCode::from_u16(status).unwrap();
        let refused = refusal(caller.post("/api/generations", &body).await, status).await;
        assert_eq!((refused.code, refused.field.as_deref()), (code, Some(field)), "{field}: {value}");
    }
    assert!(studio.claim().await.is_none(), "nothing was accepted");
}

#[tokio::test]
async fn bodies_that_are_no_request_are_refused() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let post = |kind: &'static str, body: String| {
        let request = Request::post("/api/generations").header(header::CONTENT_TYPE, kind);
        caller.send(request.body(Body::from(body)).unwrap())
    };
    for (kind, body, status, code) in [
        ("text/plain", small().to_string(), 415, ErrorCode::UnsupportedContentType),
        ("application/x-www-form-urlencoded", "prompt=x".into(), 415, ErrorCode::UnsupportedContentType),
        ("application/json", "{".into(), 400, ErrorCode::MalformedBody),
        ("application/json", "{} {}".into(), 400, ErrorCode::MalformedBody),
        ("application/json", "[[[[".repeat(10_000), 400, ErrorCode::MalformedBody),
        ("application/json", " ".repeat(65 * 1024), 413, ErrorCode::BodyTooLarge),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let refused = refusal(post(kind, body).await, status).await;
        assert_eq!(refused.code, code);
        assert!(refused.message.len() < 400, "{}", refused.message);
    }
}

#[tokio::test]
async fn a_picture_that_does_not_fit_into_memory_is_refused_before_the_queue() {
    let studio = Studio::with(|config| config.memory_limit_bytes = Some(80 << 20)).await;
    let caller = studio.local();
    let body = json!({ "prompt": "x", "model": MODEL, "width": 2048, "height": 2048 });
    let refused =
        refusal(caller.post("/api/generations", &body).await, StatusCode::INSUFFICIENT_STORAGE).await;
    assert_eq!(refused.code, ErrorCode::NotEnoughMemory);
    assert!(refused.hint.unwrap().contains("64x64"));
    let _accepted: JobView = caller.ask().await;
}

#[tokio::test]
async fn without_a_model_the_hint_says_where_to_put_one() {
    let studio = Studio::with(|config| config.models_dirs.clear()).await;
    let body = json!({ "prompt": "x" });
    let refused =
        refusal(studio.local().post("/api/generations", &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused.code, ErrorCode::UnknownModel);
    assert!(refused.hint.unwrap().contains("models"));
}

#[tokio::test]
async fn several_pictures_of_one_request_come_together_and_in_order() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let mut body = small();
    body["num_images_per_prompt"] = json!(3);
    let job: JobView = json_of(caller.post("/api/generations", &body).await, StatusCode::ACCEPTED).await;
    let claimed = studio.claim().await.unwrap();
    assert_eq!(claimed.job.total_steps, 6);
    let made = [b"1", b"2", b"3"].map(|bytes| (ImageKind::Made, bytes.as_slice()));
    let ids = studio.finish_all(&claimed, &made).await;
    let path = format!("/api/generations/{}", job.generation.unwrap());
    let view: GenerationView = json_of(caller.get(&path).await, StatusCode::OK).await;
    assert_eq!(view.images.iter().map(|image| image.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(view.image.map(|image| image.id), Some(ids[0].clone()), "the first is still the picture");
    assert_eq!((view.job.image, view.job.images), (Some(ids[0].clone()), ids.clone()));
    let page: Page<GenerationView> = json_of(caller.get("/api/generations").await, StatusCode::OK).await;
    assert_eq!((page.items.len(), page.items[0].images.len()), (1, 3));
}
