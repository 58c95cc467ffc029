//! The shipped mini model draws what diffusers draws: same prompt, seed and settings, every pixel within one level; and its
//! decoder and upscaler are as good as the model card says.
//!
//! The pictures come from `tests/reference/engine/mini_pictures.py`; prompts are English, Russian and Kazakh, sizes and
//! schedulers differ, one seed is above 2^32.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use chapan_engine::evaluate::pictures_to_tensor;
use chapan_engine::models::vae::{AutoencoderKl, VaeConfig};
use chapan_engine::models::{Upscaler, parse_config};
use chapan_engine::pipelines::{Flow, GenerationParams, Picture, Silent, StableDiffusionXl, upscale};
use chapan_engine::schedulers::SchedulerName;
use chapan_engine::weights::{Weights, open_component};
use chapan_engine::{DType, Device};
use chapan_metrics::{Filter, psnr, psnr8, resize};
use chapan_tests::fixture::fixture_path;
use chapan_world::{HELD_OUT_SEED, Scene};
use serde::Deserialize;

/// One picture of the fixture and the call that made it.
#[derive(Deserialize)]
struct Reference {
    file: String,
    prompt: String,
    negative_prompt: Option<String>,
    seed: u64,
    num_inference_steps: usize,
    guidance_scale: f64,
    width: usize,
    height: usize,
    scheduler: String,
}

impl Reference {
    fn params(&self) -> GenerationParams {
        let scheduler: SchedulerName = self.scheduler.parse().unwrap();
        GenerationParams {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            width: self.width,
            height: self.height,
            num_inference_steps: self.num_inference_steps,
            guidance_scale: self.guidance_scale,
            seed: self.seed,
            scheduler: Some(scheduler),
            ..GenerationParams::default()
        }
    }

    /// What diffusers drew.
    fn picture(&self) -> Picture {
        let file = File::open(fixture_path("mini").join(&self.file)).unwrap();
        let mut reader = png::Decoder::new(BufReader::new(file)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        Picture { width: info.width as usize, height: info.height as usize, rgb }
    }
}

#[test]
fn the_mini_model_draws_what_diffusers_draws() {
    let list = std::fs::read_to_string(fixture_path("mini/pictures.json")).unwrap();
    let references: Vec<Reference> = serde_json::from_str(&list).unwrap();
    assert!(references.len() >= 6);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../assets/models/chapan-mini");
    let model = StableDiffusionXl::load(&folder, &Device::Cpu, DType::F32).unwrap();
    for reference in references {
        let expected = reference.picture();
        let got = model.generate(&reference.params(), &mut Silent).unwrap().image;
        assert_eq!((got.width, got.height), (expected.width, expected.height), "{}", reference.file);
        let worst = got.rgb.iter().zip(&expected.rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        let off = got.rgb.iter().zip(&expected.rgb).filter(|(a, b)| a != b).count();
        println!("{}: worst {worst}, {off} of {} bytes differ", reference.file, expected.rgb.len());
        assert!(worst <= 1, "{} is {worst} levels away", reference.file);
    }
}

fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../assets/models")
}

/// Scenes that training never saw, drawn.
fn held_out(count: u64, side: usize) -> Vec<Vec<u8>> {
    (0..count).map(|index| Scene::sample(HELD_OUT_SEED + index).draw(side).rgb).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// 32.5 dB on 500 scenes; the gate is 30.
#[test]
fn the_decoder_gives_back_what_was_encoded() {
    let folder = models().join("chapan-mini/vae");
    let config: VaeConfig =
        parse_config("vae", &std::fs::read_to_string(folder.join("config.json")).unwrap()).unwrap();
    let weights = Weights::new(open_component(&folder).unwrap(), DType::F32, &Device::Cpu);
    let vae = AutoencoderKl::load(&weights.root(), &config).unwrap();
    let pictures = held_out(12, 128);
    let views: Vec<&[u8]> = pictures.iter().map(Vec::as_slice).collect();
    let real = pictures_to_tensor(&views, 128, &Device::Cpu).unwrap();
    let made = vae.decode(&vae.encode(&real).unwrap().mean).unwrap().clamp(-1f32, 1f32).unwrap();
    let rows = |tensor: &chapan_engine::Tensor| -> Vec<Vec<f64>> {
        let rows = tensor.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        rows.into_iter().map(|row| row.into_iter().map(f64::from).collect()).collect()
    };
    let each: Vec<f64> =
        rows(&real).iter().zip(&rows(&made)).map(|(a, b)| psnr(a, b, 2.0).unwrap()).collect();
    println!("{:.2} dB: {each:.1?}", mean(&each));
    assert!(mean(&each) >= 30.0, "{:.2} dB", mean(&each));
}

/// At least two decibels nearer than Lanczos to scenes drawn at four times the size.
#[test]
fn the_upscaler_beats_lanczos() {
    const SMALL: (usize, usize) = (128, 128);
    const LARGE: (usize, usize) = (512, 512);
    let source = open_component(&models().join("chapan-mini-upscaler")).unwrap();
    let upscaler = Upscaler::load(source, &Device::Cpu, DType::F32).unwrap();
    let (mut ours, mut lanczos) = (Vec::new(), Vec::new());
    for real in held_out(6, LARGE.0) {
        let small = resize(&real, LARGE, 3, SMALL, Filter::Lanczos).unwrap();
        let plain = resize(&small, SMALL, 3, LARGE, Filter::Lanczos).unwrap();
        let picture = Picture { width: SMALL.0, height: SMALL.1, rgb: small };
        let made = upscale(&upscaler, &picture, 0, &mut |_| Flow::Continue).unwrap();
        ours.push(psnr8(&real, &made.rgb).unwrap());
        lanczos.push(psnr8(&real, &plain).unwrap());
    }
    println!("{:.2} dB against {:.2} dB of Lanczos", mean(&ours), mean(&lanczos));
    assert!(mean(&ours) >= mean(&lanczos) + 2.0, "{ours:.2?} {lanczos:.2?}");
}
