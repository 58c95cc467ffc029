//! `/api/competitions`: from a dataset to a report, a blind vote and a LoRA that is taken over; turns, restarts, bad input.

use std::collections::BTreeMap;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chapan::api::router;
use chapan::clock::SystemClock;
use chapan::files::png::encode_bare_png;
use chapan::server::Server;
use chapan_api::competition::CompetitionStage::{Analyse, Draw, Finished, Learn, Score, Train};
use chapan_api::competition::{
    Ballot, CompetitionEvent, CompetitionStage, CompetitionView, Decision, VoteTally,
};
use chapan_api::dataset::DatasetView;
use chapan_api::error::ErrorCode;
use chapan_api::job::{JobKind, JobPhase, JobStatus, JobView};
use chapan_api::model::LoraView;
use chapan_api::page::Page;
use chapan_api::training::TrainingEvent;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::events::Stream;
use crate::server::wait;
use crate::support::{
    Caller, MODEL, Studio, bytes_of, config, json_of, models_dir, refusal, shipped_models_dir, small,
};

async fn start(folder: &TempDir, slice: Duration) -> (Server, Caller) {
    let mut config = config(folder.path());
    // The tiny model draws and learns in a moment; the CLIP that looks is the one that ships.
    config.models_dirs = vec![models_dir(), shipped_models_dir()];
    config.training_slice = slice;
    let server = Server::start(config, Arc::new(SystemClock)).await.unwrap();
    let caller = Caller::of(router(server.app().clone()));
    (server, caller)
}

async fn aldar(caller: &Caller) -> DatasetView {
    json_of(caller.post("/api/datasets/example", &json!({ "name": "aldar" })).await, StatusCode::CREATED)
        .await
}

/// Two rounds: nobody can be so far ahead.
fn body(dataset: &DatasetView) -> Value {
    json!({
        "dataset": dataset.id, "name": "Aldar", "model": MODEL, "prompts": ["aldar kose on a horse"], "seeds": 2,
        "iterations": 2, "score_gap": -1.0, "num_inference_steps": 2,
        "settings": { "max_train_steps": 20, "learning_rate": 1e-3, "rank": 2, "emphasised": [] },
    })
}

async fn compete(caller: &Caller, body: &Value) -> JobView {
    json_of(caller.post("/api/competitions", body).await, StatusCode::ACCEPTED).await
}

fn address(job: &JobView) -> String {
    format!("/api/competitions/{}", job.competition.as_ref().unwrap())
}

async fn view(caller: &Caller, job: &JobView) -> CompetitionView {
    json_of(caller.get(&address(job)).await, StatusCode::OK).await
}

/// What a competition told until its job ended, with the numbers of the lines.
async fn told(caller: &Caller, job: &JobView, after: u64) -> Vec<(u64, CompetitionEvent)> {
    let request = Request::get(format!("{}/events", address(job))).header("last-event-id", after.to_string());
    let response = caller.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let (mut body, mut text) = (response.into_body(), String::new());
    while let Some(frame) = body.frame().await {
        text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
    }
    assert!(text.contains("event: end"), "{text}");
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()))
    };
    text.split("\n\n")
        .filter_map(|block| Some((field(block, "id:")?.parse().unwrap(), field(block, "data:")?)))
        .map(|(id, data)| (id, serde_json::from_str(&data).unwrap()))
        .collect()
}

async fn file(caller: &Caller, job: &JobView, name: &str) -> Vec<u8> {
    let response = caller.get(&format!("{}/files/{name}", address(job))).await;
    assert_eq!(response.status(), StatusCode::OK, "{name}");
    bytes_of(response).await.to_vec()
}

/// Every file of a competition with its bytes, but logs, which tell of interruptions, and what is only there to go on from.
fn files(folder: &TempDir, job: &JobView) -> BTreeMap<String, Vec<u8>> {
    let root = folder.path().join("competitions").join(job.competition.as_ref().unwrap().as_str());
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if !name.ends_with("events.jsonl") {
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The texts in a PNG.
fn texts(png: &[u8]) -> bool {
    [&b"tEXt"[..], b"iTXt", b"zTXt"].iter().any(|kind| png.windows(4).any(|part| part == *kind))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_becomes_rounds_a_report_votes_and_a_lora() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder, Duration::from_secs(20)).await;
    let dataset = aldar(&caller).await;
    let pixels: Vec<u8> = (0..64 * 48 * 3).map(|n: u32| (n % 251) as u8).collect();
    let mut images = Vec::new();
    for shade in 0..3 {
        let rgb: Vec<u8> = pixels.iter().map(|level| level.wrapping_mul(shade + 1)).collect();
        images.push(caller.upload(encode_bare_png(64, 48, &rgb).unwrap()).await.id);
    }
    let mut body = body(&dataset);
    body["contestants"] = json!([{ "name": "Өзге", "images": images }]);
    let job = compete(&caller, &body).await;
    assert_eq!(job.kind, JobKind::Competition);
    refusal(caller.act("DELETE", &address(&job)).await, StatusCode::CONFLICT).await;
    let in_use = format!("/api/datasets/{}", dataset.id);
    refusal(caller.act("DELETE", &in_use).await, StatusCode::CONFLICT).await;

    let events = told(&caller, &job, 0).await;
    let ended = wait(&caller, &job).await;
    assert_eq!(ended.status, JobStatus::Succeeded, "{:?}", ended.error);
    let ids: Vec<u64> = events.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
    let stages: Vec<(u32, CompetitionStage)> = events
        .iter()
        .filter_map(|(_, event)| match event {
            CompetitionEvent::Stage { round, stage } => Some((*round, *stage)),
            _ => None,
        })
        .collect();
    let expected = [
        (1, Analyse),
        (1, Train),
        (1, Draw),
        (1, Score),
        (1, Learn),
        (2, Train),
        (2, Draw),
        (2, Score),
        (2, Learn),
        (2, Finished),
    ];
    assert_eq!(stages, expected);
    let steps = events.iter().filter(|(_, event)| {
        matches!(event, CompetitionEvent::Training { event: TrainingEvent::Step { .. }, .. })
    });
    assert!(steps.count() >= 40);
    assert!(matches!(events.last().unwrap().1, CompetitionEvent::Finished { decision: Decision::LastRound }));
    assert_eq!(told(&caller, &job, ids.len() as u64 - 1).await, events[events.len() - 1..]);

    let seen = view(&caller, &job).await;
    assert_eq!((seen.round, seen.stage, seen.reports.len(), seen.feedback.len()), (2, Finished, 2, 2));
    assert!(seen.analysis.is_some() && seen.history.as_ref().unwrap().rounds.len() == 2);
    let parameters = &seen.parameters;
    assert_eq!((parameters.seed, parameters.guidance_scale), (Some(1), Some(5.0)), "all is filled in");
    assert!(parameters.weights.is_some() && parameters.model.is_some());
    let names: Vec<&str> = seen.reports[1].contestants.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["base", "Өзге", "round-1", "round-2"]);
    assert!(!seen.reports[1].heat_maps.is_empty());
    for one in &seen.reports[1].contestants {
        for picture in &one.pictures {
            let name = format!("comparisons/{}_{}", one.name, picture.file);
            let name: String = name
                .bytes()
                .map(|b| if b.is_ascii() { char::from(b).to_string() } else { format!("%{b:02X}") })
                .collect();
            let png = file(&caller, &job, &name).await;
            assert_eq!(
                texts(&png),
                one.name != "Өзге",
                "{name}: what is drawn here says how, what is not says nothing"
            );
        }
    }
    let listed: Page<CompetitionView> = json_of(caller.get("/api/competitions").await, StatusCode::OK).await;
    assert_eq!((listed.items.len(), listed.items[0].reports.len()), (1, 0), "lists are light");
    let references = &seen.reports[0].references;
    file(&caller, &job, &format!("inputs/references/{}", references.training[0])).await;

    page_and_archive(&caller, &job).await;
    votes(&caller, &job, &seen).await;

    let take = format!("{}/rounds/2/lora", address(&job));
    let lora: LoraView =
        json_of(caller.post(&take, &json!({ "name": "My Aldar" })).await, StatusCode::CREATED).await;
    assert_eq!((lora.id.as_str(), lora.own), ("My-Aldar", true));
    refusal(caller.post(&take, &json!({ "name": " " })).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    let none = format!("{}/rounds/3/lora", address(&job));
    refusal(caller.post(&none, &json!({ "name": "x" })).await, StatusCode::NOT_FOUND).await;
    let mut wanted = small();
    wanted["prompt"] = json!("aldar <lora:My-Aldar:1>");
    let drawn: JobView = json_of(caller.post("/api/generations", &wanted).await, StatusCode::ACCEPTED).await;
    assert_eq!(wait(&caller, &drawn).await.status, JobStatus::Succeeded);

    assert_eq!(caller.act("DELETE", &address(&job)).await.status(), StatusCode::NO_CONTENT);
    refusal(caller.get(&address(&job)).await, StatusCode::NOT_FOUND).await;
    assert_eq!(std::fs::read_dir(folder.path().join("competitions")).unwrap().count(), 0);
    assert_eq!(caller.act("DELETE", &in_use).await.status(), StatusCode::NO_CONTENT);
    server.stop().await;
}

/// The page brings all it needs and may load nothing; the archive has the tree.
async fn page_and_archive(caller: &Caller, job: &JobView) {
    let page = caller.get(&format!("{}/files/report.html", address(job))).await;
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{policy}");
    let html = String::from_utf8(bytes_of(page).await.to_vec()).unwrap();
    assert!(html.contains("Who comes nearest?") && !html.contains("<script"));
    let lora = caller.get(&format!("{}/files/rounds/1/lora/lora.safetensors", address(job))).await;
    assert!(lora.headers()[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"));
    for hidden in ["run.lock", "..%2F..%2Fchapan.db", "comparisons", "%2Fetc%2Fpasswd", "no.png", ".png"] {
        refusal(caller.get(&format!("{}/files/{hidden}", address(job))).await, StatusCode::NOT_FOUND).await;
    }
    let bytes = bytes_of(caller.get(&format!("{}/archive", address(job))).await).await;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    for name in
        ["report.html", "training_history.json", "comparisons/base_1_1.png", "feedback/feedback_2.json"]
    {
        assert!(names.iter().any(|known| known == name), "{names:?}");
    }
    assert!(names.iter().all(|name| !name.contains("checkpoint") && !name.contains(".lock")), "{names:?}");
    let mut history = String::new();
    std::io::Read::read_to_string(&mut archive.by_name("training_history.json").unwrap(), &mut history)
        .unwrap();
    assert!(serde_json::from_str::<Value>(&history).unwrap()["rounds"].is_array());
}

/// Every pair is asked once, and nothing says who drew which.
async fn votes(caller: &Caller, job: &JobView, seen: &CompetitionView) {
    let ballot_address = format!("{}/ballot", address(job));
    let votes_address = format!("{}/votes", address(job));
    let mut asked = 0;
    let mut tallies: Vec<VoteTally> = Vec::new();
    loop {
        let response = caller.get(&ballot_address).await;
        if response.status() == StatusCode::NOT_FOUND {
            assert_eq!(refusal(response, StatusCode::NOT_FOUND).await.code, ErrorCode::NoBallot);
            break;
        }
        let ballot: Ballot = json_of(response, StatusCode::OK).await;
        let again: Ballot = json_of(caller.get(&ballot_address).await, StatusCode::OK).await;
        assert_eq!(again, ballot, "the same until it is voted on");
        let said = serde_json::to_string(&ballot).unwrap();
        assert!(["base", "round-", "Өзге", "comparisons"].iter().all(|word| !said.contains(word)), "{said}");
        if asked < 3 {
            for side in [&ballot.left, &ballot.right] {
                let response = caller.get(side).await;
                assert_eq!(response.status(), StatusCode::OK);
                let headers = format!("{:?}", response.headers());
                assert!(!headers.contains("base") && !headers.contains("round-"), "{headers}");
                assert!(!texts(&bytes_of(response).await));
            }
            let side = ballot.left.replace("/left", "/middle");
            refusal(caller.get(&side).await, StatusCode::NOT_FOUND).await;
        }
        let choice = ["left", "right", "tie"][asked % 3];
        let vote = json!({ "ballot": ballot.id, "choice": choice });
        tallies = json_of(caller.post(&votes_address, &vote).await, StatusCode::ACCEPTED).await;
        refusal(caller.post(&votes_address, &vote).await, StatusCode::CONFLICT).await;
        asked += 1;
    }
    // Six pairs of four contestants, two pictures each.
    assert_eq!(asked, 12);
    let sum = |of: fn(&VoteTally) -> u64| tallies.iter().map(of).sum::<u64>();
    assert_eq!((sum(|one| one.wins), sum(|one| one.losses), sum(|one| one.ties)), (8, 8, 8));
    assert!(tallies.is_sorted_by(|a, b| a.lower_bound >= b.lower_bound));
    assert_eq!(tallies.len(), seen.reports[1].contestants.len());
    assert_eq!(view(caller, job).await.votes, tallies);
    let unknown = json!({ "ballot": "none", "choice": "left" });
    refusal(caller.post(&votes_address, &unknown).await, StatusCode::NOT_FOUND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_turns_survives_the_server_and_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder, Duration::from_secs(20)).await;
    let mut body = body(&aldar(&caller).await);
    body["settings"]["max_train_steps"] = json!(60);
    let whole = compete(&caller, &body).await;
    assert_eq!(wait(&caller, &whole).await.status, JobStatus::Succeeded);
    let expected = files(&folder, &whole);
    server.stop().await;

    // Every look at the line finds somebody who waits: it gives its device back again and again.
    let (server, caller) = start(&folder, Duration::ZERO).await;
    let job = compete(&caller, &body).await;
    for _ in 0..2 {
        let mut stream = Stream::open(&caller, &job.id, None).await;
        under_way(&mut stream, JobPhase::Training).await;
        let quick: JobView =
            json_of(caller.post("/api/generations", &small()).await, StatusCode::ACCEPTED).await;
        assert_eq!(wait(&caller, &quick).await.status, JobStatus::Succeeded);
        assert!(!view(&caller, &job).await.job.status.is_final(), "the picture went before");
    }
    server.stop().await;

    let (server, caller) = start(&folder, Duration::from_secs(20)).await;
    let ended = wait(&caller, &job).await;
    assert_eq!(ended.status, JobStatus::Succeeded, "{:?}", ended.error);
    let after = files(&folder, &job);
    let differing: Vec<&String> = expected
        .iter()
        .filter(|(name, bytes)| after.get(*name) != Some(*bytes))
        .map(|(name, _)| name)
        .collect();
    assert!(differing.is_empty() && after.len() == expected.len(), "{differing:?}");
    server.stop().await;
}

/// Waits until a job is in the middle of a phase.
async fn under_way(stream: &mut Stream, phase: JobPhase) {
    use chapan_api::job::JobChange::{Failed, Progressed, Snapshot};
    loop {
        match stream.next().await.expect("it goes on").change {
            Progressed { progress } if progress.phase == phase && progress.step > 0 => return,
            Snapshot { job } if job.progress.as_ref().is_some_and(|at| at.phase == phase && at.step > 0) => {
                return;
            }
            Failed { error, .. } => panic!("{error:?}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_it_keeps_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder, Duration::from_secs(20)).await;
    let mut body = body(&aldar(&caller).await);
    body["settings"]["max_train_steps"] = json!(5_000);
    let job = compete(&caller, &body).await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    under_way(&mut stream, JobPhase::Training).await;
    let cancel = format!("/api/jobs/{}/cancel", job.id);
    assert!(caller.act("POST", &cancel).await.status().is_success());
    assert_eq!(wait(&caller, &job).await.status, JobStatus::Cancelled);
    let seen = view(&caller, &job).await;
    assert!(seen.analysis.is_some() && seen.history.is_none() && seen.stage == Train);
    assert!(!told(&caller, &job, 0).await.is_empty());
    let ballot = refusal(caller.get(&format!("{}/ballot", address(&job))).await, StatusCode::NOT_FOUND).await;
    assert_eq!(ballot.code, ErrorCode::NoBallot);
    assert_eq!(caller.act("DELETE", &address(&job)).await.status(), StatusCode::NO_CONTENT);
    server.stop().await;
}

#[tokio::test]
async fn bad_requests_are_refused_and_others_see_nothing() {
    let studio = Studio::with(|config| config.models_dirs.push(shipped_models_dir())).await;
    let caller = studio.local();
    let dataset = aldar(&caller).await;
    let refused = async |change: &dyn Fn(&mut Value), field: &str| {
        let mut body = body(&dataset);
        change(&mut body);
        let error =
            refusal(caller.post("/api/competitions", &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(error.field.as_deref(), Some(field), "{error:?}");
    };
    refused(&|body| body["dataset"] = json!("none"), "dataset").await;
    refused(&|body| body["model"] = json!("none"), "model").await;
    refused(&|body| body["prompts"] = json!([" "]), "prompts[0]").await;
    refused(&|body| body["seeds"] = json!(1), "seeds").await;
    refused(&|body| body["settings"]["rank"] = json!(0), "settings.rank").await;
    let lora = json!([{ "name": "a", "lora": "none" }]);
    refused(&|body| body["contestants"] = lora.clone(), "contestants[0].lora").await;
    let image = json!([{ "name": "a", "images": ["none"] }]);
    refused(&|body| body["contestants"] = image.clone(), "contestants[0].images[0]").await;
    let base = json!([{ "name": "base", "images": ["none"] }]);
    refused(&|body| body["contestants"] = base.clone(), "contestants[0].name").await;
    let empty = json!({ "name": "Empty", "images": [] });
    let empty: DatasetView = json_of(caller.post("/api/datasets", &empty).await, StatusCode::CREATED).await;
    refused(&|body| body["dataset"] = json!(empty.id), "dataset").await;
    let mut unknown = body(&dataset);
    unknown["rounds"] = json!(3);
    let status = caller.post("/api/competitions", &unknown).await.status();
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY || status == StatusCode::BAD_REQUEST);

    let job = compete(&caller, &body(&dataset)).await;
    let other = studio.someone("other").await;
    let mut stolen = body(&dataset);
    stolen["name"] = json!("mine");
    refusal(other.post("/api/competitions", &stolen).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    for path in ["", "/events", "/files/report.html", "/archive", "/ballot", "/ballots/b/left"] {
        refusal(other.get(&format!("{}{path}", address(&job))).await, StatusCode::NOT_FOUND).await;
    }
    refusal(other.act("DELETE", &address(&job)).await, StatusCode::NOT_FOUND).await;
    let vote = json!({ "ballot": "b", "choice": "left" });
    refusal(other.post(&format!("{}/votes", address(&job)), &vote).await, StatusCode::NOT_FOUND).await;
    let name = json!({ "name": "x" });
    refusal(other.post(&format!("{}/rounds/1/lora", address(&job)), &name).await, StatusCode::NOT_FOUND)
        .await;
    let none: Page<CompetitionView> = json_of(other.get("/api/competitions").await, StatusCode::OK).await;
    assert!(none.items.is_empty());
    // Nothing was done yet: an archive of nothing, a view of nothing.
    let seen = view(&caller, &job).await;
    assert_eq!((seen.round, seen.stage), (0, Analyse));
    let bytes = bytes_of(caller.get(&format!("{}/archive", address(&job))).await).await;
    assert_eq!(zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap().len(), 0);
}
