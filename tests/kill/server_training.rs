//! The server killed at random moments of a training that it does, and started again: the LoRA must be the same to the byte as
//! that of a training that was left alone.

use chapan_tests::client::Client;
use chapan_tests::fixture::fixture_path;
use chapan_tests::server::{Models, Server};
use chapan_tests::wait;
use serde_json::{Value, json};

use crate::load::Rng;
use crate::training::Outcome;

/// Steps of the training, and between its checkpoints.
const STEPS: u64 = 60;
const BETWEEN: u64 = 5;
/// The longest that is waited after a step is seen, in turns of an empty loop.
const TURNS: u64 = 4_000_000;

/// Kills the server `kills` times while it trains.
pub fn kill(kills: u32, rng: &mut Rng) -> Outcome {
    match try_kill(kills, rng) {
        Ok(ended) => Outcome { ended, fault: None },
        Err(fault) => Outcome { ended: 0, fault: Some(fault) },
    }
}

fn try_kill(kills: u32, rng: &mut Rng) -> Result<u32, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let data_dir = folder.path().join("data");
    let mut server = Server::start(&data_dir, Models::Tiny);
    let mut client = Client::new(&server.address);
    let dataset = dataset(&client)?;
    let whole = begin(&client, &dataset)?;
    let expected = lora(&client, &whole)?;
    let (mut killed, mut ended) = (0, 0);
    while killed < kills || ended == 0 {
        let training = begin(&client, &dataset)?;
        // Each kill comes somewhere after where the training was when the server came up.
        while killed < kills {
            let at = last_step(&client, &training)? + rng.below(STEPS / 4);
            if reach(&client, &training, at)? {
                break;
            }
            for _ in 0..rng.below(TURNS) {
                std::hint::spin_loop();
            }
            server.kill();
            killed += 1;
            drop(server);
            server = Server::start(&data_dir, Models::Tiny);
            client = client.moved_to(&server.address);
        }
        if lora(&client, &training)? != expected {
            return Err(format!("training {ended} of the server has other bytes"));
        }
        ended += 1;
    }
    Ok(ended)
}

fn ask(client: &Client, path: &str, body: &Value, status: u16) -> Result<Value, String> {
    let answer = client.post(path, body).map_err(|error| format!("{path}: {error}"))?;
    if answer.status == status {
        Ok(answer.body)
    } else {
        Err(format!("{path}: {} {}", answer.status, answer.body))
    }
}

fn dataset(client: &Client) -> Result<Value, String> {
    let mut images = Vec::new();
    for name in ["rgb.png", "baseline.jpg", "lossy.webp"] {
        let bytes = std::fs::read(fixture_path("pictures").join(name)).map_err(|error| error.to_string())?;
        let answer =
            client.upload("/api/images?reference=true", &bytes).map_err(|error| error.to_string())?;
        images.push(answer.body["id"].clone());
    }
    let body = json!({ "name": "Zed", "trigger_word": "zed", "images": images });
    Ok(ask(client, "/api/datasets", &body, 201)?["id"].clone())
}

fn begin(client: &Client, dataset: &Value) -> Result<String, String> {
    let body = json!({
        "dataset": dataset, "name": "Zed", "model": "tiny-sdxl", "resolution": 64, "rank": 2, "max_train_steps": STEPS,
        "checkpoint_every": BETWEEN, "train_batch_size": 2, "lr_scheduler": "cosine", "ema": true, "caption_dropout": 0.3,
        "sample_every": 20, "validate_every": 0, "seed": 3,
    });
    let job = ask(client, "/api/trainings", &body, 202)?;
    job["training"].as_str().map(str::to_owned).ok_or_else(|| format!("no training in {job}"))
}

fn view(client: &Client, training: &str) -> Result<Value, String> {
    let answer = client.get(&format!("/api/trainings/{training}")).map_err(|error| error.to_string())?;
    if answer.body["job"]["status"] == "failed" {
        return Err(format!("the training failed: {}", answer.body["job"]["error"]));
    }
    Ok(answer.body)
}

fn last_step(client: &Client, training: &str) -> Result<u64, String> {
    Ok(view(client, training)?["last_step"].as_u64().unwrap_or_default())
}

/// Waits until a training has done so many steps; true when it had ended before it could be killed.
fn reach(client: &Client, training: &str, step: u64) -> Result<bool, String> {
    wait::until("a step of the training", || match view(client, training) {
        Err(fault) => Some(Err(fault)),
        Ok(seen) if seen["job"]["status"] == "succeeded" => Some(Ok(true)),
        Ok(seen) => (seen["last_step"].as_u64().unwrap_or_default() >= step).then_some(Ok(false)),
    })
}

/// The LoRA of a training, once it has ended.
fn lora(client: &Client, training: &str) -> Result<Vec<u8>, String> {
    wait::until("the end of the training", || match view(client, training) {
        Err(fault) => Some(Err(fault)),
        Ok(seen) => (seen["job"]["status"] == "succeeded").then_some(Ok(())),
    })?;
    let path = format!("/api/trainings/{training}/files/lora.safetensors");
    client.file(&path).map_err(|error| error.to_string())
}
