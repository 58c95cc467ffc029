//! LoRA in every format against diffusers, PEFT and the written-out formulas; files that must be refused.
//!
//! The fixtures were made by `tests/reference/engine/lora.py`.

use std::collections::BTreeMap;
use std::sync::Arc;

use chapan_engine::lora::{
    Application, AppliedLora, BaseModel, Component, Lora, LoraFile, ModelLayers, apply, describe,
};
use chapan_engine::models::{ClipTextConfig, ClipTextModel, UNet2DConditionModel, parse_config};
use chapan_engine::noise::TorchRng;
use chapan_engine::pipelines::{GenerationParams, Silent, StableDiffusionXl};
use chapan_engine::tokenizer::{ClipTokenizer, TokenizerFiles};
use chapan_engine::weights::{ShapesOnly, Weights, open_component, write_safetensors};
use chapan_engine::{DType, Device, Result, Tensor, Var};
use chapan_tests::fixture::{fixture_path, relative_l2, tensors};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    files: Vec<String>,
    /// For each file its weight in the UNet and in the text encoders.
    weights: Vec<[f64; 2]>,
    reference: String,
}

/// The networks of the tiny pipeline, which the pipeline itself keeps to itself.
struct Networks {
    unet: UNet2DConditionModel,
    encoders: Vec<(&'static str, ClipTokenizer, ClipTextModel)>,
    layers: Arc<ModelLayers>,
}

impl Networks {
    fn load() -> Self {
        let folder = fixture_path("pipelines/tiny-sdxl");
        let json = |name: &str| std::fs::read_to_string(folder.join(name).join("config.json")).unwrap();
        let open =
            |name: &str| Weights::new(open_component(&folder.join(name)).unwrap(), DType::F32, &Device::Cpu);
        let weights = open("unet");
        let unet = UNet2DConditionModel::load(&weights.root(), &parse_config("unet", &json("unet")).unwrap())
            .unwrap();
        let mut components = vec![(Component::Unet, weights.layers())];
        let mut encoders = Vec::new();
        for (component, name, tokenizer) in [
            (Component::TextEncoder, "text_encoder", "tokenizer"),
            (Component::TextEncoder2, "text_encoder_2", "tokenizer_2"),
        ] {
            let weights = open(name);
            let config: ClipTextConfig = parse_config("text encoder", &json(name)).unwrap();
            let encoder = ClipTextModel::load(&weights.root(), &config).unwrap();
            components.push((component, weights.layers()));
            let files =
                TokenizerFiles::read(|file| Ok(std::fs::read(folder.join(tokenizer).join(file)).ok()));
            encoders.push((name, ClipTokenizer::new(&files.unwrap()).unwrap(), encoder));
        }
        Self { unet, encoders, layers: Arc::new(ModelLayers::new(components).unwrap()) }
    }

    fn read(&self, name: &str) -> Result<Arc<Lora>> {
        let file = LoraFile::open(&fixture_path("lora").join(format!("{name}.safetensors")))?;
        Ok(Arc::new(Lora::read(&file, &self.layers)?))
    }

    fn set(&self, case: &Case, application: Application) {
        let loras: Vec<AppliedLora> = (case.files.iter().zip(&case.weights))
            .map(|(name, &[unet_weight, text_encoder_weight])| AppliedLora {
                lora: self.read(name).unwrap(),
                unet_weight,
                text_encoder_weight,
            })
            .collect();
        apply(&self.layers, &loras, application).unwrap();
    }

    /// Inputs that follow from their names, as in the generator.
    fn predict(&self, differentiable: bool) -> Tensor {
        let draw = |name: &str, shape: &[usize]| {
            let values =
                TorchRng::new(u64::from(crc32fast::hash(name.as_bytes()))).randn(shape.iter().product());
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        let time_ids = [vec![64.0, 64.0, 0.0, 0.0, 64.0, 64.0]];
        let conditioning = self.unet.condition(
            &draw("context", &[1, 77, 56]),
            Some(&draw("pooled", &[1, 16])),
            Some(&time_ids),
        );
        let sample = draw("sample", &[1, 4, 8, 8]);
        let tracked = Var::from_tensor(&sample).unwrap();
        let sample = if differentiable { tracked.as_tensor() } else { &sample };
        self.unet.forward(sample, &[500.0], &conditioning.unwrap()).unwrap()
    }

    fn states(&self) -> BTreeMap<&str, Tensor> {
        let encode = |(name, tokenizer, encoder): &(&'static str, ClipTokenizer, ClipTextModel)| {
            let ids = tokenizer.encode("a photo of an orange hat", 77);
            let output = encoder.forward(&Tensor::from_vec(ids, (1, 77), &Device::Cpu).unwrap()).unwrap();
            (*name, output.penultimate(0).unwrap().narrow(1, 0, 9).unwrap())
        };
        self.encoders.iter().map(encode).collect()
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&std::fs::read(fixture_path("lora/cases.json")).expect("committed"))
        .expect("parses")
}

#[test]
fn every_format_does_what_the_reference_does_merged_and_beside() {
    let (networks, expected) = (Networks::load(), tensors("lora/cases.safetensors"));
    let before = (networks.predict(false), networks.states());
    let (mut worst, mut apart_of_both): (f64, f64) = (0.0, 0.0);
    for (number, case) in cases().iter().enumerate() {
        let mut unmerged = None;
        for application in [Application::Unmerged, Application::Merged] {
            let what = format!(
                "case {number}: {:?} {:?} by {}, {application:?}",
                case.files, case.weights, case.reference
            );
            networks.set(case, application);
            let prediction = networks.predict(false);
            let off = relative_l2(&prediction, &expected[&format!("{number}.unet")]);
            assert!(off < 5e-6, "{what}: the UNet is off by {off:e}");
            let plain = relative_l2(&networks.predict(true), &prediction);
            assert!(plain < 5e-6, "{what}: the differentiable way is off by {plain:e}");
            for (name, states) in networks.states() {
                let off = match expected.get(&format!("{number}.{name}")) {
                    Some(expected) => relative_l2(&states, expected),
                    None => relative_l2(&states, &before.1[name]),
                };
                assert!(off < 5e-6, "{what}: {name} is off by {off:e}");
            }
            worst = worst.max(off);
            apart_of_both =
                unmerged.as_ref().map_or(apart_of_both, |u| apart_of_both.max(relative_l2(&prediction, u)));
            unmerged = Some(prediction);
        }
        // Taken off, everything is as before, to the bit.
        apply(&networks.layers, &[], Application::default()).unwrap();
        assert_eq!(relative_l2(&networks.predict(false), &before.0), 0.0);
        assert!(networks.states().iter().all(|(name, states)| relative_l2(states, &before.1[name]) == 0.0));
    }
    assert!(worst > 0.0 && apart_of_both > 0.0, "nothing was compared");
}

#[test]
fn every_pixel_with_loras_is_within_one_level() {
    let (cases, expected) = (cases(), tensors("lora/cases.safetensors"));
    let mut pipeline =
        StableDiffusionXl::load(&fixture_path("pipelines/tiny-sdxl"), &Device::Cpu, DType::F32).unwrap();
    let params = GenerationParams {
        prompt: "a photo of an orange hat".to_owned(),
        width: 64,
        height: 64,
        num_inference_steps: 3,
        seed: 7,
        ..GenerationParams::default()
    };
    let bare = pipeline.generate(&params, &mut Silent).unwrap().image;
    let mut compared = 0;
    for (number, case) in cases.iter().enumerate() {
        let Some(latents) = expected.get(&format!("{number}.latents")) else { continue };
        let picture = expected[&format!("{number}.picture")].flatten_all().unwrap().to_vec1::<u8>().unwrap();
        for application in [Application::Unmerged, Application::Merged] {
            let loras: Vec<AppliedLora> = (case.files.iter().zip(&case.weights))
                .map(|(name, &[unet_weight, text_encoder_weight])| {
                    let path = fixture_path("lora").join(format!("{name}.safetensors"));
                    let lora = Arc::new(pipeline.read_lora(&LoraFile::open(&path).unwrap()).unwrap());
                    AppliedLora { lora, unet_weight, text_encoder_weight }
                })
                .collect();
            pipeline.set_loras(&loras, application).unwrap();
            assert_eq!(pipeline.loras().len(), case.files.len());
            let drawn = pipeline.generate(&params, &mut Silent).unwrap();
            let off = relative_l2(&drawn.latents, latents);
            assert!(off < 5e-5, "case {number} {application:?}: latents are off by {off:e}");
            let apart = drawn.image.rgb.iter().zip(&picture).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(apart <= Some(1), "case {number} {application:?}: a pixel is {apart:?} levels off");
            assert_ne!(drawn.image, bare);
            compared += 1;
        }
    }
    assert!(compared >= 12);
    pipeline.set_loras(&[], Application::Unmerged).unwrap();
    assert_eq!(pipeline.generate(&params, &mut Silent).unwrap().image, bare);
}

#[test]
fn weight_nought_is_no_lora() {
    let networks = Networks::load();
    let before = networks.predict(false);
    for name in ["kohya", "loha", "dora"] {
        let lora = networks.read(name).unwrap();
        for application in [Application::Unmerged, Application::Merged] {
            apply(&networks.layers, &[AppliedLora::new(lora.clone(), 0.0)], application).unwrap();
            assert_eq!(relative_l2(&networks.predict(false), &before), 0.0, "{name}");
        }
    }
}

#[test]
fn names_of_all_of_sdxl() {
    let text = std::fs::read(fixture_path("engine/sdxl_unet_shapes.json")).unwrap();
    let shapes: BTreeMap<String, Vec<usize>> = serde_json::from_slice(&text).unwrap();
    let weights = Weights::new(ShapesOnly::new("sdxl", shapes), DType::F32, &Device::Cpu);
    let config = r#"{"block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "attention_head_dim": [5, 10, 20], "cross_attention_dim": 2048, "use_linear_projection": true,
        "transformer_layers_per_block": [1, 2, 10], "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816}"#;
    UNet2DConditionModel::load(&weights.root(), &parse_config("unet", config).unwrap()).unwrap();
    let layers = ModelLayers::new([(Component::Unet, weights.layers())]).unwrap();
    let names: BTreeMap<&str, String> = layers.names().collect();
    // As kohya's trainer for Stable Diffusion XL writes them.
    for (name, path) in [
        (
            "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q",
            "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
        ),
        (
            "lora_unet_input_blocks_8_1_transformer_blocks_9_ff_net_0_proj",
            "down_blocks.2.attentions.1.transformer_blocks.9.ff.net.0.proj",
        ),
        (
            "lora_unet_middle_block_1_transformer_blocks_3_attn2_to_out_0",
            "mid_block.attentions.0.transformer_blocks.3.attn2.to_out.0",
        ),
        ("lora_unet_output_blocks_2_1_proj_in", "up_blocks.0.attentions.2.proj_in"),
        (
            "lora_unet_output_blocks_5_1_transformer_blocks_1_attn2_to_v",
            "up_blocks.1.attentions.2.transformer_blocks.1.attn2.to_v",
        ),
        ("lora_unet_output_blocks_5_2_conv", "up_blocks.1.upsamplers.0.conv"),
        ("lora_unet_output_blocks_8_0_in_layers_2", "up_blocks.2.resnets.2.conv1"),
        ("lora_unet_input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"),
        ("lora_unet_input_blocks_6_0_op", "down_blocks.1.downsamplers.0.conv"),
        ("lora_unet_input_blocks_7_0_skip_connection", "down_blocks.2.resnets.0.conv_shortcut"),
        ("lora_unet_label_emb_0_2", "add_embedding.linear_2"),
        ("lora_unet_out_2", "conv_out"),
        (
            "unet.up_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out",
            "up_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
        ),
        ("diffusion_model.input_blocks.4.1.proj_out", "down_blocks.1.attentions.0.proj_out"),
    ] {
        assert_eq!(names.get(name), Some(&format!("unet.{path}")), "{name}");
    }
    // 743 linear layers and 51 convolutions, of which every one has its original name.
    let count = |start: &str| names.keys().filter(|name| name.starts_with(start)).count();
    assert_eq!(count("base_model.model."), names.keys().filter(|name| name.starts_with("unet.")).count());
    assert_eq!(count("lycoris_"), 794);
    assert_eq!(count("diffusion_model."), 794);
    assert_eq!(count("lora_unet_"), 2 * 794);
}

#[test]
fn a_description_needs_no_model() {
    let open =
        |name: &str| LoraFile::open(&fixture_path("lora").join(format!("{name}.safetensors"))).unwrap();
    let kohya = describe(&open("kohya"));
    assert_eq!(kohya.title.as_deref(), Some("fixture"));
    assert_eq!(kohya.base, Some(BaseModel::StableDiffusionXl));
    assert_eq!((kohya.ranks, kohya.alpha), (Some((3, 3)), Some(1.5)));
    assert_eq!(kohya.trigger_words, ["orange hat"]);
    let tags: Vec<(&str, u64)> = kohya.tags.iter().map(|(tag, count)| (tag.as_str(), *count)).collect();
    assert_eq!(tags, [("orange hat", 24), ("қалпақ", 12), ("smile", 3)]);
    assert!(kohya.layers.0 > 20 && kohya.layers.1 > 5);
    assert_eq!(describe(&open("loha_cores")).formats, ["LoHa"]);
    assert_eq!(describe(&open("lokr_mixed")).formats, ["LoKr"]);
    assert!(describe(&open("dora")).formats.contains(&"DoRA"));
    assert!(describe(&open("locon")).formats.contains(&"LoCon"));
    assert_eq!(describe(&open("peft")).ranks, Some((2, 4)));
}

/// A file of these tensors, all of one value.
fn file(tensors: &[(&str, &[usize], f32)], metadata: &[(&str, &str)]) -> LoraFile {
    let tensors = tensors.iter().map(|(name, shape, value)| {
        (
            (*name).to_owned(),
            (Tensor::ones(*shape, DType::F32, &Device::Cpu).unwrap() * f64::from(*value)).unwrap(),
        )
    });
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    LoraFile::from_bytes("test", write_safetensors(tensors, &metadata).unwrap()).unwrap()
}

const Q: &str = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q";

#[test]
fn files_that_do_not_belong_or_are_hostile_are_refused_by_what_is_wrong() {
    let networks = Networks::load();
    let q = |end: &str| format!("{Q}.{end}");
    let (down, up, alpha, mid) = (q("lora_A.weight"), q("lora_B.weight"), q("alpha"), q("lora_mid.weight"));
    let (kron1, kron2, hada) = (q("lokr_w1"), q("lokr_w2"), q("hada_w1_a"));
    let (scale, old, magnitude) = (q("dora_scale"), q("lora.down.weight"), q("lora_magnitude_vector"));
    let wrong = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k";
    let (foreign_down, foreign_up) = (format!("{wrong}.lora_down.weight"), format!("{wrong}.lora_up.weight"));
    let good: [(&str, &[usize], f32); 2] = [(&down, &[2, 24], 0.1), (&up, &[24, 2], 0.1)];
    let with = |more: &[(&'static str, &'static [usize], f32)]| file(&[good.as_slice(), more].concat(), &[]);
    assert!(Lora::read(&file(&good, &[]), &networks.layers).is_ok());
    for (lora, fault) in [
        (file(&[(&down, &[1_000_000, 24], 0.1), (&up, &[24, 1_000_000], 0.1)], &[]), "rank 1000000"),
        (file(&[(&down, &[2, 24], 0.1), (&up, &[24, 3], 0.1)], &[]), "0 of its 2 tensors"),
        (file(&[(&down, &[2, 24], 0.1)], &[]), "`up` (`lora_B`) is missing"),
        (file(&[good[0], good[1], (&alpha, &[], 1e30)], &[]), "alpha"),
        (file(&[good[0], good[1], (&alpha, &[], -1e9)], &[]), "alpha"),
        (file(&[good[0], good[1], (&alpha, &[1], f32::INFINITY)], &[]), "infinity"),
        (file(&[(&down, &[2, 24], f32::NAN), good[1]], &[]), "NaN"),
        (
            file(&[good[0], good[1], (&mid, &[2, 2, 1, 1], 1.0), (&kron1, &[2, 2], 1.0)], &[]),
            "different formats",
        ),
        (file(&[good[0], good[1], (&old, &[2, 24], 1.0)], &[]), "names of the same factor"),
        (file(&[good[0], good[1], (&hada, &[24, 2], 1.0)], &[]), "different formats"),
        (file(&[(&kron1, &[5, 4], 1.0), (&kron2, &[5, 5], 1.0)], &[]), "0 of its 2 tensors"),
        (file(&[good[0], good[1], (&scale, &[3], 1.0)], &[]), "0 of its 3 tensors"),
        (file(&[good[0], good[1], (&magnitude, &[25], 1.0)], &[]), "0 of its 3 tensors"),
        (with(&[("unet.a.oft_blocks", &[2], 1.0)]), "OFT, which is not implemented"),
        (with(&[("lora_unet_x.diff", &[2], 1.0)]), "full difference"),
        (with(&[("x.y", &[2], 1.0)]), "2 of its 3 tensors"),
        (file(&[("conv_in.weight", &[2], 1.0)], &[]), "no tensor in it is part of a LoRA"),
        (file(&[], &[]), "no tensor"),
        (
            file(&[(&foreign_down, &[4, 768], 1.0), (&foreign_up, &[320, 4], 1.0)], &[]),
            "made for Stable Diffusion 1",
        ),
        (
            file(
                &[(&foreign_down, &[4, 768], 1.0), (&foreign_up, &[320, 4], 1.0)],
                &[("ss_base_model_version", "flux1")],
            ),
            "made for FLUX",
        ),
        (file(&good, &[("lora_adapter_metadata", "{]")]), "lora_adapter_metadata"),
    ] {
        let refusal = Lora::read(&lora, &networks.layers).expect_err(fault).to_string();
        assert!(refusal.contains(fault) && refusal.contains("hint: "), "{fault}: {refusal}");
    }
    // One wrong layer among many that fit is named.
    let mut tensors = Vec::new();
    let many: Vec<(String, String)> = (["to_k", "to_v", "to_q", "to_out.0"].iter())
        .flat_map(|end| {
            [("down_blocks.2.attentions.0", 32), ("mid_block.attentions.0", 32)]
                .map(|(block, _)| (block, end))
        })
        .flat_map(|(block, end)| {
            (0..2).map(move |n| format!("unet.{block}.transformer_blocks.{n}.attn1.{end}"))
        })
        .map(|name| (format!("{name}.lora_A.weight"), format!("{name}.lora_B.weight")))
        .collect();
    for (down, up) in &many {
        tensors.push((down.as_str(), [2, 32].as_slice(), 0.1));
        tensors.push((up.as_str(), [32, 2].as_slice(), 0.1));
    }
    let report = Lora::read(&file(&tensors, &[]), &networks.layers).unwrap().report().clone();
    assert_eq!((report.matched, report.unmatched.len(), report.layers[&Component::Unet]), (32, 0, 16));
    tensors.push((&down, &[2, 25], 0.1));
    tensors.push((&up, &[24, 2], 0.1));
    let refusal = Lora::read(&file(&tensors, &[]), &networks.layers).expect_err("wrong shape").to_string();
    assert!(
        refusal.contains("[2, 25]") && refusal.contains("[rank, 24]") && refusal.contains("attn1.to_q"),
        "{refusal}"
    );
    // A few unknown names are reported, not refused.
    tensors.truncate(32);
    tensors.push(("bundle_emb.x.string_to_param.*", &[2], 1.0));
    let report = Lora::read(&file(&tensors, &[]), &networks.layers).unwrap().report().clone();
    assert_eq!((report.matched, report.unmatched), (32, vec!["bundle_emb.x.string_to_param.*".to_owned()]));
}

#[test]
fn weights_out_of_range_and_loras_of_another_model_are_refused_and_change_nothing() {
    let (networks, other) = (Networks::load(), Networks::load());
    let lora = networks.read("kohya").unwrap();
    let on = [AppliedLora::new(lora.clone(), 0.5)];
    apply(&networks.layers, &on, Application::Unmerged).unwrap();
    let before = networks.predict(false);
    for weight in [f64::NAN, f64::INFINITY, 101.0, -1e9] {
        let refusal = apply(&networks.layers, &[AppliedLora::new(lora.clone(), weight)], Application::Merged)
            .unwrap_err();
        assert!(refusal.to_string().contains("`lora weight` is") && refusal.to_string().contains("hint: "));
    }
    let refusal =
        apply(&networks.layers, &[AppliedLora::new(other.read("kohya").unwrap(), 1.0)], Application::Merged);
    assert!(refusal.unwrap_err().to_string().contains("another loaded model"));
    // Factors that are finite, but not their product.
    let (down, up) = (format!("{Q}.lora_A.weight"), format!("{Q}.lora_B.weight"));
    let huge = file(&[(&down, &[2, 24], 1e30), (&up, &[24, 2], 1e30)], &[]);
    let huge = Arc::new(Lora::read(&huge, &networks.layers).unwrap());
    let refusal = apply(&networks.layers, &[AppliedLora::new(huge, 1.0)], Application::Merged);
    assert!(refusal.unwrap_err().to_string().contains("attn1.to_q` is not finite"));
    assert_eq!(relative_l2(&networks.predict(false), &before), 0.0);
}
