//! The whole server with a tiny model: a prompt becomes a picture, and the ways in which it may not.

use std::sync::Arc;

use axum::http::StatusCode;
use chapan::api::router;
use chapan::clock::SystemClock;
use chapan::server::{Server, StartError};
use chapan_api::image::{ImageRecord, ImageView};
use chapan_api::job::{JobChange, JobPhase, JobState, JobStatus, JobView};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::events::Stream;
use crate::support::{Caller, MODEL, bytes_of, config, json_of, small};

async fn start(folder: &TempDir) -> Server {
    Server::start(config(folder.path()), Arc::new(SystemClock)).await.unwrap()
}

fn caller(server: &Server) -> Caller {
    Caller::of(router(server.app().clone()))
}

async fn ask(caller: &Caller, body: &Value) -> JobView {
    json_of(caller.post("/api/generations", body).await, StatusCode::ACCEPTED).await
}

/// Reads a job's events to their end.
pub async fn wait(caller: &Caller, job: &JobView) -> JobView {
    let mut stream = Stream::open(caller, &job.id, None).await;
    let mut state = JobState::new(stream.snapshot().await);
    while let Some(event) = stream.next().await {
        state.apply(&event);
    }
    state.view
}

/// A job that takes long enough to do something in its middle.
fn long() -> Value {
    json!({ "prompt": "a man", "model": MODEL, "num_inference_steps": 150, "width": 256, "height": 256 })
}

/// Waits until a job is in the middle of its steps.
pub async fn reach_the_middle(stream: &mut Stream) {
    loop {
        match stream.next().await.expect("it goes on").change {
            JobChange::Progressed { progress } if progress.step >= 1 => return,
            JobChange::Snapshot { job } if job.progress.as_ref().is_some_and(|at| at.step >= 1) => return,
            JobChange::Failed { error, .. } => panic!("{error:?}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_becomes_a_picture_that_says_how_it_was_made_and_the_same_seed_gives_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder).await;
    let caller = caller(&server);
    let mut body = small();
    body["seed"] = json!(5_000_000_000_u64);
    body["prompt"] = json!("қызыл шапан киген адам");

    let first = ask(&caller, &body).await;
    let mut stream = Stream::open(&caller, &first.id, None).await;
    let mut state = JobState::new(stream.snapshot().await);
    let (mut phases, mut previews) = (Vec::new(), 0);
    while let Some(event) = stream.next().await {
        if let JobChange::Progressed { progress } = &event.change {
            phases.push(progress.phase);
            let preview = progress.preview.as_deref();
            previews += u32::from(preview.is_some_and(|data| data.starts_with("data:image/png;base64,")));
            assert!(preview.is_none_or(|data| data.len() < 4096), "previews are small");
        }
        state.apply(&event);
    }
    assert_eq!(state.view.status, JobStatus::Succeeded, "{:?}", state.view.error);
    assert!(phases.ends_with(&[JobPhase::Decoding, JobPhase::Saving]), "{phases:?}");
    assert!(previews >= 1);

    let second = wait(&caller, &ask(&caller, &body).await).await;
    let mut hashes = Vec::new();
    for image in [state.view.image.unwrap(), second.image.unwrap()] {
        let view: ImageView =
            json_of(caller.get(&format!("/api/images/{image}")).await, StatusCode::OK).await;
        let file = bytes_of(caller.get(&view.url).await).await;
        let reader = png::Decoder::new(std::io::Cursor::new(file.to_vec())).read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height), (64, 64));
        let texts = &reader.info().utf8_text;
        let text = |keyword: &str| {
            let chunk = texts.iter().find(|chunk| chunk.keyword == keyword).unwrap();
            chunk.get_text().unwrap()
        };
        assert!(text("parameters").starts_with("қызыл шапан киген адам\n"));
        let record: ImageRecord = serde_json::from_str(&text("chapan")).unwrap();
        assert_eq!(Some(&record), view.record.as_ref());
        assert_eq!((record.seed, record.scheduler.as_str()), (5_000_000_000, "euler"));
        hashes.push(view.sha256);
    }
    assert_eq!(hashes[0], hashes[1], "same seed, same picture");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_cancelled_within_its_steps_and_the_next_one_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder).await;
    let caller = caller(&server);
    let job = ask(&caller, &long()).await;
    let next = ask(&caller, &small()).await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    reach_the_middle(&mut stream).await;
    let cancel = format!("/api/jobs/{}/cancel", job.id);
    let asked: JobView = json_of(caller.act("POST", &cancel).await, StatusCode::OK).await;
    assert!(matches!(asked.status, JobStatus::Running | JobStatus::Cancelled), "{asked:?}");
    let ended = wait(&caller, &job).await;
    assert_eq!(ended.status, JobStatus::Cancelled);
    assert_eq!(wait(&caller, &next).await.status, JobStatus::Succeeded);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_gives_its_job_back_and_the_next_one_does_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder).await;
    let first = caller(&server);
    let job = ask(&first, &long()).await;
    let mut stream = Stream::open(&first, &job.id, None).await;
    reach_the_middle(&mut stream).await;
    drop(stream);
    server.stop().await;
    drop(first);

    let server = start(&folder).await;
    let second = caller(&server);
    let seen: JobView = json_of(second.get(&format!("/api/jobs/{}", job.id)).await, StatusCode::OK).await;
    assert!(!seen.status.is_final() && seen.attempt <= 1, "{seen:?}");
    // It has been shown to go on; the rest of its steps prove nothing more.
    let cancel = format!("/api/jobs/{}/cancel", job.id);
    second.act("POST", &cancel).await;
    assert_eq!(wait(&second, &job).await.status, JobStatus::Cancelled);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_has_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder).await;
    let second = Server::start(config(folder.path()), Arc::new(SystemClock)).await;
    let Err(error) = second else { panic!("two servers on one folder") };
    assert!(matches!(error, StartError::InUse(_)) && error.to_string().contains("hint:"), "{error}");
    server.stop().await;
    start(&folder).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_be_read_fails_its_job_and_not_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("models/broken");
    copy(&crate::support::models_dir().join(MODEL), &broken);
    std::fs::write(broken.join("unet/diffusion_pytorch_model.safetensors"), b"not a model").unwrap();
    let mut config = config(folder.path());
    config.models_dirs.push(folder.path().join("models"));
    let server = Server::start(config, Arc::new(SystemClock)).await.unwrap();
    let caller = caller(&server);
    let mut body = small();
    body["model"] = json!("broken");
    let failed = wait(&caller, &ask(&caller, &body).await).await;
    assert_eq!(failed.status, JobStatus::Failed);
    let error = failed.error.unwrap();
    assert!(!error.message.is_empty() && error.hint.is_some(), "{error:?}");
    assert_eq!(wait(&caller, &ask(&caller, &small()).await).await.status, JobStatus::Succeeded);
    server.stop().await;
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_pictures_have_seeds_of_their_own_and_each_can_be_made_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder).await;
    let caller = caller(&server);
    let mut body = small();
    body["seed"] = json!(40);
    body["num_images_per_prompt"] = json!(2);
    let both = wait(&caller, &ask(&caller, &body).await).await;
    assert_eq!(both.progress.as_ref().map(|at| (at.step, at.total_steps)), None);
    body["seed"] = json!(41);
    body["num_images_per_prompt"] = json!(1);
    let second = wait(&caller, &ask(&caller, &body).await).await;
    let view = async |id: &chapan_api::id::ImageId| -> ImageView {
        json_of(caller.get(&format!("/api/images/{id}")).await, StatusCode::OK).await
    };
    assert_eq!(both.images.len(), 2);
    let (first, alone) = (view(&both.images[1]).await, view(&second.image.unwrap()).await);
    assert_eq!(first.record.unwrap().seed, 41);
    assert_eq!(first.sha256, alone.sha256);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grid_is_drawn_with_its_sheet() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder).await;
    let caller = caller(&server);
    let mut base = small();
    base["seed"] = json!(3);
    let body = json!({
        "base": base,
        "x": { "parameter": "num_inference_steps", "values": [1, 2] },
        "y": { "parameter": "prompt", "search": "man", "values": ["man", "адам"] },
    });
    let job: JobView = json_of(caller.post("/api/grids", &body).await, StatusCode::ACCEPTED).await;
    let mut stream = Stream::open(&caller, &job.id, None).await;
    let mut state = JobState::new(stream.snapshot().await);
    let mut totals = Vec::new();
    while let Some(event) = stream.next().await {
        if let JobChange::Progressed { progress } = &event.change {
            totals.push((progress.step, progress.total_steps));
        }
        state.apply(&event);
    }
    assert_eq!(state.view.status, JobStatus::Succeeded, "{:?}", state.view.error);
    assert!(totals.is_sorted() && totals.iter().all(|at| at.1 == 6), "one count for all: {totals:?}");
    let path = format!("/api/grids/{}", job.grid.unwrap());
    let view: chapan_api::grid::GridView = json_of(caller.get(&path).await, StatusCode::OK).await;
    let prompts: Vec<_> = view.images.iter().map(|image| image.prompt().to_owned()).collect();
    assert_eq!(prompts, ["a man", "a man", "a адам", "a адам"]);
    let steps: Vec<_> =
        view.images.iter().map(|image| image.record.as_ref().unwrap().num_inference_steps).collect();
    assert_eq!(steps, [1, 2, 1, 2]);
    let sheet = view.sheet.unwrap();
    let file = bytes_of(caller.get(&sheet.url).await).await;
    let reader = png::Decoder::new(std::io::Cursor::new(file.to_vec())).read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (sheet.width, sheet.height));
    assert!(sheet.width > 2 * 64 && sheet.height > 2 * 64 && sheet.record.is_none());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_never_says_what_it_wants_does_not_keep_others_waiting() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder).await;
    let address = server.address();
    let mut silent = Vec::new();
    for _ in 0..50 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HT").await.unwrap();
        silent.push(stream);
    }
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /api/health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // The server closes those that stay silent: reading ends, with or without a word about it.
    let mut rest = Vec::new();
    let ended = silent[0].read_to_end(&mut rest).await;
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    drop(silent);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_changed_where_its_mask_is_white_and_says_what_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder).await;
    let caller = caller(&server);
    let image = wait(&caller, &ask(&caller, &small()).await).await.image.unwrap();
    let mut levels = vec![0; 64 * 64 * 3];
    levels[64 * 32 * 3..].fill(255);
    let mask = caller.upload(chapan::files::png::encode_bare_png(64, 64, &levels).unwrap()).await;
    let mut body = small();
    for (name, value) in [
        ("image", json!(image)),
        ("strength", json!(1.0)),
        ("mask_image", json!(mask.id)),
        ("mask_blur", json!(0.0)),
        ("padding_mask_crop", json!(0)),
        ("seed", json!(9)),
        ("variation_strength", json!(0.25)),
        ("prompt_weighting", json!(true)),
        ("prompt", json!("a (man:1.2)")),
    ] {
        body[name] = value;
    }
    let done = wait(&caller, &ask(&caller, &body).await).await;
    assert_eq!(done.status, JobStatus::Succeeded, "{:?}", done.error);
    let view: ImageView =
        json_of(caller.get(&format!("/api/images/{}", done.image.unwrap())).await, StatusCode::OK).await;
    let with = view.record.unwrap().ingredients;
    assert_eq!((with.strength, with.mask_blur, with.padding_mask_crop), (Some(1.0), Some(0.0), Some(0)));
    assert_eq!(with.image.unwrap().id, Some(image.clone()));
    assert!(with.variation_seed.is_some() && with.prompt_weighting);
    let pixels = async |url: &str| {
        let file = bytes_of(caller.get(url).await).await;
        let mut reader = png::Decoder::new(std::io::Cursor::new(file.to_vec())).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        pixels
    };
    let (before, after) = (pixels(&format!("/api/images/{image}/file")).await, pixels(&view.url).await);
    let half = 64 * 32 * 3;
    assert_eq!(before[..half], after[..half], "what is black in the mask stays");
    assert_ne!(before[half..], after[half..], "what is white is painted anew");
    server.stop().await;
}
