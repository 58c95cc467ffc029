//! `/api/models`, `/api/health` and the description of the interface.

use axum::http::{StatusCode, header};
use chapan_api::health::HealthView;
use chapan_api::id::ModelId;
use chapan_api::model::ModelView;
use serde_json::Value;

use crate::support::{MODEL, Studio, bytes_of, json_of};

#[tokio::test]
async fn installed_models_say_what_they_are() {
    let studio = Studio::new().await;
    let models: Vec<ModelView> = json_of(studio.local().get("/api/models").await, StatusCode::OK).await;
    let tiny = models.iter().find(|model| model.id == ModelId::new(MODEL)).unwrap();
    assert_eq!((tiny.family.as_str(), tiny.default_side), ("sdxl", 64));
    assert!(tiny.size_bytes > 0 && tiny.memory_bytes > tiny.size_bytes && !tiny.loaded);
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
