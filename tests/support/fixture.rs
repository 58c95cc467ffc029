//! Parity fixtures: files that a reference library wrote, and weights made again from their names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chapan_engine::noise::TorchRng;
use chapan_engine::weights::{InMemory, Weights};
use chapan_engine::{DType, Device, Tensor};
use safetensors::SafeTensors;
use serde::Deserialize;

/// Path of a file below `tests/fixtures`.
pub fn fixture_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// One network as `tests/reference/engine/networks.py` wrote it.
pub struct NetworkFixture {
    /// Configuration of the network, as the library saves it.
    pub config: String,
    /// Arguments of the call.
    pub call: serde_json::Value,
    tensors: BTreeMap<String, Vec<usize>>,
    weights_crc32: u32,
    io: Vec<u8>,
}

#[derive(Deserialize)]
struct Description {
    config: serde_json::Value,
    call: serde_json::Value,
    weights_crc32: u32,
    tensors: BTreeMap<String, Vec<usize>>,
}

impl NetworkFixture {
    /// Reads fixture `name` of `tests/fixtures/engine/networks`.
    ///
    /// # Panics
    /// If the fixture is damaged: tests cannot go on without it.
    pub fn read(name: &str) -> Self {
        let folder = fixture_path("engine/networks");
        let json = std::fs::read(folder.join(format!("{name}.json"))).expect("fixture is committed");
        let Description { config, call, weights_crc32, tensors } =
            serde_json::from_slice(&json).expect("fixture has the generator's form");
        let io = std::fs::read(folder.join(format!("{name}.safetensors"))).expect("fixture is committed");
        Self { config: config.to_string(), call, tensors, weights_crc32, io }
    }

    /// All weights, made from their names: the bytes that the reference library computed with.
    ///
    /// # Panics
    /// If the bytes are not those of the reference library.
    pub fn weights(&self) -> Weights {
        let mut checksum = crc32fast::Hasher::new();
        let tensors: Vec<(&String, &Vec<usize>, Vec<u8>)> = (self.tensors.iter())
            .map(|(name, shape)| {
                let bytes: Vec<u8> =
                    fill_by_name(name, shape).into_iter().flat_map(f32::to_le_bytes).collect();
                checksum.update(&bytes);
                (name, shape, bytes)
            })
            .collect();
        assert_eq!(checksum.finalize(), self.weights_crc32, "weights differ from the reference's");
        let views = tensors.iter().map(|(name, shape, bytes)| {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, (*shape).clone(), bytes);
            (name.as_str(), view.expect("bytes fit the shape"))
        });
        let file = safetensors::serialize(views, None).expect("tensors serialise");
        let source = InMemory::new("fixture", file).expect("the file is sound");
        Weights::new(source, DType::F32, &Device::Cpu)
    }

    /// Input, activation or output `name`; ids come as 64-bit integers, everything else as 32-bit floats.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn tensor(&self, name: &str) -> Tensor {
        let io = SafeTensors::deserialize(&self.io).expect("fixture is sound");
        let view = io.tensor(name).unwrap_or_else(|_| panic!("fixture has no `{name}`"));
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => DType::F32,
            safetensors::Dtype::I64 => DType::I64,
            other => panic!("fixture has a tensor of {other:?}"),
        };
        Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu).expect("bytes fit the shape")
    }

    /// Names of the tapped activations.
    ///
    /// # Panics
    /// If the fixture is damaged.
    pub fn activations(&self) -> Vec<String> {
        let io = SafeTensors::deserialize(&self.io).expect("fixture is sound");
        let mut names: Vec<String> =
            io.names().iter().filter_map(|n| n.strip_prefix("act.")).map(Into::into).collect();
        names.sort();
        names
    }
}

/// All tensors of a file below `tests/fixtures`, as they are.
///
/// # Panics
/// If the fixture is damaged.
pub fn tensors(name: &str) -> BTreeMap<String, Tensor> {
    let bytes = std::fs::read(fixture_path(name)).expect("fixture is committed");
    let file = SafeTensors::deserialize(&bytes).expect("fixture is sound");
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let dtype = match view.dtype() {
            safetensors::Dtype::U8 => DType::U8,
            safetensors::Dtype::F32 => DType::F32,
            other => panic!("fixture has a tensor of {other:?}"),
        };
        let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu);
        (name, tensor.expect("bytes fit the shape"))
    };
    file.tensors().into_iter().map(read).collect()
}

/// The values of tensor `name`: the same rule and the same rounding as `refill` in the generators.
pub fn fill_by_name(name: &str, shape: &[usize]) -> Vec<f32> {
    let mut values = TorchRng::new(u64::from(crc32fast::hash(name.as_bytes()))).randn(shape.iter().product());
    let fan_in: usize = shape.iter().skip(1).product();
    let scale = (fan_in.max(1) as f64).sqrt() as f32;
    for value in &mut values {
        *value = match shape.len() {
            0 | 1 if name.ends_with("weight") => 1.0 + 0.1 * *value,
            0 | 1 => 0.1 * *value,
            _ => *value / scale,
        };
    }
    values
}

/// `|got - expected| / |expected|` in the Euclidean norm, in 64-bit floats.
///
/// # Panics
/// If the shapes differ.
pub fn relative_l2(got: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(got.dims(), expected.dims());
    let flat = |tensor: &Tensor| -> Vec<f32> {
        tensor.flatten_all().and_then(|t| t.to_vec1()).expect("a tensor of 32-bit floats")
    };
    let (got, expected) = (flat(got), flat(expected));
    assert!(got.iter().all(|value| value.is_finite()), "not finite");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut got.iter().zip(&expected).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    difference / norm(&mut expected.iter().map(|v| f64::from(*v)))
}

/// One upscaler as `tests/reference/engine/upscalers.py` wrote it.
pub struct UpscalerFixture {
    file: Vec<u8>,
    io: Vec<u8>,
}

#[derive(Deserialize)]
struct UpscalerDescription {
    weights_crc32: u32,
    tensors: Vec<PublishedTensor>,
}

#[derive(Deserialize)]
struct PublishedTensor {
    /// The name in published files.
    published: String,
    /// The name that the values are made of.
    name: String,
    shape: Vec<usize>,
}

impl UpscalerFixture {
    /// Reads fixture `name` of `tests/fixtures/engine/upscalers`.
    ///
    /// # Panics
    /// If the fixture is damaged, or its weights are not those of the reference.
    pub fn read(name: &str) -> Self {
        let folder = fixture_path("engine/upscalers");
        let json = std::fs::read(folder.join(format!("{name}.json"))).expect("fixture is committed");
        let mut description: UpscalerDescription =
            serde_json::from_slice(&json).expect("fixture has the generator's form");
        description.tensors.sort_by(|a, b| a.name.cmp(&b.name));
        let mut checksum = crc32fast::Hasher::new();
        let tensors: Vec<(&PublishedTensor, Vec<u8>)> = (description.tensors.iter())
            .map(|tensor| {
                let mut values = TorchRng::new(u64::from(crc32fast::hash(tensor.name.as_bytes())))
                    .randn(tensor.shape.iter().product());
                let fan_in: usize = tensor.shape.iter().skip(1).product();
                for value in &mut values {
                    *value = match tensor.shape.len() {
                        1 if tensor.name.ends_with("weight") => 0.1 * *value + 0.2,
                        1 => 0.1 * *value,
                        _ => *value / (fan_in as f64).sqrt() as f32,
                    };
                }
                let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
                checksum.update(&bytes);
                (tensor, bytes)
            })
            .collect();
        assert_eq!(checksum.finalize(), description.weights_crc32, "weights differ from the reference's");
        let views = tensors.iter().map(|(tensor, bytes)| {
            let shape = tensor.shape.clone();
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, bytes);
            (tensor.published.as_str(), view.expect("bytes fit the shape"))
        });
        let file = safetensors::serialize(views, None).expect("tensors serialise");
        let io = std::fs::read(folder.join(format!("{name}.safetensors"))).expect("fixture is committed");
        Self { file, io }
    }

    /// The bytes of the weights file under the published names.
    pub fn file(&self) -> Vec<u8> {
        self.file.clone()
    }

    /// `in` or `out`.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn tensor(&self, name: &str) -> Tensor {
        let io = SafeTensors::deserialize(&self.io).expect("fixture is sound");
        let view = io.tensor(name).unwrap_or_else(|_| panic!("fixture has no `{name}`"));
        Tensor::from_raw_buffer(view.data(), DType::F32, view.shape(), &Device::Cpu)
            .expect("bytes fit the shape")
    }
}
