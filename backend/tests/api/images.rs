//! `/api/images`.

use axum::http::{StatusCode, header};
use chapan_api::id::ImageId;
use chapan_api::image::ImageView;
use chapan_api::page::Page;

use crate::support::{Caller, Studio, bytes_of, json_of, refusal};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot really";

async fn with_image(studio: &Studio, owner: &Caller) -> ImageId {
    owner.ask().await;
    studio.finish(&studio.claim().await.unwrap(), PNG).await
}

async fn listed(caller: &Caller, path: &str) -> Vec<ImageId> {
    let page: Page<ImageView> = json_of(caller.get(path).await, StatusCode::OK).await;
    page.items.into_iter().map(|image| image.id).collect()
}

#[tokio::test]
async fn a_file_is_sent_to_its_owner_and_cannot_do_anything() {
    let studio = Studio::new().await;
    let ana = studio.someone("ana").await;
    let id = with_image(&studio, &ana).await;
    let view: ImageView = json_of(ana.get(&format!("/api/images/{id}")).await, StatusCode::OK).await;
    assert_eq!(view.size_bytes, PNG.len() as u64);
    let response = ana.get(&view.url).await;
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header(header::CONTENT_TYPE), "image/png");
    assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert!(header(header::CONTENT_SECURITY_POLICY).starts_with("sandbox"));
    assert!(
        header(header::CACHE_CONTROL).starts_with("private")
            && !header(header::CACHE_CONTROL).contains("public")
    );
    assert!(header(header::CONTENT_DISPOSITION).starts_with("inline"));
    assert_eq!(bytes_of(response).await, PNG);
    let kept = ana.get(&format!("{}?download=true", view.url)).await;
    assert!(kept.headers()[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"));
}

#[tokio::test]
async fn nobody_else_sees_or_changes_a_picture() {
    let studio = Studio::new().await;
    let ana = studio.someone("ana").await;
    let ben = studio.someone("ben").await;
    let id = with_image(&studio, &ana).await;
    let path = format!("/api/images/{id}");
    for refused in [
        ben.get(&path).await,
        ben.get(&format!("{path}/file")).await,
        ben.act("DELETE", &path).await,
        ben.act("POST", &format!("{path}/restore")).await,
        ana.get("/api/images/nothing").await,
        ana.get("/api/images/nothing/file").await,
        ana.act("DELETE", "/api/images/nothing").await,
    ] {
        refusal(refused, StatusCode::NOT_FOUND).await;
    }
    assert!(listed(&ben, "/api/images").await.is_empty());
    assert_eq!(listed(&ana, "/api/images").await, [id], "nothing was deleted");
}

#[tokio::test]
async fn deleting_can_be_undone() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let id = with_image(&studio, &caller).await;
    let path = format!("/api/images/{id}");
    let gone: ImageView = json_of(caller.act("DELETE", &path).await, StatusCode::OK).await;
    assert!(gone.deleted_at_ms.is_some());
    assert!(listed(&caller, "/api/images").await.is_empty());
    assert_eq!(listed(&caller, "/api/images?trash=true").await, std::slice::from_ref(&id));
    studio.clock.advance(1000);
    let twice: ImageView = json_of(caller.act("DELETE", &path).await, StatusCode::OK).await;
    assert_eq!(twice.deleted_at_ms, gone.deleted_at_ms, "the first time counts");
    let back: ImageView = json_of(caller.act("POST", &format!("{path}/restore")).await, StatusCode::OK).await;
    assert_eq!(back.deleted_at_ms, None);
    assert_eq!(listed(&caller, "/api/images").await, [id]);
}

#[tokio::test]
async fn pages_follow_their_cursor() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(with_image(&studio, &caller).await);
    }
    ids.reverse();
    let page: Page<ImageView> = json_of(caller.get("/api/images?limit=2").await, StatusCode::OK).await;
    let cursor = page.next_cursor.unwrap();
    let mut seen: Vec<_> = page.items.into_iter().map(|image| image.id).collect();
    seen.extend(listed(&caller, &format!("/api/images?limit=2&cursor={cursor}")).await);
    assert_eq!(seen, ids);
    refusal(caller.get("/api/images?limit=many").await, StatusCode::BAD_REQUEST).await;
    refusal(caller.get("/api/images?sort=x").await, StatusCode::BAD_REQUEST).await;
}

#[tokio::test]
async fn a_damaged_file_is_a_fault_of_ours_without_details() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let id = with_image(&studio, &caller).await;
    let view: ImageView = json_of(caller.get(&format!("/api/images/{id}")).await, StatusCode::OK).await;
    let file = studio.app.config.data_dir.join("blobs").join(&view.sha256[..2]).join(&view.sha256);
    std::fs::write(&file, "other bytes").unwrap();
    let refused = refusal(caller.get(&view.url).await, StatusCode::INTERNAL_SERVER_ERROR).await;
    let text = serde_json::to_string(&refused).unwrap();
    assert!(!text.contains("blobs") && !text.contains(&view.sha256), "{text}");
}
