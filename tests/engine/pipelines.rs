//! Whole tiny pipelines against diffusers: every pixel within one level, for every scheduler.
//!
//! The pictures were drawn by `tests/reference/engine/pipelines.py`.

use std::collections::BTreeMap;

use chapan_engine::pipelines::{
    Flow, GenerationParams, ProgressEvent, Silent, StableDiffusionXl, StepSnapshot,
};
use chapan_engine::schedulers::SchedulerName;
use chapan_engine::{DType, Device, Error};
use chapan_tests::fixture::fixture_path;
use chapan_tests::pipelines::pipeline_files;
use safetensors::SafeTensors;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    pipeline: String,
    scheduler: Option<String>,
    prompt: String,
    negative_prompt: Option<String>,
    num_inference_steps: usize,
    guidance_scale: f64,
    guidance_rescale: f64,
    width: usize,
    height: usize,
    seed: u64,
    network_calls: usize,
}

impl Case {
    fn params(&self) -> GenerationParams {
        GenerationParams {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            width: self.width,
            height: self.height,
            num_inference_steps: self.num_inference_steps,
            guidance_scale: self.guidance_scale,
            guidance_rescale: self.guidance_rescale,
            seed: self.seed,
            scheduler: self.scheduler.as_deref().map(|name| name.parse().expect("a known name")),
            ..GenerationParams::default()
        }
    }
}

fn load(name: &str) -> StableDiffusionXl {
    StableDiffusionXl::from_files(pipeline_files(name), &Device::Cpu, DType::F32).expect("loads")
}

fn tiny() -> StableDiffusionXl {
    StableDiffusionXl::load(&fixture_path("pipelines/tiny-sdxl"), &Device::Cpu, DType::F32).expect("loads")
}

fn small() -> GenerationParams {
    GenerationParams {
        prompt: "a hat".to_owned(),
        width: 16,
        height: 24,
        num_inference_steps: 3,
        ..GenerationParams::default()
    }
}

#[test]
fn every_pixel_is_within_one_level_of_diffusers() {
    let folder = fixture_path("pipelines");
    let cases: Vec<Case> =
        serde_json::from_slice(&std::fs::read(folder.join("cases.json")).expect("committed"))
            .expect("parses");
    let bytes = std::fs::read(folder.join("cases.safetensors")).expect("committed");
    let expected = SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut pipelines: BTreeMap<&str, StableDiffusionXl> = BTreeMap::new();
    let (mut faults, mut values, mut unequal) = (Vec::new(), 0, 0);
    for (number, case) in cases.iter().enumerate() {
        let pipeline = pipelines.entry(&case.pipeline).or_insert_with(|| load(&case.pipeline));
        let mut calls = 0;
        let mut count = |event: ProgressEvent<'_>| {
            calls += usize::from(matches!(event, ProgressEvent::Step { .. }));
            Flow::Continue
        };
        let generated = pipeline.generate(&case.params(), &mut count).expect("draws");
        let what = format!("case {number} ({} {:?})", case.pipeline, case.scheduler);
        assert_eq!(calls, case.network_calls, "{what}");
        let picture = expected.tensor(&format!("{number}.picture")).expect("drawn");
        assert_eq!(picture.shape(), [case.height, case.width, 3], "{what}");
        let apart = generated.image.rgb.iter().zip(picture.data()).map(|(a, b)| a.abs_diff(*b)).max();
        values += picture.data().len();
        unequal += generated.image.rgb.iter().zip(picture.data()).filter(|(a, b)| a != b).count();
        if apart > Some(1) {
            faults.push(format!("{what}: a pixel is {apart:?} levels off"));
        }
        if let Ok(latents) = expected.tensor(&format!("{number}.latents")) {
            let got = generated.latents.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("f32");
            let wanted: Vec<f32> = latents
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            assert_eq!(got.len(), wanted.len(), "{what}");
            let norm = |values: &mut dyn Iterator<Item = f32>| {
                values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
            };
            let off =
                norm(&mut got.iter().zip(&wanted).map(|(a, b)| a - b)) / norm(&mut wanted.iter().copied());
            if off.is_nan() || off > 5e-5 {
                faults.push(format!("{what}: latents are off by {off:e}"));
            }
        }
    }
    for name in SchedulerName::ALL {
        let seen = cases.iter().filter(|case| case.scheduler.as_deref() == Some(name.as_str())).count();
        assert!(seen >= 4, "{name} has {seen} cases");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // One level of difference is rounding; if it were common something would be off by half a level.
    assert!(unequal * 1000 <= values, "{unequal} of {values} values differ");
}

#[test]
fn a_folder_and_the_same_files_in_memory_draw_the_same() {
    let folder = tiny().generate(&small(), &mut Silent).expect("draws");
    let memory = load("tiny-sdxl").generate(&small(), &mut Silent).expect("draws");
    assert_eq!(folder.image, memory.image);
    assert_eq!(folder.latents.dims(), [1, 4, 3, 2]);
}

#[test]
fn the_same_seed_draws_the_same_and_another_does_not() {
    let pipeline = tiny();
    let draw =
        |seed| pipeline.generate(&GenerationParams { seed, ..small() }, &mut Silent).expect("draws").image;
    assert_eq!(draw(5), draw(5));
    assert_ne!(draw(5), draw(6));
    assert_eq!(draw(5), draw(5 + (1 << 32)));
}

#[test]
fn progress_tells_each_step_with_a_preview() {
    let mut told = Vec::new();
    let mut listen = |event: ProgressEvent<'_>| {
        told.push(match event {
            ProgressEvent::Encoding => "encoding".to_owned(),
            ProgressEvent::Encoded => "encoded".to_owned(),
            ProgressEvent::Window { index, total } => format!("window {index}/{total}"),
            ProgressEvent::Decoding => "decoding".to_owned(),
            ProgressEvent::Step { index, total, timestep, preview, look } => {
                let picture = preview.picture();
                assert_eq!((picture.width, picture.height), (2, 3));
                assert_eq!((preview.width(), preview.height()), (2, 3));
                assert!(look.sigma > 0.0 && look.guidance.is_some_and(|size| size > 0.0));
                assert_eq!(look.clean.latents().len(), 4 * 2 * 3);
                format!("{index}/{total} at {timestep}")
            }
        });
        Flow::Continue
    };
    tiny().generate(&small(), &mut listen).expect("draws");
    assert_eq!(told, ["encoding", "encoded", "0/3 at 667", "1/3 at 334", "2/3 at 1", "decoding"]);
}

#[test]
fn a_step_can_be_kept_as_pictures_and_numbers() {
    let (pipeline, mut kept) = (tiny(), Vec::new());
    let mut listen = |event: ProgressEvent<'_>| {
        let snapshot = StepSnapshot::of(&event);
        if let ProgressEvent::Step { index, total, timestep, preview, look } = &event {
            let step = snapshot.expect("it is a step");
            assert_eq!((step.index, step.total, step.timestep), (*index, *total, *timestep));
            assert_eq!((step.sigma, step.guidance), (look.sigma, look.guidance));
            assert_eq!((&step.latents, &step.clean), (&preview.picture(), &look.clean.picture()));
            assert_eq!(step.clean_latents, look.clean.latents());
            assert_eq!((step.latent_channels, step.channels.width, step.channels.height), (4, 5, 7));
            kept.push(step);
        } else {
            assert_eq!(snapshot, None);
        }
        Flow::Continue
    };
    let drawn = pipeline.generate(&small(), &mut listen).expect("draws");
    assert_eq!(kept.len(), 3);
    assert!(kept.is_sorted_by(|a, b| a.sigma > b.sigma));
    // After the last step of this scheduler nothing is left but what was expected.
    let params = small();
    let last = pipeline.decode_latents(&kept[2].clean_latents, params.width, params.height).expect("decodes");
    let near = last.rgb.iter().zip(&drawn.image.rgb).all(|(a, b)| a.abs_diff(*b) <= 1);
    assert!(near, "the last expectation is the picture");
}

#[test]
fn the_parts_of_a_model_are_counted() {
    let files = pipeline_files("tiny-sdxl");
    let numbers = |folder: &str| -> u64 {
        let inside = files
            .iter()
            .filter(|(name, _)| name.split('/').next() == Some(folder) && name.ends_with(".safetensors"));
        inside
            .flat_map(|(_, file)| SafeTensors::deserialize(file).expect("reads").tensors())
            .filter(|(name, _)| !name.ends_with("position_ids"))
            .map(|(_, tensor)| tensor.shape().iter().product::<usize>() as u64)
            .sum()
    };
    let pipeline = load("tiny-sdxl");
    let parts = pipeline.parts();
    assert_eq!(parts.text_encoder_parameters, numbers("text_encoder") + numbers("text_encoder_2"));
    assert_eq!((parts.unet_parameters, parts.vae_parameters), (numbers("unet"), numbers("vae")));
    assert!(parts.unet_parameters > 0 && parts.vae_parameters > 0 && parts.text_encoder_parameters > 0);
    let width = |folder: &str| {
        let config: serde_json::Value =
            serde_json::from_slice(&files[&format!("{folder}/config.json")]).expect("is JSON");
        config["hidden_size"].as_u64().expect("is a number") as usize
    };
    assert_eq!(parts.text_widths, [width("text_encoder"), width("text_encoder_2")]);
}

#[test]
fn latents_of_a_step_can_be_decoded() {
    let pipeline = tiny();
    let drawn = pipeline.generate(&small(), &mut Silent).expect("draws");
    let latents: Vec<f32> = drawn.latents.flatten_all().and_then(|all| all.to_vec1()).expect("numbers");
    let params = small();
    let again = pipeline.decode_latents(&latents, params.width, params.height).expect("decodes");
    assert_eq!(again, drawn.image);
    let refusal = pipeline.decode_latents(&latents[1..], params.width, params.height).expect_err("one short");
    assert!(refusal.to_string().contains("decode"), "{refusal}");
}

#[test]
fn cancel_stops_before_the_next_step() {
    let pipeline = tiny();
    for stop_at in 0..6 {
        let mut events = 0;
        let mut stop = |_: ProgressEvent<'_>| {
            events += 1;
            if events > stop_at { Flow::Cancel } else { Flow::Continue }
        };
        let answer = pipeline.generate(&small(), &mut stop);
        assert!(matches!(answer, Err(Error::Cancelled)), "{answer:?}");
        assert_eq!(events, stop_at + 1);
    }
}

#[test]
fn impossible_calls_are_refused_with_a_hint() {
    let pipeline = tiny();
    for (params, words) in [
        (GenerationParams { width: 20, ..small() }, "`width` is `20`"),
        (GenerationParams { height: 0, ..small() }, "`height` is `0`"),
        (GenerationParams { num_inference_steps: 0, ..small() }, "`num_inference_steps` is `0`"),
        (GenerationParams { guidance_scale: f64::NAN, ..small() }, "`guidance_scale` is `NaN`"),
        (
            GenerationParams { num_inference_steps: 60, scheduler: Some(SchedulerName::Lcm), ..small() },
            "subset of 50 timesteps",
        ),
    ] {
        let refusal = pipeline.generate(&params, &mut Silent).expect_err("refused").to_string();
        assert!(refusal.contains(words) && refusal.contains("hint: "), "{refusal}");
    }
}

#[test]
fn latents_that_are_not_finite_name_the_step() {
    let mut files = pipeline_files("tiny-sdxl");
    // Zero signal at the last timestep and a network that predicts noise: the first step divides by zero.
    let scheduler = br#"{"rescale_betas_zero_snr": true, "clip_sample": false, "timestep_spacing": "trailing", "beta_schedule": "scaled_linear"}"#;
    files.insert("scheduler/scheduler_config.json".to_owned(), scheduler.to_vec());
    let pipeline = StableDiffusionXl::from_files(files, &Device::Cpu, DType::F32).expect("loads");
    let params = GenerationParams { scheduler: Some(SchedulerName::Ddim), ..small() };
    let refusal = pipeline.generate(&params, &mut Silent).expect_err("divides by zero").to_string();
    assert!(refusal.contains("after step 1 of 3 (timestep 999)") && refusal.contains("hint: "), "{refusal}");
}

#[test]
fn a_checkpoint_may_carry_its_own_preview() {
    let mut files = pipeline_files("tiny-sdxl");
    let red = br#"{"latent_rgb_factors": [[0,0,0],[0,0,0],[0,0,0],[0,0,0]], "latent_rgb_bias": [1,-1,-1]}"#;
    files.insert("preview.json".to_owned(), red.to_vec());
    let pipeline = StableDiffusionXl::from_files(files, &Device::Cpu, DType::F32).expect("loads");
    let mut seen = 0;
    let mut look = |event: ProgressEvent<'_>| {
        if let ProgressEvent::Step { preview, .. } = event {
            assert!(preview.picture().rgb.chunks_exact(3).all(|pixel| pixel == [255, 0, 0]));
            seen += 1;
        }
        Flow::Continue
    };
    pipeline.generate(&small(), &mut look).expect("draws");
    assert_eq!(seen, 3);
}

#[test]
fn incomplete_checkpoints_are_refused_by_what_is_missing() {
    for (change, words) in [
        ("model_index.json", "model_index.json"),
        ("unet/", "`unet` has no `.safetensors`"),
        ("tokenizer_2/", "vocab.json"),
    ] {
        let mut files = pipeline_files("tiny-sdxl");
        files.retain(|name, _| !name.starts_with(change));
        if change == "unet/" {
            files.insert(
                "unet/config.json".to_owned(),
                pipeline_files("tiny-sdxl")["unet/config.json"].clone(),
            );
        }
        let refusal = StableDiffusionXl::from_files(files, &Device::Cpu, DType::F32)
            .expect_err("incomplete")
            .to_string();
        assert!(refusal.contains(words) && refusal.contains("hint: "), "{refusal}");
    }
    let mut files = pipeline_files("tiny-sdxl");
    let config = String::from_utf8(files["unet/config.json"].clone()).expect("text");
    files.insert(
        "unet/config.json".to_owned(),
        config.replace("\"in_channels\": 4", "\"in_channels\": 7").into_bytes(),
    );
    let refusal =
        StableDiffusionXl::from_files(files, &Device::Cpu, DType::F32).expect_err("7 channels").to_string();
    assert!(refusal.contains("7 channels") && refusal.contains("hint: "), "{refusal}");
}
