//! The shipped mini model draws what diffusers draws: same prompt, seed and settings, every pixel within one level.
//!
//! The pictures come from `tests/reference/engine/mini_pictures.py`; prompts are English, Russian and Kazakh, sizes and
//! schedulers differ, one seed is above 2^32.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use chapan_engine::pipelines::{GenerationParams, Picture, Silent, StableDiffusionXl};
use chapan_engine::schedulers::SchedulerName;
use chapan_engine::{DType, Device};
use chapan_tests::fixture::fixture_path;
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
