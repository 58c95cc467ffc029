//! The original single-file layout: a file made by the recipe of `tests/reference/engine/single_file.py`, which diffusers'
//! own converters read back, must give every tensor of the diffusers layout, and the same picture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chapan_engine::pipelines::{GenerationParams, Silent, StableDiffusionXl};
use chapan_engine::weights::{
    Fault, InMemory, Part, SingleFile, TensorSource, Weights, open_component, write_safetensors,
};
use chapan_engine::{DType, Device, Tensor};
use serde::Deserialize;

const PARTS: [(Part, &str); 4] = [
    (Part::Unet, "unet"),
    (Part::Vae, "vae"),
    (Part::TextEncoder, "text_encoder"),
    (Part::TextEncoder2, "text_encoder_2"),
];

#[derive(Deserialize)]
struct Entry {
    original: String,
    part: String,
    how: String,
    from: Vec<String>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// All tensors of the pipeline in diffusers layout, by part and name; text towers with their `text_model.` prefix.
fn pipeline() -> BTreeMap<(String, String), Tensor> {
    let mut tensors = BTreeMap::new();
    for (_, part) in PARTS {
        let source = open_component(&fixtures().join("pipelines/tiny-sdxl").join(part)).unwrap();
        for (name, tensor) in all(source) {
            let bare = part == "text_encoder" && !name.starts_with("text_model.");
            let name = if bare { format!("text_model.{name}") } else { name };
            tensors.insert((part.to_owned(), name), tensor);
        }
    }
    tensors
}

fn all(source: impl TensorSource + 'static) -> Vec<(String, Tensor)> {
    let shapes: Vec<(String, Vec<usize>)> = source
        .names()
        .into_iter()
        .map(|name| (name.to_owned(), source.info(name).unwrap().shape.clone()))
        .collect();
    let weights = Weights::new(source, DType::F32, &Device::Cpu);
    let tensors = shapes
        .into_iter()
        .map(|(name, shape)| {
            let tensor = weights.root().get(&shape, &name).unwrap();
            (name, tensor)
        })
        .collect();
    weights.finish().unwrap();
    tensors
}

/// The file that the original code would have written.
pub fn original_file() -> Vec<u8> {
    let recipe = std::fs::read_to_string(fixtures().join("engine/single_file.json")).unwrap();
    let recipe: Vec<Entry> = serde_json::from_str(&recipe).unwrap();
    let pipeline = pipeline();
    let mut used = 0;
    let mut file: Vec<(String, Tensor)> = recipe
        .into_iter()
        .map(|entry| {
            let tensors: Vec<&Tensor> =
                entry.from.iter().map(|name| &pipeline[&(entry.part.clone(), name.clone())]).collect();
            used += tensors.len();
            let tensor = match entry.how.as_str() {
                "rows" => Tensor::cat(&tensors, 0).unwrap(),
                "transpose" => tensors[0].t().unwrap(),
                "convolution" => tensors[0].unsqueeze(2).unwrap().unsqueeze(3).unwrap(),
                _ => tensors[0].clone(),
            };
            (entry.original, tensor)
        })
        .collect();
    assert_eq!(used, pipeline.len(), "the recipe uses every tensor once");
    let scale = Tensor::new(4.6052f32, &Device::Cpu).unwrap();
    file.push(("conditioner.embedders.1.model.logit_scale".to_owned(), scale));
    write_safetensors(file, &BTreeMap::new()).unwrap()
}

#[test]
fn every_tensor_comes_out_equal_under_its_diffusers_name() {
    let file = SingleFile::new(InMemory::new("single.safetensors", original_file()).unwrap()).unwrap();
    let mut expected = pipeline();
    for (part, folder) in PARTS {
        for (name, tensor) in all(file.part(part).unwrap()) {
            let same = expected.remove(&(folder.to_owned(), name.clone()));
            let same = same.unwrap_or_else(|| panic!("{folder} has no `{name}`"));
            assert_eq!(tensor.dims(), same.dims(), "{folder} {name}");
            let bits = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(bits(&tensor) == bits(&same), "{folder} {name}");
        }
    }
    assert!(expected.is_empty(), "not in the single file: {:?}", expected.keys());
}

#[test]
fn an_unknown_tensor_under_a_known_prefix_is_left_over() {
    let extra = Tensor::zeros((2, 2), DType::F32, &Device::Cpu).unwrap();
    let bytes = original_file();
    let file = all(InMemory::new("x", bytes).unwrap()).into_iter();
    let file = file.chain([("model.diffusion_model.input_blocks.0.3.weight".to_owned(), extra)]);
    let bytes = write_safetensors(file, &BTreeMap::new()).unwrap();
    let file = SingleFile::new(InMemory::new("x", bytes).unwrap()).unwrap();
    let unet = Weights::new(file.part(Part::Unet).unwrap(), DType::F32, &Device::Cpu);
    assert!(unet.root().contains("input_blocks.0.3.weight"));
}

#[test]
fn other_layouts_are_named() {
    let file = |name: &str| {
        let tensor = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
        let bytes = write_safetensors([(name.to_owned(), tensor)], &BTreeMap::new()).unwrap();
        *SingleFile::new(InMemory::new("x", bytes).unwrap()).err().unwrap().fault
    };
    for (name, word) in [
        ("conditioner.embedders.0.model.ln_final.weight", "refiner"),
        ("cond_stage_model.transformer.text_model.final_layer_norm.weight", "Stable Diffusion 1 or 2"),
        ("double_blocks.0.img_attn.qkv.weight", "FLUX"),
        ("lora_unet_down_blocks_0.lora_down.weight", "LoRA"),
        ("model.diffusion_model.out.0.weight", "without its text encoders"),
        ("something.else", "none of the prefixes"),
    ] {
        let fault = file(name);
        assert!(matches!(fault, Fault::UnknownLayout(layout) if layout.contains(word)), "{name}: {fault}");
    }
}

/// A single file beside the small files of the pipeline draws what the folder draws.
#[test]
fn the_picture_is_the_same_from_a_folder_and_from_a_single_file() {
    let folder = fixtures().join("pipelines/tiny-sdxl");
    let place = tempfile::tempdir().unwrap();
    let single = place.path().join("tiny.safetensors");
    std::fs::write(&single, original_file()).unwrap();
    let params = GenerationParams {
        prompt: "a hat".to_owned(),
        width: 16,
        height: 24,
        num_inference_steps: 2,
        ..GenerationParams::default()
    };
    let load = |path: &Path| StableDiffusionXl::load(path, &Device::Cpu, DType::F32);

    // Without its tokenizers and with the configuration of SDXL base it cannot be.
    assert!(load(&single).is_err());
    for part in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let target = place.path().join("tiny").join(part.file_name().unwrap());
        if part.is_file() {
            std::fs::create_dir_all(place.path().join("tiny")).unwrap();
            std::fs::copy(&part, target).unwrap();
            continue;
        }
        std::fs::create_dir_all(&target).unwrap();
        for file in std::fs::read_dir(&part).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_none_or(|ending| ending != "safetensors") {
                std::fs::copy(&file, target.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    let draw = |path: &Path| load(path).unwrap().generate(&params, &mut Silent).unwrap().image;
    assert_eq!(draw(&single), draw(&folder));
}
