//! LoRA training against PEFT and diffusers: losses, every gradient, and the weights after three steps.
//!
//! The fixtures were made by `tests/reference/engine/training.py` and `training_files.py`.

use std::collections::BTreeMap;
use std::sync::Arc;

use chapan_engine::lora::{Application, AppliedLora, LoraFile};
use chapan_engine::models::vae::Posterior;
use chapan_engine::noise::TorchRng;
use chapan_engine::pipelines::{GenerationParams, Silent, StableDiffusionXl};
use chapan_engine::schedulers::PredictionType;
use chapan_engine::training::{
    Draw, Example, FileFormat, Found, LrScheduler, Role, Targets, Trainer, TrainingConfig,
};
use chapan_engine::{DType, Device, Error, Tensor};
use chapan_tests::fixture::{fixture_path, relative_l2, tensors};
use safetensors::SafeTensors;
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    prompts: Vec<String>,
    timesteps: Vec<usize>,
    learning_rate: f64,
    weight_decay: f64,
    max_grad_norm: f64,
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    rank: usize,
    alpha: f64,
    prediction: String,
    #[serde(flatten)]
    targets: Targets,
    #[serde(default)]
    dora: bool,
    snr_gamma: Option<f64>,
    prior: Option<f64>,
}

fn cases() -> Cases {
    serde_json::from_slice(&std::fs::read(fixture_path("training/cases.json")).unwrap()).unwrap()
}

fn tiny() -> StableDiffusionXl {
    StableDiffusionXl::load(&fixture_path("pipelines/tiny-sdxl"), &Device::Cpu, DType::F32).unwrap()
}

fn draw(name: &str, len: usize) -> Vec<f32> {
    TorchRng::new(u64::from(crc32fast::hash(name.as_bytes()))).randn(len)
}

impl Cases {
    fn config(&self, case: &Case) -> TrainingConfig {
        TrainingConfig {
            rank: case.rank,
            alpha: case.alpha,
            targets: case.targets,
            use_dora: case.dora,
            learning_rate: self.learning_rate,
            text_encoder_lr: self.learning_rate,
            adam_weight_decay: self.weight_decay,
            max_grad_norm: self.max_grad_norm,
            snr_gamma: case.snr_gamma,
            prior_loss_weight: case.prior.unwrap_or(1.0),
            ..TrainingConfig::default()
        }
    }

    fn examples(&self, case: &Case) -> Vec<Example> {
        let latents = draw("latents", 2 * 256);
        (self.prompts.iter().enumerate())
            .map(|(index, prompt)| {
                let mean = Tensor::from_slice(&latents[index * 256..][..256], (1, 4, 8, 8), &Device::Cpu);
                let mean = mean.unwrap();
                let logvar = (mean.zeros_like().unwrap() - 8.0).unwrap();
                let class = index == 1 && case.prior.is_some();
                Example {
                    role: if class { Role::Class } else { Role::Reference },
                    caption: prompt.clone(),
                    posterior: Posterior { mean, logvar },
                    time_ids: [64.0, 64.0, 0.0, 0.0, 64.0, 64.0],
                }
            })
            .collect()
    }

    fn draws(&self) -> Vec<Draw> {
        let (latents, noise) = (draw("latents", 512), draw("noise", 512));
        (self.timesteps.iter().enumerate())
            .map(|(index, timestep)| Draw {
                example: index,
                latents: latents[index * 256..][..256].to_vec(),
                noise: noise[index * 256..][..256].to_vec(),
                timestep: *timestep,
                without_caption: false,
            })
            .collect()
    }
}

/// The factors that the fixture begins with.
fn begin_by_names(trainer: &mut Trainer<'_>) {
    let values = (trainer.parameters().iter())
        .map(|parameter| {
            let drawn = draw(&parameter.name, parameter.values.len());
            if parameter.name.contains("lora_magnitude_vector") {
                return parameter.values.iter().zip(drawn).map(|(v, d)| v * (1.0 + 0.1 * d)).collect();
            }
            let fan_in: usize = parameter.shape[1..].iter().product();
            let gain = (0.5 / (fan_in as f64).sqrt()) as f32;
            drawn.into_iter().map(|value| value * gain).collect()
        })
        .collect();
    trainer.set_parameters(values).unwrap();
}

fn tensor(values: &[f32], like: &Tensor) -> Tensor {
    Tensor::from_slice(values, like.shape(), &Device::Cpu).unwrap()
}

#[test]
fn losses_gradients_and_steps_are_those_of_peft_and_diffusers() {
    let all = cases();
    for (name, case) in &all.cases {
        let expected = tensors(&format!("training/{name}.safetensors"));
        let scalar = |key: &str| f64::from(expected[key].to_vec1::<f32>().unwrap()[0]);
        let mut pipeline = tiny();
        let mut trainer = Trainer::new(&mut pipeline, all.examples(case), all.config(case)).unwrap();
        if case.prediction == "v_prediction" {
            trainer.set_prediction_type(PredictionType::VPrediction);
        }
        begin_by_names(&mut trainer);
        let (mut worst, mut worst_after): (f64, f64) = (0.0, 0.0);
        for step in 0..3 {
            let found = trainer.gradients(&all.draws()).unwrap();
            let loss = scalar(&format!("loss.{step}"));
            assert!((found.loss - loss).abs() / loss < 1e-4, "{name}: loss {} is not {loss}", found.loss);
            if step == 0 {
                for (parameter, gradient) in trainer.parameters().iter().zip(&found.gradients) {
                    let like = &expected[&format!("gradient.{}", parameter.name)];
                    let off = relative_l2(&tensor(gradient, like), like);
                    assert!(off < 1e-4, "{name}: the gradient of {} is off by {off:e}", parameter.name);
                    worst = worst.max(off);
                }
                let listed = expected.keys().filter(|key| key.starts_with("gradient.")).count();
                assert_eq!(listed, found.gradients.len(), "{name}: PEFT trains as many tensors");
            }
            let report = trainer.apply(&found).unwrap();
            let norm = scalar(&format!("norm.{step}"));
            assert!(
                (report.grad_norm - norm).abs() / norm < 1e-4,
                "{name}: norm {} {norm}",
                report.grad_norm
            );
        }
        for parameter in trainer.parameters() {
            let like = &expected[&format!("after.{}", parameter.name)];
            let off = relative_l2(&tensor(&parameter.values, like), like);
            assert!(off < 1e-4, "{name}: {} after three steps is off by {off:e}", parameter.name);
            worst_after = worst_after.max(off);
        }
        println!("{name}: gradients within {worst:.1e}, weights after three steps within {worst_after:.1e}");
    }
}

#[test]
fn every_trained_tensor_gets_a_gradient_and_blocks_run_again_give_the_same() {
    let all = cases();
    for (name, case) in &all.cases {
        let run = |gradient_checkpointing: bool| {
            let mut pipeline = tiny();
            let config = TrainingConfig { gradient_checkpointing, ..all.config(case) };
            let mut trainer = Trainer::new(&mut pipeline, all.examples(case), config).unwrap();
            begin_by_names(&mut trainer);
            let found = trainer.gradients(&all.draws()).unwrap();
            for (parameter, gradient) in trainer.parameters().iter().zip(&found.gradients) {
                assert!(gradient.iter().any(|value| *value != 0.0), "{name}: {}", parameter.name);
            }
            found
        };
        let (plain, again) = (run(false), run(true));
        let (a, b): (Vec<f32>, Vec<f32>) = (
            plain.gradients.into_iter().flatten().collect(),
            again.gradients.into_iter().flatten().collect(),
        );
        let like = Tensor::from_slice(&a, a.len(), &Device::Cpu).unwrap();
        let off = relative_l2(&tensor(&b, &like), &like);
        assert!(off < 1e-6, "{name}: gradients of blocks that run again are off by {off:e}");
    }
}

fn small() -> TrainingConfig {
    TrainingConfig {
        max_train_steps: 6,
        train_batch_size: 2,
        gradient_accumulation_steps: 2,
        learning_rate: 1e-2,
        lr_scheduler: LrScheduler::Cosine,
        lr_warmup_steps: 2,
        noise_offset: 0.05,
        caption_dropout: 0.3,
        ema_decay: Some(0.9),
        seed: 11,
        ..TrainingConfig::default()
    }
}

#[test]
fn a_training_that_goes_on_from_a_checkpoint_is_the_same_to_the_bit() {
    let all = cases();
    let examples = all.examples(&all.cases["everything"]);
    let mut pipeline = tiny();
    let mut trainer = Trainer::new(&mut pipeline, examples.clone(), small()).unwrap();
    let mut checkpoint = Vec::new();
    for step in 1..=6 {
        if step == 4 {
            checkpoint = trainer.checkpoint("here").unwrap();
        }
        trainer.train_step().unwrap();
    }
    let whole = trainer.checkpoint("here").unwrap();
    drop(trainer);

    let mut trainer = Trainer::new(&mut pipeline, examples.clone(), small()).unwrap();
    trainer.resume("a checkpoint", checkpoint.clone(), "here").unwrap();
    assert_eq!(trainer.steps_done(), 3);
    while trainer.steps_done() < 6 {
        trainer.train_step().unwrap();
    }
    assert!(trainer.checkpoint("here").unwrap() == whole, "the bytes differ");
    drop(trainer);

    let other = TrainingConfig { learning_rate: 2e-2, ..small() };
    let mut trainer = Trainer::new(&mut pipeline, examples, other).unwrap();
    assert!(trainer.resume("a checkpoint", checkpoint.clone(), "here").is_err());
    drop(trainer);
    let mut trainer = Trainer::new(&mut pipeline, all.examples(&all.cases["everything"]), small()).unwrap();
    assert!(trainer.resume("a checkpoint", checkpoint.clone(), "elsewhere").is_err());
    assert!(trainer.resume("a checkpoint", checkpoint[..checkpoint.len() - 8].to_vec(), "here").is_err());
    assert!(trainer.resume("a checkpoint", b"nonsense".to_vec(), "here").is_err());
    assert_eq!(trainer.steps_done(), 0);
}

#[test]
fn the_model_is_given_back_as_it_was_and_a_loss_that_is_no_number_moves_nothing() {
    let all = cases();
    let case = &all.cases["attention"];
    let mut pipeline = tiny();
    let draw_picture = |pipeline: &StableDiffusionXl| {
        let params = GenerationParams {
            prompt: "a hat".to_owned(),
            width: 64,
            height: 64,
            num_inference_steps: 2,
            ..Default::default()
        };
        pipeline.generate(&params, &mut Silent).unwrap().image
    };
    let before = draw_picture(&pipeline);
    let mut trainer = Trainer::new(&mut pipeline, all.examples(case), all.config(case)).unwrap();
    assert_eq!(draw_picture(trainer.pipeline()), before, "`up` begins at zero");
    let empty = trainer.validation_loss().unwrap();
    assert!(empty.is_none(), "nothing is held out");
    let step = trainer.train_step().unwrap();
    assert!(step.step == 1 && step.loss > 0.0 && step.grad_norm > 0.0);
    trainer.put_on().unwrap();
    assert_ne!(draw_picture(trainer.pipeline()), before);
    let values = trainer.parameters().to_vec();
    let broken = Found { loss: f64::NAN, ..trainer.gradients(&all.draws()).unwrap() };
    assert!(matches!(trainer.apply(&broken), Err(Error::NotFinite { .. })));
    assert!(trainer.parameters() == values && trainer.steps_done() == 1);
    drop(trainer);
    assert_eq!(draw_picture(&pipeline), before, "to the bit");
}

#[test]
fn files_draw_here_what_they_draw_in_diffusers() {
    let names: Vec<String> =
        serde_json::from_slice(&std::fs::read(fixture_path("training/files.json")).unwrap()).unwrap();
    assert_eq!(names.len(), 4, "two trainings in two forms");
    let expected = tensors("training/files.safetensors");
    let mut pipeline = tiny();
    for name in names {
        let path = fixture_path("training").join(format!("{name}.safetensors"));
        let file = LoraFile::open(&path).unwrap();
        let lora = pipeline.read_lora(&file).unwrap();
        let report = lora.report();
        let listed = SafeTensors::deserialize(&std::fs::read(&path).unwrap()).unwrap().len();
        assert!(report.unmatched.is_empty() && report.matched == listed, "{name}: {report:?} of {listed}");
        pipeline.set_loras(&[AppliedLora::new(Arc::new(lora), 1.0)], Application::Unmerged).unwrap();
        let params = GenerationParams {
            prompt: "zed at night".to_owned(),
            width: 64,
            height: 64,
            num_inference_steps: 3,
            seed: 5,
            ..GenerationParams::default()
        };
        let drawn = pipeline.generate(&params, &mut Silent).unwrap().image;
        let like = expected[&name].flatten_all().unwrap().to_vec1::<u8>().unwrap();
        let worst = drawn.rgb.iter().zip(&like).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst <= 1, "{name} is {worst} levels away from diffusers");
    }
}

#[test]
fn the_file_says_what_it_is() {
    let all = cases();
    let mut pipeline = tiny();
    let trainer = Trainer::new(&mut pipeline, all.examples(&all.cases["everything"]), small()).unwrap();
    let described = BTreeMap::from([("modelspec.title".to_owned(), "a hat".to_owned())]);
    for format in [FileFormat::Peft, FileFormat::Kohya] {
        let bytes = trainer.file(format, &described).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        for (key, value) in [
            ("modelspec.title", "a hat"),
            ("modelspec.architecture", "stable-diffusion-xl-v1-base/lora"),
            ("ss_base_model_version", "sdxl_base_v1-0"),
            ("ss_network_module", "networks.lora"),
            ("ss_network_dim", "4"),
            ("ss_network_alpha", "4"),
            ("ss_seed", "11"),
            ("ss_num_train_images", "1"),
            ("ss_num_reg_images", "1"),
        ] {
            assert_eq!(metadata.get(key).map(String::as_str), Some(value), "{key}");
        }
        assert_eq!(metadata.contains_key("lora_adapter_metadata"), format == FileFormat::Peft);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let original = "lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q.lora_down.weight";
        let peft = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight";
        let (has, lacks) = if format == FileFormat::Peft { (peft, original) } else { (original, peft) };
        assert!(file.tensor(has).is_ok() && file.tensor(lacks).is_err());
    }
}

#[test]
fn the_way_of_other_devices_gives_the_same_gradients() {
    let all = cases();
    for (name, case) in &all.cases {
        let run = |dtype: DType| {
            let folder = fixture_path("pipelines/tiny-sdxl");
            let mut pipeline = StableDiffusionXl::load(&folder, &Device::Cpu, dtype).unwrap();
            let mut trainer = Trainer::new(&mut pipeline, all.examples(case), all.config(case)).unwrap();
            begin_by_names(&mut trainer);
            trainer.gradients(&all.draws()).unwrap()
        };
        // Our kernels are for 32 bits only: in 64 every layer goes back by candle's differentiation, as on a graphics card.
        let (ours, plain) = (run(DType::F32), run(DType::F64));
        assert!((ours.loss - plain.loss).abs() / plain.loss < 1e-5, "{name}: {} {}", ours.loss, plain.loss);
        let flat = |found: Found| found.gradients.into_iter().flatten().collect::<Vec<f32>>();
        let (ours, plain) = (flat(ours), flat(plain));
        let like = Tensor::from_slice(&plain, plain.len(), &Device::Cpu).unwrap();
        let off = relative_l2(&tensor(&ours, &like), &like);
        assert!(off < 2e-5, "{name}: gradients are off by {off:e}");
    }
}
