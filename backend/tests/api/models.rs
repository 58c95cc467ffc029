//! `/api/models`, `/api/health` and the description of the interface.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chapan_api::error::ErrorCode;
use chapan_api::health::HealthView;
use chapan_api::id::ModelId;
use chapan_api::model::{ModelFile, ModelView};
use serde_json::{Value, json};

use crate::support::{HOST, MODEL, Studio, bytes_of, json_of, models_dir, refusal, safetensors, small};

#[tokio::test]
async fn installed_models_say_what_they_are() {
    let studio = Studio::new().await;
    let models: Vec<ModelView> = json_of(studio.local().get("/api/models").await, StatusCode::OK).await;
    let tiny = models.iter().find(|model| model.id == ModelId::new(MODEL)).unwrap();
    assert_eq!((tiny.family.as_str(), tiny.default_side), ("sdxl", 64));
    assert!(tiny.size_bytes > 0 && tiny.memory_bytes > tiny.size_bytes && !tiny.loaded);
}

#[tokio::test]
async fn a_model_made_for_inpainting_says_so_and_asks_for_a_mask() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("repaints");
    for part in ["", "unet", "vae", "scheduler", "text_encoder", "text_encoder_2"] {
        std::fs::create_dir_all(copy.join(part)).unwrap();
        for entry in std::fs::read_dir(models_dir().join("nine-channels").join(part)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().extension().is_some_and(|ending| ending == "json") {
                std::fs::copy(entry.path(), copy.join(part).join(entry.file_name())).unwrap();
            }
        }
        if !part.is_empty() {
            let file = safetensors(&[("x", vec![1])], &json!({}));
            std::fs::write(copy.join(part).join("model.safetensors"), file).unwrap();
        }
    }
    let studio = Studio::with(|config| config.models_dirs.push(folder.path().to_owned())).await;
    let caller = studio.local();
    let models: Vec<ModelView> = json_of(caller.get("/api/models").await, StatusCode::OK).await;
    let flags: Vec<_> =
        models.iter().map(|model| (model.id.as_str(), model.inpainting)).filter(|(_, flag)| *flag).collect();
    assert_eq!(flags, [("repaints", true)]);
    let mut body = small();
    body["model"] = json!("repaints");
    let refused =
        refusal(caller.post("/api/generations", &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::InvalidField, Some("model")));
}

#[tokio::test]
async fn health_needs_no_session() {
    let studio = Studio::new().await;
    let response = studio.local().get("/api/health").await;
    assert!(response.headers().get(header::SET_COOKIE).is_none());
    let health: HealthView = json_of(response, StatusCode::OK).await;
    assert!(health.ok);
}

#[tokio::test]
async fn every_route_is_described_and_the_page_loads_nothing_from_elsewhere() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let description: Value = json_of(caller.get("/api/openapi.json").await, StatusCode::OK).await;
    for (path, method) in [
        ("/api/generations", "post"),
        ("/api/jobs/{id}/events", "get"),
        ("/api/jobs/{id}/cancel", "post"),
        ("/api/upscales", "post"),
        ("/api/upscales/{id}", "get"),
        ("/api/upscalers", "get"),
        ("/api/loras", "get"),
        ("/api/images/{id}", "delete"),
        ("/api/images/{id}/file", "get"),
    ] {
        assert!(description["paths"][path][method].is_object(), "{method} {path}");
    }
    let schema = &description["components"]["schemas"]["CreateGeneration"]["properties"];
    assert!(schema["num_inference_steps"].is_object(), "{schema}");
    assert!(
        description["components"]["schemas"]["JobChange"].is_object()
            || description["components"]["schemas"]["JobEvent"].is_object()
    );

    for path in ["/api/docs", "/api/docs/page.js", "/api/docs/page.css"] {
        let response = caller.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let text = String::from_utf8(bytes_of(response).await.to_vec()).unwrap();
        assert!(!text.contains("http://") && !text.contains("https://"), "{path}");
    }
}

#[tokio::test]
async fn a_small_model_is_taken_along_file_by_file() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let list = format!("/api/models/{MODEL}/files");
    let files: Vec<ModelFile> = json_of(caller.get(&list).await, StatusCode::OK).await;
    let unet = files.iter().find(|file| file.path == "unet/diffusion_pytorch_model.safetensors").unwrap();
    let disk = std::fs::read(models_dir().join(MODEL).join(&unet.path)).unwrap();
    assert_eq!(unet.size_bytes, disk.len() as u64);

    let place = format!("{list}/{}", unet.path);
    let plain = caller.get(&place).await;
    assert_eq!(plain.headers()[header::CACHE_CONTROL], "no-cache");
    let tag = plain.headers()[header::ETAG].clone();
    assert_eq!(bytes_of(plain).await, disk);
    let lasting = caller.get(&format!("{place}?sha256={}", unet.sha256)).await;
    assert!(lasting.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    assert_eq!(bytes_of(lasting).await, disk);
    let again = Request::get(&place).header(header::HOST, HOST).header(header::IF_NONE_MATCH, tag);
    let again = caller.send(again.body(Body::empty()).unwrap()).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(bytes_of(again).await.is_empty());
    refusal(caller.get(&format!("{place}?sha256=0123")).await, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn only_files_of_small_models_are_handed_out() {
    let studio = Studio::new().await;
    let caller = studio.local();
    for place in [
        "/api/models/nobody/files",
        "/api/models/../files",
        "/api/models/%2e%2e%2fpipelines/files",
        "/api/models/tiny-sdxl/files/unet/../../cases.json",
        "/api/models/tiny-sdxl/files/..%2f..%2fcases.json",
        "/api/models/tiny-sdxl/files/unet",
        "/api/models/tiny-sdxl/files//etc/passwd",
    ] {
        assert_eq!(caller.get(place).await.status(), StatusCode::NOT_FOUND, "{place}");
    }
}

#[tokio::test]
async fn a_large_model_stays_where_it_is() {
    let models = tempfile::tempdir().unwrap();
    let folder = models.path().join("large");
    std::fs::create_dir(&folder).unwrap();
    let weights = std::fs::File::create(folder.join("model.safetensors")).unwrap();
    weights.set_len(65 << 20).unwrap();
    let dirs = vec![models.path().to_owned()];
    let studio = Studio::with(|config| config.models_dirs = dirs).await;
    let caller = studio.local();
    refusal(caller.get("/api/models/large/files").await, StatusCode::NOT_FOUND).await;
    // With its tokenizers a prompt can be counted.
    std::fs::create_dir(folder.join("tokenizer")).unwrap();
    std::fs::write(folder.join("tokenizer/vocab.json"), "{}").unwrap();
    let files: Vec<ModelFile> = json_of(caller.get("/api/models/large/files").await, StatusCode::OK).await;
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["tokenizer/vocab.json"]);
    refusal(caller.get("/api/models/large/files/model.safetensors").await, StatusCode::NOT_FOUND).await;
}
