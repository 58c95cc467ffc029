//! Image to image, inpainting, variations and several pictures for one prompt against diffusers: every pixel within one
//! level, for every scheduler.
//!
//! The pictures were made by `tests/reference/engine/image_pipelines.py`.

use std::collections::BTreeMap;

use chapan_engine::pipelines::{
    Flow, GenerationParams, ImageToImage, Inpainting, Mask, MaskedContent, Picture, ProgressEvent, Silent,
    StableDiffusionXl, Start, Variation,
};
use chapan_engine::schedulers::SchedulerName;
use chapan_engine::{DType, Device, Error};
use chapan_tests::fixture::fixture_path;
use chapan_tests::pipelines::pipeline_files;
use safetensors::SafeTensors;
use serde::Deserialize;

#[derive(Deserialize)]
struct Call {
    pipeline: String,
    start: String,
    scheduler: Option<String>,
    prompt: String,
    negative_prompt: Option<String>,
    num_inference_steps: usize,
    guidance_scale: f64,
    width: usize,
    height: usize,
    seed: u64,
    index: usize,
    variation: Option<Other>,
    image: Option<usize>,
    strength: Option<f64>,
    mask: Option<usize>,
    mask_blur: f64,
    padding_mask_crop: Option<u32>,
    masked_content: String,
    network_calls: usize,
}

#[derive(Deserialize)]
struct Other {
    seed: u64,
    strength: f64,
}

/// The inputs and what diffusers made of them.
struct Pictures<'a>(SafeTensors<'a>);

impl Pictures<'_> {
    fn picture(&self, name: &str) -> Picture {
        let tensor = self.0.tensor(name).unwrap();
        let [height, width, 3] = *tensor.shape() else { panic!("{name} is no picture") };
        Picture { width, height, rgb: tensor.data().to_vec() }
    }

    fn mask(&self, index: usize) -> Mask {
        let tensor = self.0.tensor(&format!("mask.{index}")).unwrap();
        let [height, width] = *tensor.shape() else { panic!("no mask") };
        Mask { width, height, levels: tensor.data().to_vec() }
    }

    fn start(&self, call: &Call) -> Start {
        let image = || self.picture(&format!("image.{}", call.image.unwrap()));
        match call.start.as_str() {
            "noise" => Start::Noise,
            "picture" => Start::Picture(ImageToImage { image: image(), strength: call.strength.unwrap() }),
            "masked" => Start::Masked(Inpainting {
                image: image(),
                mask_image: self.mask(call.mask.unwrap()),
                strength: call.strength.unwrap(),
                mask_blur: call.mask_blur,
                padding_mask_crop: call.padding_mask_crop,
                masked_content: match call.masked_content.as_str() {
                    "original" => MaskedContent::Original,
                    "noise" => MaskedContent::Noise,
                    other => panic!("{other}"),
                },
            }),
            other => panic!("{other}"),
        }
    }
}

fn load(name: &str) -> StableDiffusionXl {
    StableDiffusionXl::from_files(pipeline_files(name), &Device::Cpu, DType::F32).unwrap()
}

#[test]
fn every_pixel_is_within_one_level_of_diffusers() {
    let folder = fixture_path("pipelines");
    let calls: Vec<Call> =
        serde_json::from_slice(&std::fs::read(folder.join("images.json")).unwrap()).unwrap();
    let bytes = std::fs::read(folder.join("images.safetensors")).unwrap();
    let pictures = Pictures(SafeTensors::deserialize(&bytes).unwrap());
    let mut pipelines: BTreeMap<&str, StableDiffusionXl> = BTreeMap::new();
    let (mut faults, mut values, mut unequal) = (Vec::new(), 0, 0);
    for (number, call) in calls.iter().enumerate() {
        let pipeline = pipelines.entry(&call.pipeline).or_insert_with(|| load(&call.pipeline));
        let params = GenerationParams {
            prompt: call.prompt.clone(),
            negative_prompt: call.negative_prompt.clone(),
            width: call.width,
            height: call.height,
            num_inference_steps: call.num_inference_steps,
            guidance_scale: call.guidance_scale,
            seed: call.seed,
            variation: call.variation.as_ref().map(|o| Variation { seed: o.seed, strength: o.strength }),
            scheduler: call.scheduler.as_deref().map(|name| name.parse().unwrap()),
            start: pictures.start(call),
            ..GenerationParams::default()
        };
        let mut steps = 0;
        let mut count = |event: ProgressEvent<'_>| {
            if let ProgressEvent::Step { index, total, .. } = event {
                assert_eq!((index, total), (steps, call.network_calls));
                steps += 1;
            }
            Flow::Continue
        };
        let got = pipeline.generate(&params.for_image(call.index), &mut count).unwrap().image;
        let expected = pictures.picture(&format!("{number}.picture"));
        let what = format!(
            "call {number} ({} {} {:?} strength {:?} crop {:?})",
            call.pipeline, call.start, call.scheduler, call.strength, call.padding_mask_crop
        );
        assert_eq!(steps, call.network_calls, "{what}");
        assert_eq!((got.width, got.height), (expected.width, expected.height), "{what}");
        let apart: Vec<u8> = got.rgb.iter().zip(&expected.rgb).map(|(a, b)| a.abs_diff(*b)).collect();
        values += apart.len();
        unequal += apart.iter().filter(|levels| **levels > 0).count();
        let worst = apart.iter().max().copied();
        if worst > Some(1) {
            let beyond = apart.iter().filter(|levels| **levels > 1).count();
            faults.push(format!("{what}: a pixel is {worst:?} levels off, {beyond} of {} are", apart.len()));
        }
    }
    for name in SchedulerName::ALL {
        for (start, least) in [("picture", 4), ("masked", 2)] {
            let of = |call: &&Call| call.start == start && call.scheduler.as_deref() == Some(name.as_str());
            assert!(calls.iter().filter(of).count() >= least, "{start} by {name}");
        }
    }
    println!("{} calls, {unequal} of {values} values differ", calls.len());
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), calls.len(), faults.join("\n"));
    // One level of difference is rounding; if it were common something would be off by half a level.
    assert!(unequal * 1000 <= values, "{unequal} of {values} values differ");
}

fn picture(width: usize, height: usize) -> Picture {
    Picture { width, height, rgb: (0..width * height * 3).map(|i| (i * i / 7 % 256) as u8).collect() }
}

fn inpainting() -> Inpainting {
    let mut levels = vec![0; 40 * 24];
    for y in 8..16 {
        levels[y * 40 + 10..y * 40 + 20].fill(255);
    }
    Inpainting {
        image: picture(40, 24),
        mask_image: Mask { width: 40, height: 24, levels },
        strength: 0.8,
        mask_blur: 0.0,
        padding_mask_crop: None,
        masked_content: MaskedContent::Original,
    }
}

fn small(start: Start) -> GenerationParams {
    GenerationParams {
        prompt: "a hat".to_owned(),
        width: 32,
        height: 24,
        num_inference_steps: 4,
        start,
        ..GenerationParams::default()
    }
}

#[test]
fn pixels_outside_of_the_mask_are_exact_when_only_the_masked_area_is_drawn() {
    let start = Inpainting { padding_mask_crop: Some(3), mask_blur: 2.0, ..inpainting() };
    let drawn = load("tiny-sdxl").generate(&small(Start::Masked(start.clone())), &mut Silent).unwrap().image;
    assert_eq!((drawn.width, drawn.height), (40, 24));
    let blurred = chapan_metrics::gaussian_blur(&start.mask_image.levels, (40, 24), 2.0).unwrap();
    let mut changed = 0;
    for (index, level) in blurred.iter().enumerate() {
        let same = drawn.rgb[index * 3..index * 3 + 3] == start.image.rgb[index * 3..index * 3 + 3];
        assert!(same || *level > 0, "pixel {index} changed outside of the mask");
        changed += usize::from(!same);
    }
    assert!(changed > 60, "{changed} pixels were drawn");
}

#[test]
fn masked_content_of_noise_forgets_the_picture_under_the_mask() {
    let pipeline = load("tiny-sdxl");
    let draw = |start| pipeline.generate(&small(Start::Masked(start)), &mut Silent).unwrap().image;
    // A whole cell of latents is masked, and all that the encoder sees of it: the whole picture.
    let all = Mask { width: 40, height: 24, levels: vec![255; 40 * 24] };
    let of = |image: Picture, masked_content| {
        draw(Inpainting { image, mask_image: all.clone(), masked_content, ..inpainting() })
    };
    let other = Picture { rgb: vec![200; 40 * 24 * 3], ..picture(40, 24) };
    assert_eq!(of(picture(40, 24), MaskedContent::Noise), of(other.clone(), MaskedContent::Noise));
    assert_ne!(of(picture(40, 24), MaskedContent::Original), of(other, MaskedContent::Original));
}

#[test]
fn cancel_and_events_are_those_of_text_to_image() {
    let pipeline = load("tiny-sdxl");
    let mut told = Vec::new();
    let mut listen = |event: ProgressEvent<'_>| {
        told.push(match event {
            ProgressEvent::Encoding => "encoding".to_owned(),
            ProgressEvent::Encoded => "encoded".to_owned(),
            ProgressEvent::Window { index, total } => format!("window {index}/{total}"),
            ProgressEvent::Step { index, total, .. } => format!("{index}/{total}"),
            ProgressEvent::Decoding => "decoding".to_owned(),
        });
        Flow::Continue
    };
    let start = Start::Picture(ImageToImage { image: picture(9, 9), strength: 0.5 });
    pipeline.generate(&small(start.clone()), &mut listen).unwrap();
    assert_eq!(told, ["encoding", "encoded", "0/2", "1/2", "decoding"]);
    let answer = pipeline.generate(&small(start), &mut |_: ProgressEvent<'_>| Flow::Cancel);
    assert!(matches!(answer, Err(Error::Cancelled)));
}

#[test]
fn impossible_starts_are_refused_with_a_hint() {
    let (plain, nine) = (load("tiny-sdxl"), load("nine-channels"));
    assert!(!plain.is_for_inpainting() && nine.is_for_inpainting());
    let picture_of = |strength| Start::Picture(ImageToImage { image: picture(9, 9), strength });
    let black = Mask { width: 40, height: 24, levels: vec![0; 40 * 24] };
    let empty = Picture { width: 0, height: 0, rgb: Vec::new() };
    for (pipeline, start, words) in [
        (&plain, picture_of(f64::NAN), "`strength` is `NaN`"),
        (&plain, picture_of(0.2), "of 4 steps none is left"),
        (&plain, Start::Picture(ImageToImage { image: empty, strength: 1.0 }), "`image` cannot be used"),
        (&nine, picture_of(1.0), "made for inpainting"),
        (&nine, Start::Noise, "made for inpainting"),
        (
            &plain,
            Start::Masked(Inpainting { image: picture(24, 40), ..inpainting() }),
            "`mask_image` is 40x24, the picture 24x40",
        ),
        (
            &plain,
            Start::Masked(Inpainting {
                mask_image: black,
                padding_mask_crop: Some(u32::MAX),
                ..inpainting()
            }),
            "black everywhere",
        ),
    ] {
        let refusal = pipeline.generate(&small(start), &mut Silent).unwrap_err();
        assert!(matches!(refusal, Error::Parameter { .. }), "{refusal}");
        let text = refusal.to_string();
        assert!(text.contains(words) && text.contains("\nhint: "), "{text}");
    }
}

#[test]
fn latents_that_are_not_finite_name_the_step_of_those_taken() {
    let mut files = pipeline_files("tiny-sdxl");
    let scheduler = br#"{"rescale_betas_zero_snr": true, "clip_sample": false, "timestep_spacing": "trailing", "beta_schedule": "scaled_linear"}"#;
    files.insert("scheduler/scheduler_config.json".to_owned(), scheduler.to_vec());
    let pipeline = StableDiffusionXl::from_files(files, &Device::Cpu, DType::F32).unwrap();
    for start in [
        Start::Picture(ImageToImage { image: picture(32, 24), strength: 1.0 }),
        Start::Masked(Inpainting { strength: 1.0, ..inpainting() }),
    ] {
        let params = GenerationParams { scheduler: Some(SchedulerName::Ddim), ..small(start) };
        let refusal = pipeline.generate(&params, &mut Silent).unwrap_err().to_string();
        assert!(refusal.contains("after step 1 of 4 (timestep 999)"), "{refusal}");
    }
}
