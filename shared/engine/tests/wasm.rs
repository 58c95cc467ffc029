//! The engine where it also lives, in the browser: a tiny whole pipeline draws the picture that diffusers drew.
#![cfg(target_arch = "wasm32")]

use std::collections::BTreeMap;

use chapan_engine::evaluate::{Clip, RgbPicture};
use chapan_engine::pipelines::{GenerationParams, Silent, StableDiffusionXl};
use chapan_engine::tokenizer::{ClipTokenizer, TokenizerFiles};
use chapan_engine::weights::InMemory;
use chapan_engine::{DType, Device};
use safetensors::SafeTensors;
use serde_json::Value;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// Names and bytes of files of the tiny pipeline.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../tests/fixtures/pipelines/tiny-sdxl/", $name)).to_vec())),*]
    };
}

fn tiny() -> StableDiffusionXl {
    let files: BTreeMap<String, Vec<u8>> = files![
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "text_encoder_2/config.json",
        "text_encoder_2/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/special_tokens_map.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "tokenizer_2/merges.txt",
        "tokenizer_2/special_tokens_map.json",
        "tokenizer_2/tokenizer_config.json",
        "tokenizer_2/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    .into_iter()
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .collect();
    StableDiffusionXl::from_files(files, &Device::Cpu, DType::F32).expect("loads")
}

/// Draws every case of the tiny pipeline that passes `choose` and compares it with the picture of diffusers.
fn compare(choose: impl Fn(&Value) -> bool) {
    let cases: Vec<Value> =
        serde_json::from_slice(include_bytes!("../../../tests/fixtures/pipelines/cases.json"))
            .expect("parses");
    let expected = include_bytes!("../../../tests/fixtures/pipelines/cases.safetensors");
    let expected = SafeTensors::deserialize(expected).expect("safetensors");
    let pipeline = tiny();
    let mut compared = 0;
    for (number, case) in cases.iter().enumerate() {
        if case["pipeline"] != "tiny-sdxl" || !choose(case) {
            continue;
        }
        let whole = |key: &str| case[key].as_u64().expect("a whole number");
        let params = GenerationParams {
            prompt: case["prompt"].as_str().expect("text").to_owned(),
            negative_prompt: case["negative_prompt"].as_str().map(str::to_owned),
            width: whole("width") as usize,
            height: whole("height") as usize,
            num_inference_steps: whole("num_inference_steps") as usize,
            guidance_scale: case["guidance_scale"].as_f64().expect("a number"),
            guidance_rescale: case["guidance_rescale"].as_f64().expect("a number"),
            seed: whole("seed"),
            scheduler: case["scheduler"].as_str().map(|name| name.parse().expect("a known name")),
            ..GenerationParams::default()
        };
        let image = pipeline.generate(&params, &mut Silent).expect("draws").image;
        let picture = expected.tensor(&format!("{number}.picture")).expect("drawn");
        let apart = image.rgb.iter().zip(picture.data()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart <= Some(1), "case {number}: a pixel is {apart:?} levels off");
        compared += 1;
    }
    assert!(compared > 0, "no case was compared");
}

/// CLIP's `vocab.json`, in its order: bytes, bytes that end a word, joined pairs, two tokens.
fn vocabulary(merges: &[&str]) -> Vec<u8> {
    let printable = (0x21..=0x7e).chain(0xa1..=0xac).chain(0xae..=0xff);
    let bytes: Vec<char> = printable.chain(0x100..0x144).filter_map(char::from_u32).collect();
    let mut pieces: Vec<String> = bytes.iter().copied().map(String::from).collect();
    pieces.extend(bytes.iter().map(|letter| format!("{letter}</w>")));
    pieces.extend(merges.iter().map(|line| line.replace(' ', "")));
    pieces.extend(["<|startoftext|>", "<|endoftext|>"].map(str::to_owned));
    let numbered: BTreeMap<String, usize> =
        pieces.into_iter().enumerate().map(|(place, piece)| (piece, place)).collect();
    serde_json::to_vec(&numbered).expect("serialises")
}

/// Every string of the thousand, Kazakh, emoji and control characters among them, has the tokens of transformers.
#[wasm_bindgen_test]
fn a_thousand_strings_have_the_tokens_of_transformers() {
    let case: Value = serde_json::from_slice(include_bytes!("../../../tests/fixtures/tokenizer/full.json"))
        .expect("parses");
    let texts: Vec<String> =
        serde_json::from_slice(include_bytes!("../../../tests/fixtures/tokenizer/strings.json"))
            .expect("parses");
    let merges = include_str!("../../../tests/fixtures/tokenizer/merges.txt");
    let merges: Vec<&str> =
        merges.lines().skip(1).take(case["merges"].as_u64().expect("a number") as usize).collect();
    let file = |name: &str| case["files"][name].as_str().map(|text| text.as_bytes().to_vec());
    let files = TokenizerFiles {
        vocab: Some(vocabulary(&merges)),
        merges: Some(merges.join("\n").into_bytes()),
        config: file("tokenizer_config.json"),
        special_tokens_map: file("special_tokens_map.json"),
        ..TokenizerFiles::default()
    };
    let tokenizer = ClipTokenizer::new(&files).expect("the files are those of transformers");
    let expected: Vec<Vec<u32>> = serde_json::from_value(case["ids"].clone()).expect("lists of tokens");
    assert_eq!((expected.len(), texts.len()), (1000, 1000));
    for (text, expected) in texts.iter().zip(&expected) {
        assert_eq!(&tokenizer.pieces(text), expected, "{text:?}");
    }
}

/// The pictures of `tests/reference/engine/clip.py`, repeated.
fn picture(seed: u32, width: usize, height: usize) -> Vec<u8> {
    let mut state = seed;
    let level = |i: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = ((i / 3) % width, (i / 3) / width);
        (((state >> 24) as usize / 8 + x * 5 + y * 3 + (i % 3) * 20) % 256) as u8
    };
    (0..width * height * 3).map(level).collect()
}

/// Embeds the texts and pictures of a fixture. Server and browser may be 1e-4 apart, so each may be half of that from the
/// reference; `tests/engine/clips.rs` holds the server to the same numbers.
fn compare_clip(clip: &Clip, cases: &[u8], expected: &[u8]) {
    let cases: Value = serde_json::from_slice(cases).expect("parses");
    let expected = SafeTensors::deserialize(expected).expect("safetensors");
    let near = |what: &str, got: Vec<Vec<f32>>| {
        let rows = expected.tensor(what).expect("embedded");
        let (got, data) = (got.concat(), rows.data());
        assert_eq!(data.len(), got.len() * 4, "{what}");
        let wanted = data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four")));
        let far = got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far <= 5e-5, "{what} is {far:.2e} away");
    };
    let texts = cases["texts"].as_array().expect("texts").iter();
    let texts: Vec<&str> = texts.map(|text| text.as_str().expect("text")).collect();
    near("text_embeds", clip.embed_texts(&texts).expect("embeds"));
    let sizes = cases["pictures"]
        .as_array()
        .expect("pictures")
        .iter()
        .map(|case| [0, 1, 2].map(|index| case[index].as_u64().expect("a whole number") as usize));
    let pictures: Vec<_> =
        sizes.map(|[seed, width, height]| (picture(seed as u32, width, height), width, height)).collect();
    let views: Vec<_> = pictures
        .iter()
        .map(|(rgb, width, height)| RgbPicture { rgb, width: *width, height: *height })
        .collect();
    near("image_embeds", clip.embed_pictures(&views).expect("embeds"));
}

/// The files that make a CLIP: its configuration and weights from a folder, the tokenizer of the mini CLIP.
macro_rules! clip {
    ($folder:literal, $preprocessor:expr) => {{
        macro_rules! tokenizer {
            ($name:literal) => {
                Some(include_bytes!(concat!("../../../assets/models/chapan-mini-clip/", $name)).to_vec())
            };
        }
        let tokenizer = TokenizerFiles {
            vocab: tokenizer!("vocab.json"),
            merges: tokenizer!("merges.txt"),
            config: tokenizer!("tokenizer_config.json"),
            special_tokens_map: tokenizer!("special_tokens_map.json"),
            ..TokenizerFiles::default()
        };
        let weights = include_bytes!(concat!($folder, "/model.safetensors")).to_vec();
        let source = InMemory::new("model.safetensors", weights).expect("safetensors");
        let config = include_str!(concat!($folder, "/config.json"));
        Clip::load(config, $preprocessor, source, &tokenizer, &Device::Cpu).expect("loads")
    }};
}

#[wasm_bindgen_test]
fn the_mini_clip_sees_and_reads_as_on_the_server() {
    compare_clip(
        &clip!("../../../assets/models/chapan-mini-clip", None),
        include_bytes!("../../../tests/fixtures/mini/clip.json"),
        include_bytes!("../../../tests/fixtures/mini/clip.safetensors"),
    );
}

#[wasm_bindgen_test]
fn a_clip_of_transformers_sees_and_reads_as_there() {
    compare_clip(
        &clip!(
            "../../../tests/fixtures/engine/clip",
            Some(include_str!("../../../tests/fixtures/engine/clip/preprocessor_config.json"))
        ),
        include_bytes!("../../../tests/fixtures/engine/clip/expected.json"),
        include_bytes!("../../../tests/fixtures/engine/clip/expected.safetensors"),
    );
}

#[wasm_bindgen_test]
fn a_tiny_pipeline_draws_the_picture_of_diffusers() {
    compare(|case| case["scheduler"].is_null() && case["num_inference_steps"] == 4);
}

#[wasm_bindgen_test]
fn every_scheduler_draws_the_picture_of_diffusers() {
    compare(|case| case["scheduler"].is_string() && case["seed"] == 12345);
}
