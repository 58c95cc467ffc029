//! `/api/loras`, LoRAs of requests, and `<lora:name:0.8>` in prompts.

use std::sync::Arc;

use axum::http::StatusCode;
use chapan::api::router;
use chapan::clock::SystemClock;
use chapan::hub::WeightFiles;
use chapan::jobs::hash_installed;
use chapan::server::Server;
use chapan_api::error::ErrorCode;
use chapan_api::generation::GenerationView;
use chapan_api::image::ImageView;
use chapan_api::job::{JobStatus, JobView};
use chapan_api::model::{LoraView, ModelView};
use chapan_api::reproduction::ReproductionView;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::wait;
use crate::support::{
    Caller, Studio, bytes_of, config, json_of, loras_dir, models_dir, refusal, safetensors, small,
};

/// A folder of models with the LoRA `ink` for the tiny model, `old`, which was made for another family, and `wide`, which
/// does not say what it was made for.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("loras")).unwrap();
    std::fs::copy(loras_dir().join("kohya.safetensors"), folder.path().join("loras/ink.safetensors"))
        .unwrap();
    let metadata = json!({ "ss_base_model_version": "sd_v1", "ss_output_name": "Old things" });
    let tensors = [("lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", vec![2, 3])];
    std::fs::write(folder.path().join("old.safetensors"), safetensors(&tensors, &metadata)).unwrap();
    let layer = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight";
    std::fs::write(
        folder.path().join("wide.safetensors"),
        safetensors(&[(layer, vec![2, 2048])], &json!({})),
    )
    .unwrap();
    folder
}

async fn idle(folder: &TempDir) -> Studio {
    Studio::with(|config| config.models_dirs.push(folder.path().to_owned())).await
}

fn with_prompt(prompt: &str) -> Value {
    let mut body = small();
    body["prompt"] = json!(prompt);
    body["seed"] = json!(11);
    body
}

async fn draw(caller: &Caller, body: &Value) -> ImageView {
    let job: JobView = json_of(caller.post("/api/generations", body).await, StatusCode::ACCEPTED).await;
    let done = wait(caller, &job).await;
    assert_eq!(done.status, JobStatus::Succeeded, "{:?}", done.error);
    json_of(caller.get(&format!("/api/images/{}", done.image.unwrap())).await, StatusCode::OK).await
}

#[tokio::test]
async fn installed_loras_say_what_they_are_for_and_what_calls_them() {
    let folder = folder();
    let studio = idle(&folder).await;
    let loras: Vec<LoraView> = json_of(studio.local().get("/api/loras").await, StatusCode::OK).await;
    let ink = loras.iter().find(|lora| lora.id.as_str() == "ink").unwrap();
    assert_eq!((ink.family.as_deref(), ink.base.as_deref()), (Some("sdxl"), Some("sdxl_base_v1-0")));
    assert_eq!(
        (ink.title.as_deref(), &ink.trigger_words[..]),
        (Some("fixture"), &["orange hat".to_owned()][..])
    );
    assert!(ink.size_bytes > 1000);
    let old = loras.iter().find(|lora| lora.id.as_str() == "old").unwrap();
    assert_eq!(
        (old.family.as_deref(), old.title.as_deref()),
        (Some("Stable Diffusion 1"), Some("Old things"))
    );
}

#[tokio::test]
async fn hashes_are_computed_beside_the_requests_and_kept() {
    let folder = folder();
    let studio = idle(&folder).await;
    let caller = studio.local();
    let hash = async || {
        let loras: Vec<LoraView> = json_of(caller.get("/api/loras").await, StatusCode::OK).await;
        loras.into_iter().find(|lora| lora.id.as_str() == "ink").unwrap().sha256
    };
    assert_eq!(hash().await, None, "no request waits for a hash");
    let stop = studio.stop.subscribe();
    hash_installed(&studio.app.catalog, &studio.app.store, &stop).await;
    let computed = hash().await.unwrap();
    assert_eq!(computed.len(), 64);
    let models: Vec<ModelView> = json_of(caller.get("/api/models").await, StatusCode::OK).await;
    assert!(models.iter().all(|model| model.sha256.as_ref().is_some_and(|hash| hash.len() == 64)));

    // The table remembers what it is told: with another hash under this stamp the file is not read again.
    let ink = folder.path().join("loras/ink.safetensors");
    let changed = std::fs::read(loras_dir().join("loha.safetensors")).unwrap();
    std::fs::write(&ink, changed).unwrap();
    assert_eq!(hash().await, None, "another file has another hash");
    let stamp = WeightFiles::new(vec![ink]).stamp().unwrap();
    studio.app.store.remember_weight_hash(&stamp, &"0".repeat(64)).await.unwrap();
    hash_installed(&studio.app.catalog, &studio.app.store, &stop).await;
    assert_eq!(hash().await, Some("0".repeat(64)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_a_lora_of_the_list_and_the_record_keeps_it() {
    let folder = folder();
    let data = tempfile::tempdir().unwrap();
    let mut config = config(data.path());
    config.models_dirs = vec![models_dir(), folder.path().to_owned()];
    let server = Server::start(config, Arc::new(SystemClock)).await.unwrap();
    let caller = Caller::of(router(server.app().clone()));

    let plain = draw(&caller, &with_prompt("a man")).await;
    let tagged = draw(&caller, &with_prompt("a man <lora:ink:0.8:0.5>")).await;
    let mut listed = with_prompt("a man");
    listed["loras"] = json!([{ "model": "ink", "weight": 0.8, "text_encoder_weight": 0.5 }]);
    let listed = draw(&caller, &listed).await;
    assert_eq!(tagged.sha256, listed.sha256, "the same file, record and all");
    assert_ne!(tagged.sha256, plain.sha256);

    let record = tagged.record.unwrap();
    assert_eq!(record.prompt, "a man");
    let [lora] = &record.ingredients.loras[..] else { panic!("{record:?}") };
    assert_eq!((lora.model.as_str(), lora.weight, lora.text_encoder_weight), ("ink", 0.8, Some(0.5)));
    assert_eq!(lora.sha256.as_ref().map(String::len), Some(64));
    let path = format!("/api/generations/{}", tagged.generation.unwrap());
    let view: GenerationView = json_of(caller.get(&path).await, StatusCode::OK).await;
    assert_eq!((view.parameters.prompt.as_str(), view.parameters.loras.len()), ("a man", 1));
    let file = bytes_of(caller.get(&tagged.url).await).await;
    let reader = png::Decoder::new(std::io::Cursor::new(file.to_vec())).read_info().unwrap();
    let text = &reader.info().uncompressed_latin1_text[0].text;
    assert!(text.starts_with("a man <lora:ink:te=0.5:unet=0.8>\n"), "{text}");
    // What the line says can be typed again.
    let typed = draw(&caller, &with_prompt(text.lines().next().unwrap())).await;
    assert_eq!(typed.sha256, listed.sha256);

    let path = format!("/api/images/{}", tagged.id);
    let job: JobView =
        json_of(caller.act("POST", &format!("{path}/reproduce")).await, StatusCode::ACCEPTED).await;
    wait(&caller, &job).await;
    let view: ReproductionView =
        json_of(caller.get(&format!("{path}/reproduction")).await, StatusCode::OK).await;
    assert!(view.verdict.unwrap().identical);

    // An axis of a grid may put tags into the prompt.
    let grid = json!({
        "base": with_prompt("a man STYLE"),
        "x": { "parameter": "prompt", "search": "STYLE", "values": ["<lora:ink:0.8:0.5>", " "] },
    });
    let job: JobView = json_of(caller.post("/api/grids", &grid).await, StatusCode::ACCEPTED).await;
    let done = wait(&caller, &job).await;
    assert_eq!(done.status, JobStatus::Succeeded, "{:?}", done.error);
    let first: ImageView =
        json_of(caller.get(&format!("/api/images/{}", done.images[1])).await, StatusCode::OK).await;
    assert_eq!(first.sha256, listed.sha256);
    server.stop().await;
}

#[tokio::test]
async fn tags_that_cannot_be_followed_are_faults_of_the_prompt() {
    let folder = folder();
    let studio = idle(&folder).await;
    let caller = studio.local();
    for (prompt, code, words) in [
        ("a man <lora:nothing:0.8>", ErrorCode::UnknownModel, "`nothing`"),
        ("a man <lora:../../etc/passwd>", ErrorCode::UnknownModel, "not installed"),
        ("a man <lora:old>", ErrorCode::InvalidField, "Stable Diffusion 1"),
        ("a man <lora:wide>", ErrorCode::InvalidField, "width 2048"),
        ("a man <lora:ink:much>", ErrorCode::InvalidField, "not a number"),
        ("a man <lora::1>", ErrorCode::InvalidField, "names nothing"),
        ("a man <lora:ink:1e9>", ErrorCode::InvalidField, "outside -4 to 4"),
        ("a man <lora:ink:inf>", ErrorCode::InvalidField, "not a number"),
        ("<lora:ink:0.8>", ErrorCode::InvalidField, "empty"),
    ] {
        let refused = refusal(
            caller.post("/api/generations", &with_prompt(prompt)).await,
            StatusCode::UNPROCESSABLE_ENTITY,
        )
        .await;
        assert_eq!((refused.code, refused.field.as_deref()), (code, Some("prompt")), "{prompt}");
        assert!(refused.message.contains(words), "{prompt}: {}", refused.message);
    }
    let many = with_prompt(&format!("a man {}", "<lora:ink>".repeat(9)));
    let refused =
        refusal(caller.post("/api/generations", &many).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::InvalidField, Some("loras")));
    let grid = json!({
        "base": with_prompt("a man STYLE"),
        "x": { "parameter": "prompt", "search": "STYLE", "values": ["<lora:ink>", "<lora:nothing>"] },
    });
    let refused = refusal(caller.post("/api/grids", &grid).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused.code, ErrorCode::UnknownModel);
    assert!(studio.claim().await.is_none(), "nothing was accepted");
}
