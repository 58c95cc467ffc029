//! `/api/downloads` and what stands behind it, against a hub that speaks the real protocol and misbehaves.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use axum::http::StatusCode;
use chapan::config::Secret;
use chapan::hub::Checkpoint;
use chapan::hub::remote::{
    Arrived, Hub, HubError, HubOptions, Precision, Progress, Revision, Wanted, install, unfinished,
};
use chapan_api::download::{DownloadStatus, DownloadView};
use chapan_api::error::ErrorCode;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::hub::{COMMIT, Fault, Headers, PlayedHub, TOKEN};
use crate::support::{Studio, json_of, models_dir, refusal};

const LORA: &str = "pytorch_lora_weights.safetensors";

/// A status and headers of the hub, and what is said of them.
type Case = (u16, Headers, &'static str);

/// A place to install into.
struct Place {
    folder: TempDir,
    told: Mutex<Vec<Progress>>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), told: Mutex::default() }
    }

    fn models(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    async fn fetch(&self, hub: &PlayedHub, repo: &str) -> Result<Arrived, HubError> {
        self.fetch_as(hub, repo, None).await
    }

    async fn fetch_as(&self, hub: &PlayedHub, repo: &str, token: Option<&str>) -> Result<Arrived, HubError> {
        let options = HubOptions { endpoint: hub.endpoint(), token: token.and_then(Secret::new) };
        let (_stop, stopped) = watch::channel(false);
        let report = |progress| self.told.lock().unwrap().push(progress);
        install(&Hub::new(&options).unwrap(), &wanted(repo)?, &self.models(), &report, &stopped).await
    }
}

fn wanted(repo: &str) -> Result<Wanted, HubError> {
    Ok(Wanted { repo: repo.parse()?, revision: Revision::default(), file: None, precision: Precision::Half })
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index * 31 % 251) as u8).collect()
}

async fn hub_with_lora() -> PlayedHub {
    let hub = PlayedHub::start().await;
    hub.add(LORA, bytes(300_000));
    hub
}

#[tokio::test]
async fn a_model_arrives_whole_and_the_catalog_sees_it() {
    let hub = PlayedHub::start().await;
    hub.add_folder(&models_dir().join("tiny-sdxl"));
    hub.add("unet/diffusion_pytorch_model.bin", bytes(10));
    let place = Place::new();
    let arrived = place.fetch(&hub, "someone/small-one").await.unwrap();
    assert_eq!((arrived.id.as_str(), arrived.was_there), ("small-one", false));
    let checkpoint = Checkpoint::read(&arrived.path).unwrap().unwrap();
    assert_eq!(checkpoint.family, "sdxl");
    let original = models_dir().join("tiny-sdxl/unet/diffusion_pytorch_model.safetensors");
    let copy = arrived.path.join("unet/diffusion_pytorch_model.safetensors");
    assert_eq!(std::fs::read(copy).unwrap(), std::fs::read(original).unwrap());
    assert!(!arrived.path.join("unet/diffusion_pytorch_model.bin").exists());
    let source = std::fs::read_to_string(arrived.path.join("source.json")).unwrap();
    assert!(source.contains(COMMIT) && source.contains("someone/small-one"));
    assert!(std::fs::read_dir(place.models().join(".incoming")).unwrap().next().is_none());
    let told = place.told.lock().unwrap().clone();
    assert!(told.windows(2).all(|pair| pair[0].done_bytes <= pair[1].done_bytes));
    let last = told.last().unwrap();
    assert_eq!(last.done_bytes, last.total_bytes);
    let again = place.fetch(&hub, "someone/small-one").await.unwrap();
    assert!(again.was_there);
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let hub = hub_with_lora().await;
    hub.gate();
    let place = Place::new();
    place.fetch_as(&hub, "someone/a-lora", Some(TOKEN)).await.unwrap();
    let seen = hub.seen();
    assert!(seen.iter().any(|seen| seen.at == "store"));
    for seen in seen {
        assert_eq!(seen.token.is_some(), seen.at == "hub", "{seen:?}");
    }
}

#[tokio::test]
async fn a_cut_connection_goes_on_where_it_was() {
    let hub = hub_with_lora().await;
    hub.fault(LORA, Fault::Cut(100_000));
    hub.fault(LORA, Fault::Cut(50_000));
    let place = Place::new();
    let arrived = place.fetch(&hub, "someone/a-lora").await.unwrap();
    assert_eq!(arrived.id.as_str(), "a-lora");
    assert_eq!(std::fs::read(&arrived.path).unwrap(), bytes(300_000));
    let ranges: Vec<Option<String>> =
        hub.seen().into_iter().filter(|seen| seen.at == "store").map(|seen| seen.range).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-".to_owned()), Some("bytes=150000-".to_owned())]);
}

#[tokio::test]
async fn another_start_goes_on_too_unless_the_file_has_changed() {
    let hub = hub_with_lora().await;
    let broken = |hub: &PlayedHub| {
        hub.fault(LORA, Fault::Cut(100_000));
        hub.fault(LORA, Fault::Status(403, vec![]));
    };
    broken(&hub);
    let place = Place::new();
    assert!(place.fetch(&hub, "someone/a-lora").await.is_err());
    let left = unfinished(&place.models());
    assert_eq!(left[0].wanted.repo, "someone/a-lora");
    assert!(left[0].done_bytes >= 100_000);
    place.fetch(&hub, "someone/a-lora").await.unwrap();
    assert_eq!(hub.seen().last().unwrap().range.as_deref(), Some("bytes=100000-"));

    let place = Place::new();
    broken(&hub);
    assert!(place.fetch(&hub, "someone/a-lora").await.is_err());
    hub.add(LORA, bytes(310_000).into_iter().rev().collect());
    let arrived = place.fetch(&hub, "someone/a-lora").await.unwrap();
    assert_eq!(hub.seen().last().unwrap().range, None);
    assert_eq!(std::fs::read(arrived.path).unwrap().len(), 310_000);
}

#[tokio::test]
async fn stores_that_do_not_know_ranges_are_borne_with() {
    for fault in [Fault::Whole, Fault::Status(416, vec![("content-range", "bytes */300000")])] {
        let hub = hub_with_lora().await;
        hub.fault(LORA, Fault::Cut(100_000));
        hub.fault(LORA, fault);
        let place = Place::new();
        let arrived = place.fetch(&hub, "someone/a-lora").await.unwrap();
        assert_eq!(std::fs::read(arrived.path).unwrap(), bytes(300_000));
    }
}

#[tokio::test]
async fn what_arrives_damaged_is_not_installed() {
    let hub = hub_with_lora().await;
    hub.fault(LORA, Fault::Tampered);
    let place = Place::new();
    // Once may be an accident.
    place.fetch(&hub, "someone/a-lora").await.unwrap();
    let place = Place::new();
    hub.fault(LORA, Fault::Tampered);
    hub.fault(LORA, Fault::Tampered);
    let error = place.fetch(&hub, "someone/a-lora").await.unwrap_err();
    assert!(matches!(error, HubError::Damaged { .. }), "{error}");
    assert!(!place.models().join("a-lora.safetensors").exists());
    hub.fault(LORA, Fault::TooLong);
    let error = place.fetch(&hub, "someone/a-lora").await.unwrap_err().to_string();
    assert!(error.contains("longer than the 300000 bytes"), "{error}");
}

#[tokio::test]
async fn a_small_file_is_compared_too() {
    let hub = PlayedHub::start().await;
    hub.add_folder(&models_dir().join("tiny-sdxl"));
    hub.fault("model_index.json", Fault::Tampered);
    hub.fault("model_index.json", Fault::Tampered);
    let error = Place::new().fetch(&hub, "someone/small-one").await.unwrap_err();
    assert!(matches!(error, HubError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let gated = hub_with_lora().await;
    gated.gate();
    let place = Place::new();
    let error = place.fetch(&gated, "someone/a-lora").await.unwrap_err().to_string();
    assert!(
        error.contains("gated") && error.contains("HF_TOKEN") && error.contains("accept the terms"),
        "{error}"
    );
    let error = place.fetch_as(&gated, "someone/a-lora", Some("hf_other")).await.unwrap_err();
    assert!(matches!(error, HubError::TokenRefused), "{error}");
    assert!(!error.to_string().contains("hf_other"));

    let cases: [Case; 6] = [
        (403, vec![("x-error-code", "GatedRepo")], "have not been accepted"),
        (403, vec![("x-error-message", "Access to this resource is disabled.")], "disabled"),
        (401, vec![("x-error-code", "RepoNotFound")], "has no repository"),
        (429, vec![("retry-after", "55")], "wait 55 seconds"),
        (500, vec![], "status 500"),
        (418, vec![], "status 418"),
    ];
    for (status, headers, said) in cases {
        let hub = hub_with_lora().await;
        hub.refuse(status, headers);
        let error = place.fetch_as(&hub, "someone/a-lora", Some(TOKEN)).await.unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("\nhint: "), "{status}: {error}");
    }
    let hub = hub_with_lora().await;
    assert!(matches!(place.fetch(&hub, "someone/missing").await, Err(HubError::NoRepository { .. })));
    let nowhere = Wanted { revision: "nowhere".parse().unwrap(), ..wanted("someone/a-lora").unwrap() };
    let (_stop, stopped) = watch::channel(false);
    let client = Hub::new(&HubOptions { endpoint: hub.endpoint(), token: None }).unwrap();
    let done = install(&client, &nowhere, &place.models(), &|_| {}, &stopped).await;
    assert!(matches!(done, Err(HubError::NoRevision { .. })));
    let nobody = Hub::new(&HubOptions { endpoint: "http://127.0.0.1:1".to_owned(), token: None }).unwrap();
    let done = install(&nobody, &wanted("a/b").unwrap(), &place.models(), &|_| {}, &stopped).await;
    assert!(matches!(done, Err(HubError::Unreachable { .. })));
}

#[tokio::test]
async fn a_short_wait_that_the_hub_asks_for_is_waited() {
    let hub = hub_with_lora().await;
    hub.fault(LORA, Fault::Status(429, vec![("retry-after", "0")]));
    hub.fault(LORA, Fault::Status(503, vec![]));
    Place::new().fetch(&hub, "someone/a-lora").await.unwrap();
}

#[tokio::test]
async fn only_what_can_run_and_fits_is_fetched() {
    let place = Place::new();
    let hub = PlayedHub::start().await;
    hub.add("pytorch_model.bin", bytes(10));
    let error = place.fetch(&hub, "someone/old").await.unwrap_err();
    assert!(matches!(error, HubError::Pickle { .. }), "{error}");

    let hub = PlayedHub::start().await;
    hub.add("model_index.json", br#"{"_class_name": "FluxPipeline"}"#.to_vec());
    hub.add("vae/diffusion_pytorch_model.safetensors", bytes(1000));
    let error = place.fetch(&hub, "someone/flux").await.unwrap_err();
    assert!(matches!(error, HubError::Unsupported { .. }), "{error}");
    assert!(hub.seen().iter().all(|seen| seen.at == "hub"), "no weights were fetched");

    let hub = PlayedHub::start().await;
    hub.add_claiming(LORA, bytes(10), 1 << 42);
    let error = place.fetch(&hub, "someone/huge").await.unwrap_err();
    assert!(matches!(error, HubError::DiskFull { .. }), "{error}");
}

#[tokio::test]
async fn a_listing_cannot_lead_out_of_the_folder() {
    let hub = hub_with_lora().await;
    for path in ["../../escape.safetensors", "/tmp/escape.safetensors", "a\\..\\escape.safetensors"] {
        let oid = "0".repeat(64);
        hub.list(json!({ "type": "file", "path": path, "size": 1, "oid": "1".repeat(40),
                         "lfs": { "oid": oid, "size": 1, "pointerSize": 1 } }));
    }
    let place = Place::new();
    let arrived = place.fetch(&hub, "someone/a-lora").await.unwrap();
    assert_eq!(arrived.id.as_str(), "a-lora");
}

/// Asks until the download is as `fits` wants it.
async fn until(studio: &Studio, fits: impl Fn(&DownloadView) -> bool) -> DownloadView {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..500 {
        looks.tick().await;
        let list: Vec<DownloadView> =
            json_of(studio.local().get("/api/downloads").await, StatusCode::OK).await;
        if let Some(view) = list.into_iter().find(&fits) {
            return view;
        }
    }
    panic!("the download did not get there");
}

#[tokio::test]
async fn the_page_starts_stops_and_goes_on() {
    let hub = hub_with_lora().await;
    hub.fault(LORA, Fault::Cut(100_000));
    hub.fault(LORA, Fault::Silence);
    let studio = Studio::with(|config| config.hub_endpoint = Some(hub.endpoint())).await;
    let caller = studio.local();
    let wish = json!({ "repo": "someone/a-lora" });
    let started: DownloadView =
        json_of(caller.post("/api/downloads", &wish).await, StatusCode::ACCEPTED).await;
    assert_eq!(started.status, DownloadStatus::Running);
    until(&studio, |view| {
        view.done_bytes == 100_000 && hub.seen().iter().filter(|seen| seen.at == "store").count() == 2
    })
    .await;
    let busy = caller.act("DELETE", &format!("/api/downloads/{}", started.id)).await;
    assert_eq!(refusal(busy, StatusCode::CONFLICT).await.code, ErrorCode::Conflict);
    let stopped = caller.act("POST", &format!("/api/downloads/{}/stop", started.id)).await;
    assert_eq!(stopped.status(), StatusCode::OK);
    let paused = until(&studio, |view| view.status == DownloadStatus::Paused).await;
    assert_eq!(paused.done_bytes, 100_000);
    caller.post("/api/downloads", &wish).await;
    let done = until(&studio, |view| view.status == DownloadStatus::Succeeded).await;
    assert_eq!(done.model.unwrap().as_str(), "a-lora");
    let removed = caller.act("DELETE", &format!("/api/downloads/{}", started.id)).await;
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn faults_of_a_wish_are_told_at_once_and_students_are_refused() {
    let hub = hub_with_lora().await;
    let studio = Studio::with(|config| config.hub_endpoint = Some(hub.endpoint())).await;
    for (wish, field) in [
        (json!({ "repo": "" }), "repo"),
        (json!({ "repo": "no-owner" }), "repo"),
        (json!({ "repo": "a/../b" }), "repo"),
        (json!({ "repo": "a/b", "revision": "x y" }), "revision"),
    ] {
        let body =
            refusal(studio.local().post("/api/downloads", &wish).await, StatusCode::UNPROCESSABLE_ENTITY)
                .await;
        assert_eq!(body.field.as_deref(), Some(field), "{body:?}");
    }
    let student = studio.someone("aru").await;
    let answer = student.post("/api/downloads", &json!({ "repo": "a/b" })).await;
    assert_eq!(refusal(answer, StatusCode::FORBIDDEN).await.code, ErrorCode::Forbidden);
    let unknown = studio.local().act("POST", "/api/downloads/x/stop").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_download_that_the_server_left_is_found_again() {
    let hub = hub_with_lora().await;
    hub.fault(LORA, Fault::Cut(100_000));
    hub.fault(LORA, Fault::Status(403, vec![]));
    let mut place = None;
    let studio = Studio::with(|config| {
        config.hub_endpoint = Some(hub.endpoint());
        place = Some(config.data_dir.join("models"));
        let order = config.data_dir.join("models/.incoming/someone--a-lora");
        std::fs::create_dir_all(order.join("files")).unwrap();
        let text = r#"{"repo": "someone/a-lora", "revision": "main", "file": null, "full_precision": false}"#;
        std::fs::write(order.join("order.json"), text).unwrap();
        std::fs::write(order.join("files/x.part"), [0; 7]).unwrap();
    })
    .await;
    let paused = until(&studio, |view| view.status == DownloadStatus::Paused).await;
    assert_eq!((paused.wanted.repo.as_str(), paused.done_bytes), ("someone/a-lora", 7));
    studio.local().post("/api/downloads", &json!({ "repo": "someone/a-lora" })).await;
    let failed = until(&studio, |view| view.status == DownloadStatus::Failed).await;
    assert_eq!(failed.error.unwrap().code, ErrorCode::Forbidden);
    studio.local().act("DELETE", &format!("/api/downloads/{}", failed.id)).await;
    assert!(!place.unwrap().join(".incoming/someone--a-lora").exists());
}
