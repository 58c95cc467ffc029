//! `/api/grids`.

use axum::http::StatusCode;
use chapan_api::grid::GridView;
use chapan_api::image::ImageKind;
use chapan_api::job::{JobKind, JobStatus, JobView};
use serde_json::{Value, json};

use crate::support::{Studio, json_of, refusal, small};

fn grid(x: &Value) -> Value {
    json!({ "base": small(), "x": x })
}

#[tokio::test]
async fn a_grid_is_accepted_as_one_job_and_seen_by_its_owner_only() {
    let studio = Studio::new().await;
    let (ana, ben) = (studio.someone("ana").await, studio.someone("ben").await);
    let body = grid(&json!({ "parameter": "guidance_scale", "values": [1, 5] }));
    let job: JobView = json_of(ana.post("/api/grids", &body).await, StatusCode::ACCEPTED).await;
    assert_eq!((job.kind, job.status, job.generation), (JobKind::Grid, JobStatus::Queued, None));
    let path = format!("/api/grids/{}", job.grid.unwrap());
    let view: GridView = json_of(ana.get(&path).await, StatusCode::OK).await;
    assert!(view.parameters.base.seed.is_some(), "all pictures share one seed");
    assert!(view.sheet.is_none() && view.images.is_empty());
    refusal(ben.get(&path).await, StatusCode::NOT_FOUND).await;
    refusal(ana.get("/api/grids/nothing").await, StatusCode::NOT_FOUND).await;
    assert!(studio.claim().await.is_some() && studio.claim().await.is_none(), "one job");
}

#[tokio::test]
async fn a_grid_with_a_fault_is_refused_before_anybody_waits() {
    let studio = Studio::new().await;
    let caller = studio.local();
    for (body, field) in [
        (grid(&json!({ "parameter": "seed", "values": [] })), "x.values"),
        (grid(&json!({ "parameter": "seed", "values": vec![1; 101] })), "x.values"),
        (grid(&json!({ "parameter": "num_inference_steps", "values": [2, 1e9] })), "x.values[1]"),
        (grid(&json!({ "parameter": "prompt", "search": "hat", "values": ["coat"] })), "x.search"),
        (grid(&json!({ "parameter": "model", "values": ["tiny-sdxl", "none"] })), "model"),
    ] {
        let refused = refusal(caller.post("/api/grids", &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(refused.field.as_deref(), Some(field), "{body}");
    }
    let unknown = grid(&json!({ "parameter": "colour", "values": [1] }));
    refusal(caller.post("/api/grids", &unknown).await, StatusCode::BAD_REQUEST).await;
    assert!(studio.claim().await.is_none(), "nothing was queued");
}

#[tokio::test]
async fn the_sheet_stands_before_the_single_pictures() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let body = grid(&json!({ "parameter": "seed", "values": [1] }));
    let job: JobView = json_of(caller.post("/api/grids", &body).await, StatusCode::ACCEPTED).await;
    let claimed = studio.claim().await.unwrap();
    studio.finish_all(&claimed, &[(ImageKind::Grid, b"sheet"), (ImageKind::Made, b"one")]).await;
    let view: GridView =
        json_of(caller.get(&format!("/api/grids/{}", job.grid.unwrap())).await, StatusCode::OK).await;
    assert_eq!(view.job.images.len(), 2);
    assert_eq!(view.job.image, view.sheet.as_ref().map(|sheet| sheet.id.clone()));
    assert_eq!(view.images[0].grid, Some(view.id));
}
