//! `/api/datasets`: pictures with captions, one by one, packed, or those that ship; and what is seen in them.

use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use chapan::api::router;
use chapan::clock::SystemClock;
use chapan::files::png::encode_bare_png;
use chapan::server::Server;
use chapan_api::dataset::DatasetView;
use chapan_api::error::ErrorCode;
use chapan_api::image::{ImageKind, ImageView};
use chapan_api::job::{JobKind, JobStatus, JobView};
use chapan_api::page::Page;
use chapan_api::training::FindingCode;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::{Value, json};

use crate::server::wait;
use crate::support::{Caller, Studio, bytes_of, config, json_of, peak_memory, refusal, shipped_models_dir};

/// A picture that is like no other of another seed.
pub fn picture(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let rgb: Vec<u8> =
        (0..width * height).flat_map(|i| [(i % 251) as u8, (seed * 37) as u8, seed as u8]).collect();
    encode_bare_png(width, height, &rgb).unwrap()
}

/// An archive of these files, deflated.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let plain: Vec<_> = files.iter().map(|(name, bytes)| (*name, 0o100_644, *bytes)).collect();
    zip_with_modes(&plain)
}

/// The same of files that say what they are, as Unix has it.
fn zip_with_modes(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, mode, bytes) in files {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(bytes).unwrap();
        let packed = packed.finish().unwrap();
        let offset = archive.len() as u32;
        // Version, names in UTF-8, deflated, time, date, check sum, both sizes, length of the name, nothing extra.
        let mut shared: Vec<u8> = [20_u16, 0x0800, 8, 0, 0x21].iter().flat_map(|n| n.to_le_bytes()).collect();
        for number in [crc32fast::hash(bytes), packed.len() as u32, bytes.len() as u32] {
            shared.extend(number.to_le_bytes());
        }
        shared.extend((name.len() as u16).to_le_bytes());
        shared.extend([0, 0]);
        archive.extend(b"PK\x03\x04");
        archive.extend(&shared);
        archive.extend(name.as_bytes());
        archive.extend(&packed);
        // Made by Unix; no comment, first disk, plain; then the mode and where the file begins.
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&shared);
        directory.extend([0; 6]);
        directory.extend((mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, size, count) = (archive.len() as u32, directory.len() as u32, files.len() as u16);
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(size.to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0, 0]);
    archive
}

pub async fn send_archive(caller: &Caller, name: &str, bytes: Vec<u8>) -> Response<Body> {
    let request = Request::post(format!("/api/datasets/archive?name={name}"));
    let request = request.header(header::CONTENT_TYPE, "application/zip");
    caller.send(request.body(Body::from(bytes)).unwrap()).await
}

async fn patch(caller: &Caller, id: &str, body: &Value) -> Response<Body> {
    let request =
        Request::patch(format!("/api/datasets/{id}")).header(header::CONTENT_TYPE, "application/json");
    caller.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn get(caller: &Caller, id: &str) -> DatasetView {
    json_of(caller.get(&format!("/api/datasets/{id}")).await, StatusCode::OK).await
}

async fn reference(caller: &Caller, bytes: Vec<u8>) -> ImageView {
    let request = Request::post("/api/images?reference=true").header(header::CONTENT_TYPE, "image/png");
    json_of(caller.send(request.body(Body::from(bytes)).unwrap()).await, StatusCode::CREATED).await
}

#[tokio::test]
async fn a_dataset_is_made_changed_and_removed_with_the_pictures_that_came_for_it() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let (first, second) =
        (reference(&caller, picture(64, 64, 1)).await, caller.upload(picture(64, 48, 2)).await);
    assert_eq!(first.kind, ImageKind::Reference);
    let listed: Page<ImageView> = json_of(caller.get("/api/images").await, StatusCode::OK).await;
    assert_eq!(listed.items.len(), 1, "references are not listed");

    let body = json!({ "name": " Aldar ", "trigger_word": "aldar kose", "images": [first.id] });
    let made: DatasetView = json_of(caller.post("/api/datasets", &body).await, StatusCode::CREATED).await;
    assert_eq!((made.name.as_str(), made.pictures.len()), ("Aldar", 1));
    let id = made.id.to_string();
    let more = json!({ "images": [first.id, second.id] });
    let path = format!("/api/datasets/{id}/images");
    let now: DatasetView = json_of(caller.post(&path, &more).await, StatusCode::OK).await;
    assert_eq!(now.pictures.len(), 2, "what is there stays once");
    assert_eq!((now.pictures[1].width, now.pictures[1].height), (64, 48));

    let change = json!({ "name": "Köse", "trigger_word": "", "pictures": [
        { "image": first.id, "caption": " smiling " }, { "image": second.id, "held_out": true }] });
    let now: DatasetView = json_of(patch(&caller, &id, &change).await, StatusCode::OK).await;
    assert_eq!((now.name.as_str(), now.trigger_word.as_deref()), ("Köse", None));
    assert_eq!((now.pictures[0].caption.as_str(), now.pictures[1].held_out), ("smiling", true));
    let strange = json!({ "name": "lost", "pictures": [{ "image": "nobody's", "caption": "x" }] });
    let refused = refusal(patch(&caller, &id, &strange).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused.field.as_deref(), Some("pictures[0].image"));
    assert_eq!(get(&caller, &id).await.name, "Köse", "all or nothing");

    let other = studio.someone("other").await;
    for (method, path) in [
        ("GET", format!("/api/datasets/{id}")),
        ("DELETE", format!("/api/datasets/{id}")),
        ("DELETE", format!("/api/datasets/{id}/images/{}", first.id)),
        ("POST", format!("/api/datasets/{id}/analysis")),
    ] {
        refusal(other.act(method, &path).await, StatusCode::NOT_FOUND).await;
    }
    let theirs = json!({ "name": "x", "images": [first.id] });
    let refused = refusal(other.post("/api/datasets", &theirs).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused.field.as_deref(), Some("images[0]"));

    let left: DatasetView =
        json_of(caller.act("DELETE", &format!("{path}/{}", second.id)).await, StatusCode::OK).await;
    assert_eq!(left.pictures.len(), 1);
    assert_eq!(caller.act("DELETE", &format!("/api/datasets/{id}")).await.status(), StatusCode::NO_CONTENT);
    refusal(caller.get(&format!("/api/datasets/{id}")).await, StatusCode::NOT_FOUND).await;
    let image = async |image: &ImageView| -> ImageView {
        json_of(caller.get(&format!("/api/images/{}", image.id)).await, StatusCode::OK).await
    };
    assert!(image(&first).await.deleted_at_ms.is_some(), "it came for the dataset and goes with it");
    assert!(image(&second).await.deleted_at_ms.is_none(), "it is a picture of the gallery");
}

#[tokio::test]
async fn a_picture_of_a_dataset_outlasts_the_trash() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let image = caller.upload(picture(64, 64, 1)).await;
    let body = json!({ "name": "Aldar", "images": [image.id] });
    let made: DatasetView = json_of(caller.post("/api/datasets", &body).await, StatusCode::CREATED).await;
    caller.act("DELETE", &format!("/api/images/{}", image.id)).await;
    assert_eq!(caller.act("POST", "/api/images/trash/empty").await.status(), StatusCode::OK);
    assert_eq!(get(&caller, made.id.as_str()).await.pictures.len(), 1);
    assert_eq!(caller.get(&image.url).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_archive_of_any_layout_becomes_a_dataset() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let (a, b, c) = (picture(64, 64, 1), picture(96, 64, 2), picture(64, 64, 3));
    let archive = zip(&[
        ("aldar/training/a.png", &a),
        ("aldar/training/a.txt", b"aldar, smiling"),
        ("aldar/training/b.png", &b),
        ("aldar/training/b.txt", b"aldar, sad"),
        ("aldar/training/again.png", &a),
        ("aldar/training/broken.png", &a[..a.len() / 2]),
        ("aldar/training/binary.png", &picture(64, 64, 9)),
        ("aldar/training/binary.txt", b"\xff\xfe\x00"),
        ("aldar/training/nested.zip", &zip(&[("x.png", &a)])),
        ("aldar/held-out/c.png", &c),
        ("aldar/held-out/c.txt", b"aldar, angry"),
        ("__MACOSX/aldar/._a.png", b"x"),
    ]);
    let made: DatasetView =
        json_of(send_archive(&caller, "Aldar%20K%C3%B6se", archive).await, StatusCode::CREATED).await;
    assert_eq!(made.name, "Aldar Köse");
    let seen: Vec<_> =
        made.pictures.iter().map(|p| (p.name.as_str(), p.caption.as_str(), p.held_out)).collect();
    assert_eq!(
        seen,
        [
            ("aldar/training/a.png", "aldar, smiling", false),
            ("aldar/training/b.png", "aldar, sad", false),
            ("aldar/training/binary.png", "", false),
            ("aldar/held-out/c.png", "aldar, angry", true),
        ]
    );
    let mut found: Vec<_> = made.findings.iter().map(|f| (f.code, f.file.clone().unwrap())).collect();
    found.sort_by(|a, b| a.1.cmp(&b.1));
    let file = |name: &str| format!("aldar/training/{name}");
    assert_eq!(
        found,
        [
            (FindingCode::Duplicate, file("again.png")),
            (FindingCode::BadCaption, file("binary.png")),
            (FindingCode::Unreadable, file("broken.png")),
            (FindingCode::Unreadable, file("nested.zip")),
        ]
    );
    let kept: DatasetView = get(&caller, made.id.as_str()).await;
    assert_eq!(kept.findings.len(), 4);
    let page: Page<DatasetView> = json_of(caller.get("/api/datasets").await, StatusCode::OK).await;
    assert_eq!(page.items.len(), 1);
}

#[tokio::test]
async fn a_hostile_archive_is_refused_and_costs_little() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let png = picture(64, 64, 1);
    let zeros = vec![0; 20 << 20];
    let bombs: Vec<(String, &[u8])> = (0..3).map(|i| (format!("{i}.png"), zeros.as_slice())).collect();
    let bombs: Vec<(&str, &[u8])> = bombs.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let many: Vec<String> = (0..3000).map(|i| format!("{i}.txt")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let pictures: Vec<(String, Vec<u8>)> =
        (0..201).map(|i| (format!("{i}.png"), picture(64, 64, i))).collect();
    let pictures: Vec<(&str, &[u8])> =
        pictures.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let flood = encode_bare_png(5000, 5000, &vec![7; 75_000_000]).unwrap();
    let flood: Vec<(String, &[u8])> = (0..20).map(|i| (format!("{i}.png"), flood.as_slice())).collect();
    let flood: Vec<(&str, &[u8])> = flood.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let mut cut = zip(&[("a.png", &png)]);
    cut.truncate(cut.len() / 2);

    let unreadable = StatusCode::UNPROCESSABLE_ENTITY;
    let too_large = StatusCode::PAYLOAD_TOO_LARGE;
    let hostile = [
        ("nothing", Vec::new(), unreadable),
        ("text", b"hello".to_vec(), unreadable),
        ("cut off", cut, unreadable),
        ("no picture", zip(&[("a.txt", b"hello")]), unreadable),
        ("up", zip(&[("../../a.png", &png)]), unreadable),
        ("root", zip(&[("/tmp/a.png", &png)]), unreadable),
        ("backslash", zip(&[("..\\a.png", &png)]), unreadable),
        ("drive", zip(&[("C:/a.png", &png)]), unreadable),
        ("link", zip_with_modes(&[("a.png", 0o120_777, b"/etc/passwd")]), unreadable),
        ("twice", zip(&[("a.png", &png), ("A.PNG", &png)]), unreadable),
        ("bombs", zip(&bombs), too_large),
        ("many files", zip(&many), too_large),
        ("201 pictures", zip(&pictures), too_large),
        ("pixels", zip(&flood), too_large),
    ];
    let before = peak_memory();
    for (what, bytes, status) in hostile {
        let response = send_archive(&caller, "x", bytes).await;
        let got = response.status();
        assert!(got == status, "{what}: {got}, {}", String::from_utf8_lossy(&bytes_of(response).await));
    }
    let grown = (peak_memory() - before) >> 20;
    assert!(grown < 256, "{grown} MB more");
    let page: Page<DatasetView> = json_of(caller.get("/api/datasets").await, StatusCode::OK).await;
    assert!(page.items.is_empty());
    let left = std::fs::read_dir(&studio.app.config.data_dir).unwrap().flatten();
    let names: Vec<String> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| !name.starts_with("archive-")), "{names:?}");

    let request = Request::post("/api/datasets/archive?name=x").header(header::CONTENT_TYPE, "image/png");
    let refused = caller.send(request.body(Body::from(zip(&[("a.png", &png)]))).unwrap()).await;
    refusal(refused, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
}

#[tokio::test]
async fn two_hundred_pictures_are_a_dataset_and_one_more_is_not() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let pictures: Vec<(String, Vec<u8>)> =
        (0..200).map(|i| (format!("{i:03}.png"), picture(40 + i % 9, 40 + i % 7, i))).collect();
    let pictures: Vec<(&str, &[u8])> =
        pictures.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let made: DatasetView =
        json_of(send_archive(&caller, "many", zip(&pictures)).await, StatusCode::CREATED).await;
    assert_eq!(made.pictures.len(), 200);
    let one = caller.upload(picture(64, 64, 201)).await;
    let path = format!("/api/datasets/{}/images", made.id);
    let refused = caller.post(&path, &json!({ "images": [one.id] })).await;
    let refused = refusal(refused, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::InvalidField, Some("images")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_looked_at_and_what_is_seen_stands_beside_each_picture() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.models_dirs.push(shipped_models_dir());
    let server = Server::start(config, Arc::new(SystemClock)).await.unwrap();
    let caller = Caller::of(router(server.app().clone()));
    let response = caller.post("/api/datasets/example", &json!({ "name": "aldar" })).await;
    let made: DatasetView = json_of(response, StatusCode::CREATED).await;
    assert_eq!((made.name.as_str(), made.trigger_word.as_deref()), ("Aldar", Some("aldar kose")));
    assert_eq!(made.pictures.iter().filter(|picture| !picture.held_out).count(), 5);
    assert!(made.pictures.iter().any(|picture| picture.held_out) && made.findings.is_empty());
    let strange = caller.post("/api/datasets/example", &json!({ "name": "../../etc" })).await;
    refusal(strange, StatusCode::UNPROCESSABLE_ENTITY).await;

    let path = format!("/api/datasets/{}/analysis", made.id);
    let job: JobView = json_of(caller.act("POST", &path).await, StatusCode::ACCEPTED).await;
    assert_eq!((job.kind, job.dataset.as_ref()), (JobKind::Analysis, Some(&made.id)));
    let ended = wait(&caller, &job).await;
    assert_eq!(ended.status, JobStatus::Succeeded, "{:?}", ended.error);
    let seen = get(&caller, made.id.as_str()).await;
    let together = seen.analysis.unwrap();
    assert!(together.pictures.is_empty() && seen.analysis_job.is_none());
    assert!(together.training_prompt.starts_with("aldar kose, "), "{}", together.training_prompt);
    assert!(!together.key_features.is_empty());
    for picture in &seen.pictures {
        let shown = picture.analysis.as_ref().unwrap();
        assert!(shown.caption.starts_with("aldar kose") && !shown.groups.is_empty());
    }
    let page: Page<DatasetView> = json_of(caller.get("/api/datasets").await, StatusCode::OK).await;
    assert!(page.items[0].analysis.is_none() && page.items[0].pictures[0].analysis.is_none());
    let gone = format!("/api/datasets/{}/images/{}", made.id, seen.pictures[0].image);
    let left: DatasetView = json_of(caller.act("DELETE", &gone).await, StatusCode::OK).await;
    assert!(left.analysis.is_none() && left.pictures[0].analysis.is_some());
    server.stop().await;
}
