//! `/api/trainings`: from a dataset to a LoRA that is drawn with; rests, turns, wishes, and inputs that cannot be learnt.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chapan::api::router;
use chapan::clock::SystemClock;
use chapan::server::Server;
use chapan_api::dataset::DatasetView;
use chapan_api::error::ErrorCode;
use chapan_api::job::{JobChange, JobKind, JobStatus, JobView};
use chapan_api::model::LoraView;
use chapan_api::page::Page;
use chapan_api::training::{FindingCode, Preflight, TrainingEvent, TrainingTarget, TrainingView};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::datasets::{picture, send_archive, zip};
use crate::events::Stream;
use crate::server::{reach_the_middle, wait};
use crate::support::{Caller, MODEL, Studio, bytes_of, config, json_of, refusal, small};

async fn start(folder: &TempDir, slice: Duration) -> (Server, Caller) {
    let mut config = config(folder.path());
    config.training_slice = slice;
    let server = Server::start(config, Arc::new(SystemClock)).await.unwrap();
    let caller = Caller::of(router(server.app().clone()));
    (server, caller)
}

/// A dataset of three pictures to learn and one to measure with.
async fn dataset(caller: &Caller) -> DatasetView {
    let archive = zip(&[
        ("training/a.png", &picture(64, 64, 1)),
        ("training/a.txt", b"zed, a hat"),
        ("training/b.png", &picture(96, 64, 2)),
        ("training/b.txt", b"zed, no hat"),
        ("training/c.png", &picture(64, 80, 3)),
        ("training/c.txt", b"zed, smiling"),
        ("held-out/d.png", &picture(64, 64, 4)),
        ("held-out/d.txt", b"zed, sad"),
    ]);
    json_of(send_archive(caller, "Zed", archive).await, StatusCode::CREATED).await
}

fn body(dataset: &DatasetView, steps: u32) -> Value {
    json!({
        "dataset": dataset.id, "name": "Zed the Great", "model": MODEL, "resolution": 64, "rank": 2,
        "max_train_steps": steps, "train_batch_size": 1, "learning_rate": 1e-3, "seed": 5, "checkpoint_every": 7,
        "sample_every": 0, "validate_every": 0,
    })
}

async fn train(caller: &Caller, body: &Value) -> JobView {
    json_of(caller.post("/api/trainings", body).await, StatusCode::ACCEPTED).await
}

async fn view(caller: &Caller, job: &JobView) -> TrainingView {
    let path = format!("/api/trainings/{}", job.training.as_ref().unwrap());
    json_of(caller.get(&path).await, StatusCode::OK).await
}

async fn wish(caller: &Caller, job: &JobView, wish: &str) -> TrainingView {
    let path = format!("/api/trainings/{}/wish", job.training.as_ref().unwrap());
    json_of(caller.post(&path, &json!({ "wish": wish })).await, StatusCode::ACCEPTED).await
}

/// What a training told until its job ended, with the numbers of the lines.
async fn told(caller: &Caller, job: &JobView, after: u64) -> Vec<(u64, TrainingEvent)> {
    let path = format!("/api/trainings/{}/events", job.training.as_ref().unwrap());
    let request = Request::get(path).header("last-event-id", after.to_string());
    let response = caller.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let (mut body, mut text) = (response.into_body(), String::new());
    while let Some(frame) = body.frame().await {
        text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
    }
    assert!(text.trim_end().ends_with("event: end\ndata: {}"), "{text}");
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()))
    };
    text.split("\n\n")
        .filter_map(|block| Some((field(block, "id:")?.parse().unwrap(), field(block, "data:")?)))
        .map(|(id, data)| (id, serde_json::from_str(&data).unwrap()))
        .collect()
}

async fn file(caller: &Caller, job: &JobView, name: &str) -> Vec<u8> {
    let response =
        caller.get(&format!("/api/trainings/{}/files/{name}", job.training.as_ref().unwrap())).await;
    assert_eq!(response.status(), StatusCode::OK, "{name}");
    bytes_of(response).await.to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_becomes_a_lora_that_is_listed_and_drawn_with() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder, Duration::from_secs(20)).await;
    let data = dataset(&caller).await;
    let mut body = body(&data, 6);
    (body["sample_every"], body["validate_every"]) = (json!(3), json!(3));
    body["sample_prompts"] = json!(["zed in a hat"]);
    let preflight: Preflight =
        json_of(caller.post("/api/trainings/preflight", &body).await, StatusCode::OK).await;
    assert!(!preflight.is_blocked() && preflight.estimated_ms.is_none(), "{preflight:?}");
    assert_eq!((preflight.references, preflight.held_out), (3, 1));

    let job = train(&caller, &body).await;
    assert_eq!((job.kind, job.images.len()), (JobKind::Training, 0));
    let events = told(&caller, &job, 0).await;
    let ended = wait(&caller, &job).await;
    assert_eq!(ended.status, JobStatus::Succeeded, "{:?}", ended.error);
    let ids: Vec<u64> = events.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
    let (first, last) = (&events[0].1, &events.last().unwrap().1);
    assert!(matches!(first, TrainingEvent::Started { step: 0, references: 3, held_out: 1, .. }), "{first:?}");
    assert!(matches!(last, TrainingEvent::Finished { step: 6, .. }), "{last:?}");
    assert_eq!(told(&caller, &job, ids.len() as u64 - 1).await, events[events.len() - 1..]);

    let seen = view(&caller, &job).await;
    assert_eq!((seen.last_step, seen.max_train_steps, seen.paused), (6, 6, false));
    assert!(seen.loss.is_some_and(f64::is_finite));
    let parameters = &seen.parameters;
    assert_eq!((parameters.seed, parameters.rank, parameters.alpha), (Some(5), Some(2), Some(2.0)));
    assert!(parameters.targets.as_ref().unwrap().contains(&TrainingTarget::Attention));
    assert!(parameters.lr_scheduler.is_some() && parameters.caption_dropout.is_some(), "all is filled in");
    assert_eq!(seen.lora.as_ref().unwrap().as_str(), "Zed-the-Great");

    let peft = file(&caller, &job, "lora.safetensors").await;
    let kohya = file(&caller, &job, "lora_kohya.safetensors").await;
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has(&peft, ".lora_A.weight") && has(&kohya, "lora_unet_") && has(&peft, "Zed the Great"));
    let samples: Vec<&String> = events
        .iter()
        .filter_map(
            |(_, event)| if let TrainingEvent::Sample { file, .. } = event { Some(file) } else { None },
        )
        .collect();
    assert_eq!(samples.len(), 3, "before the first step, in the middle, at the end");
    assert!(file(&caller, &job, samples[1]).await.starts_with(b"\x89PNG"));
    let training = job.training.as_ref().unwrap();
    for hidden in [
        "events.jsonl",
        "checkpoint.safetensors",
        "samples/..%2Fevents.jsonl",
        "references/0000.png",
        "run.lock",
    ] {
        let response = caller.get(&format!("/api/trainings/{training}/files/{hidden}")).await;
        refusal(response, StatusCode::NOT_FOUND).await;
    }

    let loras: Vec<LoraView> = json_of(caller.get("/api/loras").await, StatusCode::OK).await;
    let mine = loras.iter().find(|lora| lora.own).unwrap();
    assert_eq!((mine.id.as_str(), mine.title.as_deref()), ("Zed-the-Great", Some("Zed the Great")));
    assert_eq!(mine.trigger_words, ["zed"]);
    let mut wanted = small();
    (wanted["prompt"], wanted["seed"]) = (json!("zed <lora:Zed-the-Great:1>"), json!(3));
    let drawn: JobView = json_of(caller.post("/api/generations", &wanted).await, StatusCode::ACCEPTED).await;
    let drawn = wait(&caller, &drawn).await;
    assert_eq!(drawn.status, JobStatus::Succeeded, "{:?}", drawn.error);

    // Steps that were taken tell how long the next ones take.
    let again: Preflight =
        json_of(caller.post("/api/trainings/preflight", &body).await, StatusCode::OK).await;
    assert!(again.estimated_ms.is_some());
    let path = format!("/api/trainings/{training}");
    assert_eq!(caller.act("DELETE", &path).await.status(), StatusCode::NO_CONTENT);
    refusal(caller.get(&path).await, StatusCode::NOT_FOUND).await;
    assert!(!folder.path().join("trainings").join(training.as_str()).exists());
    let loras: Vec<LoraView> = json_of(caller.get("/api/loras").await, StatusCode::OK).await;
    assert!(loras.iter().any(|lora| lora.own), "the LoRA stays");
    assert_eq!(caller.act("DELETE", "/api/loras/Zed-the-Great").await.status(), StatusCode::NO_CONTENT);
    refusal(caller.act("DELETE", "/api/loras/Zed-the-Great").await, StatusCode::NOT_FOUND).await;
    server.stop().await;
}

/// Reads a job's events until one of this kind.
async fn until(stream: &mut Stream, what: &str, is: impl Fn(&JobChange) -> bool) {
    loop {
        let event = stream.next().await.unwrap_or_else(|| panic!("the job ended before it was {what}"));
        if let JobChange::Failed { error, .. } = &event.change {
            panic!("{error:?}");
        }
        if is(&event.change) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_in_every_way_a_training_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder, Duration::ZERO).await;
    let data = dataset(&caller).await;
    let body = body(&data, 120);
    let whole = train(&caller, &body).await;
    let ended = wait(&caller, &whole).await;
    assert_eq!(ended.status, JobStatus::Succeeded, "{:?}", ended.error);
    let expected = file(&caller, &whole, "lora.safetensors").await;

    let job = train(&caller, &body).await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    reach_the_middle(&mut stream).await;
    // Somebody else's picture goes before the rest of the training.
    let quick = caller.ask().await;
    let drawn = wait(&caller, &quick).await;
    assert_eq!(drawn.status, JobStatus::Succeeded, "{:?}", drawn.error);
    assert!(!view(&caller, &job).await.job.status.is_final(), "the training was done before the picture");
    // A rest: no device, no place, and others go on.
    wish(&caller, &job, "pause").await;
    until(&mut stream, "paused", |change| matches!(change, JobChange::Paused)).await;
    let seen = view(&caller, &job).await;
    assert!(seen.paused && seen.job.status == JobStatus::Queued && seen.job.position.is_none(), "{seen:?}");
    assert_eq!(wait(&caller, &caller.ask().await).await.status, JobStatus::Succeeded);
    assert!(view(&caller, &job).await.paused, "nobody takes it up");
    drop(stream);
    // The server stops and starts; the rest lasts.
    server.stop().await;
    let (server, caller) = start(&folder, Duration::ZERO).await;
    assert!(view(&caller, &job).await.paused);
    assert_eq!(wait(&caller, &caller.ask().await).await.status, JobStatus::Succeeded);
    wish(&caller, &job, "sample").await;
    wish(&caller, &job, "resume").await;
    let ended = wait(&caller, &job).await;
    assert_eq!(ended.status, JobStatus::Succeeded, "{:?}", ended.error);
    assert!(file(&caller, &job, "lora.safetensors").await == expected, "the bytes differ");
    let events = told(&caller, &job, 0).await;
    let started =
        events.iter().filter(|(_, event)| matches!(event, TrainingEvent::Started { step, .. } if *step > 0));
    assert!(started.count() >= 2, "it went on after the picture and after the rest");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_are_heard_within_a_step_and_a_cancelled_training_keeps_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder, Duration::from_secs(20)).await;
    let data = dataset(&caller).await;
    let mut body = body(&data, 100_000);
    (body["checkpoint_every"], body["sample_every"]) = (json!(0), json!(100_000));
    let job = train(&caller, &body).await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    reach_the_middle(&mut stream).await;
    let held = caller.act("DELETE", &format!("/api/datasets/{}", data.id)).await;
    assert_eq!(refusal(held, StatusCode::CONFLICT).await.code, ErrorCode::Conflict);
    let training = job.training.clone().unwrap();
    let held = caller.act("DELETE", &format!("/api/trainings/{training}")).await;
    assert_eq!(refusal(held, StatusCode::CONFLICT).await.code, ErrorCode::Conflict);
    let checkpoint = folder.path().join("trainings").join(training.as_str()).join("checkpoint.safetensors");
    assert!(!checkpoint.exists());
    wish(&caller, &job, "save").await;
    wish(&caller, &job, "sample").await;
    // Two steps on both are done.
    let before = view(&caller, &job).await.last_step;
    until(&mut stream, "three steps on", |change| {
        matches!(change, JobChange::Progressed { progress } if u64::from(progress.step) > before + 3)
    })
    .await;
    assert!(checkpoint.exists());
    let cancelled: JobView =
        json_of(caller.act("POST", &format!("/api/jobs/{}/cancel", job.id)).await, StatusCode::OK).await;
    assert!(matches!(cancelled.status, JobStatus::Running | JobStatus::Cancelled));
    assert_eq!(wait(&caller, &job).await.status, JobStatus::Cancelled);
    let events = told(&caller, &job, 0).await;
    let sampled =
        events.iter().any(|(_, event)| matches!(event, TrainingEvent::Sample { step, .. } if *step > 0));
    assert!(sampled && matches!(events.last().unwrap().1, TrainingEvent::Stopped { .. }));
    let late = caller.post(&format!("/api/trainings/{training}/wish"), &json!({ "wish": "resume" })).await;
    assert_eq!(refusal(late, StatusCode::CONFLICT).await.code, ErrorCode::Conflict);
    assert_eq!(
        caller.act("DELETE", &format!("/api/trainings/{training}")).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        caller.act("DELETE", &format!("/api/datasets/{}", data.id)).await.status(),
        StatusCode::NO_CONTENT
    );
    server.stop().await;
}

/// A training that rests after some steps, with the folder that it keeps.
async fn resting(caller: &Caller, folder: &TempDir, body: &Value) -> (JobView, PathBuf) {
    let job = train(caller, body).await;
    let mut stream = Stream::open(caller, &job.id, None).await;
    reach_the_middle(&mut stream).await;
    wish(caller, &job, "pause").await;
    until(&mut stream, "paused", |change| matches!(change, JobChange::Paused)).await;
    let kept = folder.path().join("trainings").join(job.training.as_ref().unwrap().as_str());
    (job, kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_that_is_no_number_is_named_and_what_was_kept_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder, Duration::from_secs(20)).await;
    let data = dataset(&caller).await;
    let (job, kept) = resting(&caller, &folder, &body(&data, 5_000)).await;
    // Weights so large that the next prediction overflows, as after a learning rate that was too high.
    let path = kept.join("checkpoint.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let listed: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    for (_, tensor) in listed.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("value.")) {
        let at = |index: usize| tensor["data_offsets"][index].as_u64().unwrap() as usize + 8 + header;
        for value in bytes[at(0)..at(1)].chunks_exact_mut(4) {
            value.copy_from_slice(&1e30f32.to_le_bytes());
        }
    }
    std::fs::write(&path, &bytes).unwrap();
    wish(&caller, &job, "resume").await;
    let ended = wait(&caller, &job).await;
    assert_eq!(ended.status, JobStatus::Failed);
    let error = ended.error.unwrap();
    assert!(error.message.contains("is not finite"), "{error:?}");
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::InvalidField, Some("learning_rate")));
    assert!(error.hint.unwrap().contains("is kept"));
    assert!(std::fs::read(&path).unwrap() == bytes, "the checkpoint was touched");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_written_ends_the_training_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (server, caller) = start(&folder, Duration::from_secs(20)).await;
    let data = dataset(&caller).await;
    let body = body(&data, 400);
    let (job, kept) = resting(&caller, &folder, &body).await;
    let before = std::fs::read(kept.join("checkpoint.safetensors")).unwrap();
    // What stands in the way of the next checkpoint's file: to whoever writes it, the same as a full disk.
    let obstacle = kept.join("checkpoint.safetensors.part");
    std::fs::create_dir_all(obstacle.join("in the way")).unwrap();
    wish(&caller, &job, "resume").await;
    let ended = wait(&caller, &job).await;
    assert_eq!(ended.status, JobStatus::Failed);
    let error = ended.error.unwrap();
    assert_eq!(error.code, ErrorCode::StorageFull);
    assert!(error.hint.unwrap().contains("make space"));
    assert!(
        std::fs::read(kept.join("checkpoint.safetensors")).unwrap() == before,
        "the checkpoint was touched"
    );
    // Room was made: it goes on from there, to the same end.
    std::fs::remove_dir_all(&obstacle).unwrap();
    assert!(!wish(&caller, &job, "resume").await.paused);
    let ended = wait(&caller, &job).await;
    assert_eq!(ended.status, JobStatus::Succeeded, "{:?}", ended.error);
    let whole = train(&caller, &body).await;
    assert_eq!(wait(&caller, &whole).await.status, JobStatus::Succeeded);
    let (left, right) =
        (file(&caller, &job, "lora.safetensors").await, file(&caller, &whole, "lora.safetensors").await);
    assert!(left == right, "the bytes differ");
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_learnt_is_refused_before_anybody_waits() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let empty: DatasetView =
        json_of(caller.post("/api/datasets", &json!({ "name": "empty" })).await, StatusCode::CREATED).await;
    let refused = caller.post("/api/trainings", &body(&empty, 5)).await;
    let refused = refusal(refused, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::InvalidField, Some("dataset")));
    let codes = async |data: &DatasetView| -> Vec<FindingCode> {
        let found: Preflight =
            json_of(caller.post("/api/trainings/preflight", &body(data, 5)).await, StatusCode::OK).await;
        found.findings.iter().map(|finding| finding.code).collect()
    };
    assert_eq!(codes(&empty).await, [FindingCode::NoReferences]);

    let one = zip(&[("a.png", &picture(64, 64, 1))]);
    let one: DatasetView = json_of(send_archive(&caller, "one", one).await, StatusCode::CREATED).await;
    assert_eq!(
        codes(&one).await,
        [FindingCode::NoCaption, FindingCode::NoReferences],
        "no caption, no trigger"
    );
    // The same picture thrice, as a file that was brought in three times.
    let mut same = Vec::new();
    for _ in 0..3 {
        same.push(caller.upload(picture(64, 64, 8)).await.id);
    }
    let same = json!({ "name": "same", "trigger_word": "zed", "images": same });
    let same: DatasetView = json_of(caller.post("/api/datasets", &same).await, StatusCode::CREATED).await;
    let found = codes(&same).await;
    let repeated = found.iter().filter(|code| **code == FindingCode::Duplicate).count();
    assert!(repeated == 2 && found.contains(&FindingCode::FewReferences), "{found:?}");
    let wide = zip(&[("a.png", &picture(8000, 40, 1)), ("a.txt", b"a line")]);
    let wide: DatasetView = json_of(send_archive(&caller, "wide", wide).await, StatusCode::CREATED).await;
    let found = codes(&wide).await;
    assert!(found.contains(&FindingCode::Cut) && found.contains(&FindingCode::FewReferences), "{found:?}");
    let job: JobView =
        json_of(caller.post("/api/trainings", &body(&wide, 5)).await, StatusCode::ACCEPTED).await;
    let waiting = view(&caller, &job).await;
    assert_eq!((waiting.last_step, waiting.loss, waiting.lora), (0, None, None));

    let long = "a hat ".repeat(100);
    let long = zip(&[("a.png", &picture(64, 64, 1)), ("a.txt", long.as_bytes())]);
    let long: DatasetView = json_of(send_archive(&caller, "long", long).await, StatusCode::CREATED).await;
    assert!(codes(&long).await.contains(&FindingCode::LongCaption));
    let data = dataset(&caller).await;
    for (field, value) in [
        ("rank", json!(0)),
        ("max_train_steps", json!(0)),
        ("learning_rate", json!(-1)),
        ("resolution", json!(60)),
        ("caption_template", json!("nothing of either")),
        ("model", json!("nowhere")),
    ] {
        let mut bad = body(&data, 5);
        bad[field] = value;
        let refused = caller.post("/api/trainings", &bad).await;
        let refused = refusal(refused, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(refused.field.as_deref(), Some(field), "{refused:?}");
    }
    let other = studio.someone("other").await;
    let refused =
        refusal(other.post("/api/trainings", &body(&data, 5)).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused.field.as_deref(), Some("dataset"));
    let training = job.training.as_ref().unwrap();
    for path in ["", "/events", "/files/lora.safetensors"] {
        refusal(other.get(&format!("/api/trainings/{training}{path}")).await, StatusCode::NOT_FOUND).await;
    }
    refusal(other.act("DELETE", &format!("/api/trainings/{training}")).await, StatusCode::NOT_FOUND).await;
    let theirs: Page<TrainingView> = json_of(other.get("/api/trainings").await, StatusCode::OK).await;
    assert!(theirs.items.is_empty());
}

#[tokio::test]
async fn memory_is_planned_before_a_training_is_accepted() {
    let studio = Studio::with(|config| config.memory_limit_bytes = Some(1 << 20)).await;
    let caller = studio.local();
    let data = dataset(&caller).await;
    let refused = caller.post("/api/trainings", &body(&data, 5)).await;
    let refused = refusal(refused, StatusCode::INSUFFICIENT_STORAGE).await;
    assert_eq!(refused.code, ErrorCode::NotEnoughMemory);
}
