//! Bad input of every kind is a 4xx with a hint, grows nothing, and the server lives. Pictures have their own tests in
//! `uploads.rs`: vast sizes, bombs, files that end anywhere early, forms that would lose something.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::model::LoraView;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Caller, MODEL, Studio, bytes_of, json_of, peak_memory, refusal, safetensors, shipped_models_dir, small,
};

/// The most that all of this may grow the process by.
const MOST_GROWTH: u64 = 256 << 20;

/// Sends a body that need not be JSON; the answer must be a refusal with a hint, and short.
async fn refused(caller: &Caller, path: &str, body: String) -> ErrorBody {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    let shown: String = body.chars().take(200).collect();
    let response = caller.send(request.body(Body::from(body)).unwrap()).await;
    let status = response.status();
    let bytes = bytes_of(response).await;
    assert!(status.is_client_error(), "{shown}: {status} {}", String::from_utf8_lossy(&bytes));
    assert!(bytes.len() < 4096, "{shown}: an answer of {} bytes", bytes.len());
    let body: ErrorBody = serde_json::from_slice(&bytes).unwrap();
    assert!(body.hint.is_some() && body.request_id.is_some(), "{shown}: {body:?}");
    body
}

/// The server draws for the next caller as if nothing had been.
async fn lives(studio: &Studio) {
    assert!(studio.claim().await.is_none(), "nothing was accepted");
    studio.local().ask().await;
    assert!(studio.claim().await.is_some());
}

#[tokio::test]
async fn numbers_that_are_none_or_far_out_are_refused_wherever_they_stand() {
    let studio = Studio::with(|config| config.models_dirs.push(shipped_models_dir())).await;
    let caller = studio.local();
    let picture = chapan::files::png::encode_bare_png(64, 64, &[9; 64 * 64 * 3]).unwrap();
    let picture = caller.upload(picture).await.id.to_string();
    let before = peak_memory();
    let numbers = [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1",
        "-1e30",
        "1e308",
        "1e18",
        "\"7\"",
        "null",
        "[]",
        "{}",
    ];
    for field in [
        "seed",
        "num_inference_steps",
        "guidance_scale",
        "width",
        "height",
        "strength",
        "mask_blur",
        "padding_mask_crop",
        "num_images_per_prompt",
        "variation_seed",
        "variation_strength",
    ] {
        for number in numbers {
            // What may be left out may be null.
            let optional = [
                "seed",
                "strength",
                "mask_blur",
                "padding_mask_crop",
                "variation_seed",
                "variation_strength",
            ];
            if number == "null" && optional.contains(&field) {
                continue;
            }
            let mut body = small();
            body["image"] = json!(picture);
            body["mask_image"] = json!(picture);
            body["strength"] = json!(1.0);
            body["variation_strength"] = json!(0.5);
            body[field] = json!("@@");
            refused(&caller, "/api/generations", body.to_string().replace("\"@@\"", number)).await;
        }
    }
    for number in numbers {
        for template in [
            r#"{"prompt":"x","model":"@m","hires":{"scale":@@}}"#,
            r#"{"prompt":"x","model":"@m","hires":{"strength":@@}}"#,
            r#"{"prompt":"x","model":"@m","hires":{"steps":@@,"strength":0.5}}"#,
            r#"{"prompt":"x","model":"@m","loras":[{"model":"none","weight":@@}]}"#,
        ] {
            // Steps may be left out, and a LoRA may act the other way.
            if (number == "null" && template.contains("steps"))
                || (number == "-1" && template.contains("weight"))
            {
                continue;
            }
            let body = template.replace("@m", MODEL).replace("@@", number);
            let body = refused(&caller, "/api/generations", body).await;
            // It is the number that is refused, not the name beside it.
            let code = body.code;
            assert!(matches!(code, ErrorCode::InvalidField | ErrorCode::MalformedBody), "{body:?}");
        }
        let upscale = format!(r#"{{"image":"{picture}","scale":{number}}}"#);
        refused(&caller, "/api/upscales", upscale).await;
        let axis =
            r#"{"base":{"prompt":"x","model":"@m"},"x":{"parameter":"num_inference_steps","values":[@@]}}"#;
        refused(&caller, "/api/grids", axis.replace("@m", MODEL).replace("@@", number)).await;
    }
    lives(&studio).await;
    assert!(peak_memory().saturating_sub(before) < MOST_GROWTH);
}

#[tokio::test]
async fn texts_of_any_length_and_kind_are_refused_or_kept_as_they_are() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let with = |field: &str, text: &str| {
        let mut body = small();
        body[field] = json!(text);
        body.to_string()
    };
    let before = peak_memory();
    for (field, text, code) in [
        ("prompt", "x".repeat(100_000), ErrorCode::BodyTooLarge),
        ("prompt", "x".repeat(50_000), ErrorCode::InvalidField),
        ("prompt", "(".repeat(2_001), ErrorCode::InvalidField),
        ("prompt", "<lora:".repeat(400), ErrorCode::InvalidField),
        ("negative_prompt", "ұ".repeat(100_000), ErrorCode::BodyTooLarge),
        ("negative_prompt", "ұ".repeat(20_000), ErrorCode::InvalidField),
        ("prompt", "a\0b".to_owned(), ErrorCode::InvalidField),
        ("prompt", "a\u{1b}[31m".to_owned(), ErrorCode::InvalidField),
        ("prompt", "\u{2028}  \t\n".to_owned(), ErrorCode::InvalidField),
        ("model", "x".repeat(50_000), ErrorCode::UnknownModel),
        ("scheduler", "x".repeat(50_000), ErrorCode::InvalidField),
    ] {
        let body = refused(&caller, "/api/generations", with(field, &text)).await;
        assert_eq!(body.code, code, "{field}: {}", body.message);
    }
    // Half a pair of UTF-16 is no text.
    refused(&caller, "/api/generations", r#"{"prompt":"\ud800"}"#.to_owned()).await;
    lives(&studio).await;
    assert!(peak_memory().saturating_sub(before) < MOST_GROWTH);
}

/// Files that lie where LoRAs are looked for, by name, with a word of what is wrong with each.
fn hostile_files() -> (TempDir, Vec<(&'static str, &'static str)>) {
    let folder = tempfile::tempdir().unwrap();
    let layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k";
    let (down, up) = (format!("{layer}.lora_down.weight"), format!("{layer}.lora_up.weight"));
    let headed = |header: &str, data: usize| {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.resize(file.len() + data, 0);
        file
    };
    let tensor = |name: &str, shape: &str, begin: u64, end: u64| {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
    };
    let pair = |first: String, second: String| format!("{{{first},{second}}}");
    let mut endless = (1_u64 << 63).to_le_bytes().to_vec();
    endless.resize(100, b' ');
    let mut long = (200_u64 << 20).to_le_bytes().to_vec();
    long.resize(1000, b' ');
    let whole = safetensors(&[(&down, vec![2, 8]), (&up, vec![8, 2])], &json!({}));
    let files: [(&str, Vec<u8>, &str); 11] = [
        ("endless", endless, "header"),
        ("long", long, "header"),
        ("empty", Vec::new(), "too short"),
        ("pickle", b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94.".to_vec(), "safetensors"),
        ("no-json", headed("{\"a\":", 0), "header"),
        (
            "overlapping",
            headed(&pair(tensor(&down, "[2,8]", 0, 64), tensor(&up, "[8,2]", 32, 96)), 96),
            "overlap",
        ),
        (
            "beyond",
            headed(&pair(tensor(&down, "[2,8]", 0, 64), tensor(&up, "[8,2]", 64, 1 << 40)), 128),
            "bytes",
        ),
        (
            "overflow",
            headed(
                &pair(
                    tensor(&down, "[4294967296,4294967296,4294967296]", 0, 64),
                    tensor(&up, "[8,2]", 64, 128),
                ),
                128,
            ),
            "",
        ),
        ("cut", whole[..whole.len() - 7].to_vec(), "bytes"),
        (
            "rank",
            safetensors(&[(&down, vec![1_000_000, 8]), (&up, vec![8, 1_000_000])], &json!({})),
            "rank is 1000000",
        ),
        (
            "family",
            safetensors(
                &[(&down, vec![2, 8]), (&up, vec![8, 2])],
                &json!({ "ss_base_model_version": "flux1" }),
            ),
            "made for FLUX",
        ),
    ];
    let mut named = Vec::new();
    for (name, bytes, word) in files {
        std::fs::write(folder.path().join(format!("{name}.safetensors")), bytes).unwrap();
        named.push((name, word));
    }
    (folder, named)
}

#[tokio::test]
async fn hostile_loras_are_refused_by_what_is_wrong_with_them() {
    let (folder, named) = hostile_files();
    let studio = Studio::with(|config| config.models_dirs.push(folder.path().to_owned())).await;
    let caller = studio.local();
    let before = peak_memory();
    let listed: Vec<LoraView> = json_of(caller.get("/api/loras").await, StatusCode::OK).await;
    for (name, word) in named {
        let lora = listed.iter().find(|lora| lora.id.as_str() == name);
        assert!(lora.is_some_and(|lora| lora.fault.is_some() == (name != "family")), "{name}: {lora:?}");
        let mut body = small();
        body["loras"] = json!([{ "model": name }]);
        let refused =
            refusal(caller.post("/api/generations", &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(refused.field.as_deref(), Some("loras[0].model"), "{name}");
        assert!(refused.message.contains(word), "{name}: {}", refused.message);
        let place = folder.path().display().to_string();
        assert!(!refused.message.contains(&place), "no place on the disk is told: {}", refused.message);
        let mut body = small();
        body["prompt"] = json!(format!("a man <lora:{name}:1>"));
        refusal(caller.post("/api/generations", &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    lives(&studio).await;
    assert!(peak_memory().saturating_sub(before) < MOST_GROWTH);
}

#[tokio::test]
async fn a_mask_of_another_size_or_of_nobody_is_refused() {
    let studio = Studio::new().await;
    let (ana, ben) = (studio.someone("ana").await, studio.someone("ben").await);
    let picture = |width: u32, height: u32| {
        chapan::files::png::encode_bare_png(width, height, &vec![9; (width * height * 3) as usize]).unwrap()
    };
    let (image, mask) = (ana.upload(picture(64, 64)).await, ana.upload(picture(64, 65)).await);
    let foreign = ben.upload(picture(64, 64)).await;
    let with = |image: &Value, mask: &Value| {
        let mut body = small();
        (body["image"], body["mask_image"], body["strength"]) = (image.clone(), mask.clone(), json!(1.0));
        body
    };
    for (image, mask, field) in [
        (json!(image.id), json!(mask.id), "mask_image"),
        (json!(image.id), json!(foreign.id), "mask_image"),
        (json!(foreign.id), json!(mask.id), "image"),
        (json!("../../etc/passwd"), json!(mask.id), "image"),
        (json!("x".repeat(1000)), json!(mask.id), "image"),
    ] {
        let refused = refusal(
            ana.post("/api/generations", &with(&image, &mask)).await,
            StatusCode::UNPROCESSABLE_ENTITY,
        )
        .await;
        assert_eq!(refused.field.as_deref(), Some(field), "{}", refused.message);
    }
    lives(&studio).await;
}
