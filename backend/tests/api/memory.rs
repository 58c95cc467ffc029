//! Memory is planned before a job is accepted: all that a request names counts.

use axum::http::StatusCode;
use chapan::hub::Catalog;
use chapan::jobs::{Named, request_memory};
use chapan_api::error::ErrorCode;
use chapan_api::generation::CreateGeneration;
use chapan_api::id::ModelId;
use serde_json::{Value, json};

use crate::support::{MODEL, Studio, loras_dir, models_dir, refusal, shipped_models_dir, small};

#[tokio::test]
async fn loras_sources_and_a_second_pass_count_before_the_queue() {
    let loras = tempfile::tempdir().unwrap();
    std::fs::copy(loras_dir().join("kohya.safetensors"), loras.path().join("ink.safetensors")).unwrap();
    // A machine that has just enough for the plain picture.
    let model = Catalog::new(vec![models_dir()]).model(&ModelId::new(MODEL)).unwrap();
    let plain: CreateGeneration = serde_json::from_value(small()).unwrap();
    let enough = request_memory(&model, &plain, &Named::default());
    let studio = Studio::with(|config| {
        config.models_dirs.extend([shipped_models_dir(), loras.path().to_owned()]);
        config.memory_limit_bytes = Some(enough);
    })
    .await;
    let caller = studio.local();
    let picture = chapan::files::png::encode_bare_png(900, 900, &vec![9; 900 * 900 * 3]).unwrap();
    let picture = caller.upload(picture).await;
    let with = |name: &str, value: Value| {
        let mut body = small();
        body[name] = value;
        body
    };
    for (body, field) in [
        (with("hires", json!({ "strength": 0.5, "scale": 4.0 })), "hires.scale"),
        (with("loras", json!([{ "model": "ink" }])), "width"),
        (with("prompt", json!("a man <lora:ink:0.5>")), "width"),
        (with("width", json!(128)), "width"),
        (
            {
                let mut body = with("image", json!(picture.id));
                body["strength"] = json!(1.0);
                body
            },
            "width",
        ),
    ] {
        let refused =
            refusal(caller.post("/api/generations", &body).await, StatusCode::INSUFFICIENT_STORAGE).await;
        assert_eq!(
            (refused.code, refused.field.as_deref()),
            (ErrorCode::NotEnoughMemory, Some(field)),
            "{body}"
        );
        assert!(refused.message.contains("MB of memory"), "{}", refused.message);
    }
    let grid = json!({
        "base": small(),
        "x": { "parameter": "width", "values": [64, 2048] },
    });
    let refused = refusal(caller.post("/api/grids", &grid).await, StatusCode::INSUFFICIENT_STORAGE).await;
    assert_eq!(refused.code, ErrorCode::NotEnoughMemory);
    assert!(studio.claim().await.is_none(), "nothing was accepted");
    caller.ask().await;
    assert!(studio.claim().await.is_some());
}
