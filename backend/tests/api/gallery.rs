//! The order of a gallery: search, stars, folders, several pictures at once, archives, and the end of the trash.

use std::io::Read;

use axum::http::{StatusCode, header};
use chapan::server::remove_old_files;
use chapan_api::error::ErrorCode;
use chapan_api::folder::FolderView;
use chapan_api::id::{FolderId, ImageId};
use chapan_api::image::{ChangedImages, EmptiedTrash, ImageView};
use chapan_api::page::Page;
use serde_json::{Value, json};

use crate::support::{Caller, Studio, bytes_of, json_of, refusal};

const DAY_MS: i64 = 24 * 3_600_000;

/// A picture with a prompt of its own.
async fn with_prompt(studio: &Studio, owner: &Caller, prompt: &str, bytes: &'static [u8]) -> ImageId {
    owner.ask().await;
    let claimed = studio.claim().await.unwrap();
    studio.finish_with(&claimed, bytes, prompt).await
}

async fn listed(caller: &Caller, query: &str) -> Vec<ImageId> {
    let page: Page<ImageView> =
        json_of(caller.get(&format!("/api/images{query}")).await, StatusCode::OK).await;
    page.items.into_iter().map(|image| image.id).collect()
}

async fn change(caller: &Caller, images: &[&ImageId], change: Value) -> ChangedImages {
    let body = json!({ "images": images, "change": change });
    json_of(caller.post("/api/images/batch", &body).await, StatusCode::OK).await
}

#[tokio::test]
async fn a_search_finds_prompts_in_any_case_and_takes_signs_as_they_are() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let red = with_prompt(&studio, &caller, "Қызыл шапан, 100%", b"1").await;
    let blue = with_prompt(&studio, &caller, "a Blue_coat", b"2").await;
    let other = studio.someone("ana").await;
    with_prompt(&studio, &other, "қызыл", b"3").await;
    for (search, expected) in [
        ("%D2%9B%D1%8B%D0%B7%D1%8B%D0%BB", vec![&red]), // қызыл
        ("blue", vec![&blue]),
        ("100%25", vec![&red]),
        ("%25", vec![&red]),
        ("_", vec![&blue]),
        ("coat%20x", vec![]),
        ("", vec![&blue, &red]),
    ] {
        let found = listed(&caller, &format!("?search={search}")).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{search}");
    }
    let long = "x".repeat(201);
    refusal(caller.get(&format!("/api/images?search={long}")).await, StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn stars_and_folders_are_kept_and_folders_go_without_their_pictures() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let first = with_prompt(&studio, &caller, "one", b"1").await;
    let second = with_prompt(&studio, &caller, "two", b"2").await;
    let changed = change(&caller, &[&first, &ImageId::new("nothing")], json!({ "star": true })).await;
    assert_eq!((changed.changed, changed.missing), (vec![first.clone()], vec![ImageId::new("nothing")]));
    assert_eq!(listed(&caller, "?starred=true").await, std::slice::from_ref(&first));

    let made = caller.post("/api/folders", &json!({ "name": " Шапан " })).await;
    let folder: FolderView = json_of(made, StatusCode::CREATED).await;
    assert_eq!(folder.name, "Шапан");
    change(&caller, &[&second], json!({ "move": folder.id })).await;
    assert_eq!(listed(&caller, &format!("?folder={}", folder.id)).await, std::slice::from_ref(&second));
    let folders: Vec<FolderView> = json_of(caller.get("/api/folders").await, StatusCode::OK).await;
    assert_eq!(folders, [FolderView { images: 1, ..folder.clone() }]);

    let path = format!("/api/folders/{}", folder.id);
    let taken = caller.post("/api/folders", &json!({ "name": "Шапан" })).await;
    assert_eq!(refusal(taken, StatusCode::CONFLICT).await.code, ErrorCode::AlreadyExists);
    let renamed = caller.put(&path, &json!({ "name": "Coats" })).await;
    assert_eq!(json_of::<FolderView>(renamed, StatusCode::OK).await.name, "Coats");
    for (name, status) in [("", StatusCode::UNPROCESSABLE_ENTITY), ("a\0b", StatusCode::UNPROCESSABLE_ENTITY)]
    {
        refusal(caller.post("/api/folders", &json!({ "name": name })).await, status).await;
    }
    assert_eq!(caller.act("DELETE", &path).await.status(), StatusCode::NO_CONTENT);
    refusal(caller.act("DELETE", &path).await, StatusCode::NOT_FOUND).await;
    assert_eq!(listed(&caller, "").await, [second, first], "the pictures stay");
}

#[tokio::test]
async fn nobody_else_sees_or_changes_an_order() {
    let studio = Studio::new().await;
    let (ana, ben) = (studio.someone("ana").await, studio.someone("ben").await);
    let image = with_prompt(&studio, &ana, "one", b"1").await;
    let made = ana.post("/api/folders", &json!({ "name": "mine" })).await;
    let folder: FolderView = json_of(made, StatusCode::CREATED).await;
    for wish in [json!("delete"), json!({ "star": true }), json!({ "move": null })] {
        assert_eq!(change(&ben, &[&image], wish).await.missing, std::slice::from_ref(&image));
    }
    let stolen = json!({ "images": [image], "change": { "move": folder.id } });
    let refused =
        refusal(ben.post("/api/images/batch", &stolen).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused.field.as_deref(), Some("change.move"));
    let path = format!("/api/folders/{}", folder.id);
    refusal(ben.put(&path, &json!({ "name": "x" })).await, StatusCode::NOT_FOUND).await;
    refusal(ben.act("DELETE", &path).await, StatusCode::NOT_FOUND).await;
    refusal(ben.get(&format!("/api/images/archive?images={image}")).await, StatusCode::UNPROCESSABLE_ENTITY)
        .await;
    assert!(listed(&ben, &format!("?folder={}", folder.id)).await.is_empty());
    assert_eq!(
        json_of::<EmptiedTrash>(ben.act("POST", "/api/images/trash/empty").await, StatusCode::OK)
            .await
            .removed,
        0
    );
    let view: ImageView = json_of(ana.get(&format!("/api/images/{image}")).await, StatusCode::OK).await;
    assert_eq!((view.starred, view.deleted_at_ms, view.folder), (false, None, None::<FolderId>));
}

#[tokio::test]
async fn hostile_wishes_are_refused() {
    let studio = Studio::new().await;
    let caller = studio.local();
    for (body, status) in [
        (json!({ "images": [], "change": "delete" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "images": vec!["i"; 501], "change": "delete" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "images": ["i"], "change": "explode" }), StatusCode::BAD_REQUEST),
        (json!({ "images": ["i"] }), StatusCode::BAD_REQUEST),
        (json!({ "images": ["i"], "change": { "move": "nowhere" } }), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        refusal(caller.post("/api/images/batch", &body).await, status).await;
    }
    let many = vec!["i"; 600].join(",");
    for query in ["", "?images=", "?images=nothing", &format!("?images={many}")] {
        let status = caller.get(&format!("/api/images/archive{query}")).await.status();
        assert!(status.is_client_error(), "{query}: {status}");
    }
}

#[tokio::test]
async fn several_pictures_come_as_one_archive() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let first = with_prompt(&studio, &caller, "one", b"the first picture").await;
    let second = with_prompt(&studio, &caller, "two", b"").await;
    let response = caller.get(&format!("/api/images/archive?images={first},{second},{first}")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/zip");
    assert!(response.headers()[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"));
    let bytes = bytes_of(response).await;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    assert_eq!(archive.len(), 2, "each once");
    for (id, content) in [(&first, "the first picture"), (&second, "")] {
        let mut text = String::new();
        archive.by_name(&format!("chapan-7-{id}.png")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, content);
    }
}

#[tokio::test]
async fn the_trash_is_emptied_at_once_or_after_thirty_days_and_files_that_are_needed_stay() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let shared = with_prompt(&studio, &caller, "one", b"shared").await;
    let twin = with_prompt(&studio, &caller, "two", b"shared").await;
    let alone = with_prompt(&studio, &caller, "three", b"alone").await;
    let old = with_prompt(&studio, &caller, "four", b"old").await;
    let file = async |id: &ImageId| {
        let view: ImageView = json_of(caller.get(&format!("/api/images/{id}")).await, StatusCode::OK).await;
        view.sha256
    };
    let (kept, gone, aged) = (file(&twin).await, file(&alone).await, file(&old).await);
    // From here on the clock is ahead of every file.
    studio.clock.advance(3650 * DAY_MS);
    change(&caller, &[&shared, &alone], json!("delete")).await;
    let emptied = caller.act("POST", "/api/images/trash/empty").await;
    assert_eq!(json_of::<EmptiedTrash>(emptied, StatusCode::OK).await.removed, 2);
    refusal(caller.get(&format!("/api/images/{alone}")).await, StatusCode::NOT_FOUND).await;
    assert!(studio.app.blobs.get(&gone).await.unwrap().is_some(), "files go later than rows");

    change(&caller, &[&old], json!("delete")).await;
    studio.clock.advance(29 * DAY_MS);
    remove_old_files(&studio.app).await.unwrap();
    assert!(studio.app.blobs.get(&gone).await.unwrap().is_none());
    assert!(studio.app.blobs.get(&kept).await.unwrap().is_some(), "another picture has the same file");
    assert_eq!(listed(&caller, "?trash=true").await, std::slice::from_ref(&old));

    studio.clock.advance(2 * DAY_MS);
    remove_old_files(&studio.app).await.unwrap();
    assert!(listed(&caller, "?trash=true").await.is_empty());
    studio.clock.advance(DAY_MS);
    remove_old_files(&studio.app).await.unwrap();
    assert!(studio.app.blobs.get(&aged).await.unwrap().is_none());
    assert_eq!(listed(&caller, "").await, [twin]);
}
