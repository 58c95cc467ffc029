//! What is trained: two low-rank factors beside each chosen layer, and its row lengths for DoRA.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::config::{Targets, TrainingConfig};
use super::draws::beginning;
use crate::lora::{Component, ModelLayers};
use crate::nn::{Adapter, RowLengths};
use crate::{Error, Result};

/// One trained tensor, on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in the LoRA's file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Vec<f32>,
    /// Whether it belongs to a text encoder.
    pub of_text: bool,
}

/// The parameters of one layer, by their numbers.
#[derive(Debug)]
struct Place {
    layer: usize,
    down: usize,
    up: usize,
    magnitude: Option<usize>,
}

/// All of them.
#[derive(Debug)]
pub struct Factors {
    model: Arc<ModelLayers>,
    places: Vec<Place>,
    scale: f64,
}

/// Ends of paths of layers.
const ATTENTION: [&str; 4] = [".to_q", ".to_k", ".to_v", ".to_out.0"];
const FEED_FORWARD: [&str; 4] = [".ff.net.0.proj", ".ff.net.2", ".proj_in", ".proj_out"];
const CONVOLUTIONS: [&str; 5] =
    [".conv1", ".conv2", ".conv_shortcut", ".downsamplers.0.conv", ".upsamplers.0.conv"];
const TEXT: [&str; 4] = [".q_proj", ".k_proj", ".v_proj", ".out_proj"];

/// Which layers are trained, by their paths.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    targets: Targets,
    /// The first encoder's last layer is never looked at: the state before it is the text.
    last_of_first: Option<usize>,
}

impl Choice {
    /// The choice among these layers.
    pub fn new<'a>(config: &TrainingConfig, layers: impl Iterator<Item = (Component, &'a str)>) -> Self {
        let last_of_first = layers
            .filter(|(component, _)| *component == Component::TextEncoder)
            .filter_map(|(_, path)| number_of_layer(path))
            .max();
        Self { targets: config.targets, last_of_first }
    }

    /// Whether this layer is trained.
    pub fn takes(&self, component: Component, path: &str) -> bool {
        let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
        match component {
            Component::Unet => {
                ends(&ATTENTION)
                    || self.targets.feed_forward && ends(&FEED_FORWARD)
                    || self.targets.convolutions && ends(&CONVOLUTIONS)
            }
            Component::TextEncoder => {
                self.targets.text_encoders && ends(&TEXT) && number_of_layer(path) != self.last_of_first
            }
            Component::TextEncoder2 => self.targets.text_encoders && ends(&TEXT),
        }
    }
}

impl Factors {
    /// Chooses the layers and the numbers that training begins with: `down` normal with deviation `1 / rank`, `up` zero, so
    /// that nothing is changed yet (as in diffusers' scripts).
    pub fn choose(model: &Arc<ModelLayers>, config: &TrainingConfig) -> Result<(Self, Vec<Parameter>)> {
        let paths = model.layers().iter().map(|layer| (layer.component, layer.path.as_str()));
        let choice = Choice::new(config, paths);
        let (mut places, mut parameters) = (Vec::new(), Vec::new());
        for (index, layer) in model.layers().iter().enumerate() {
            if !choice.takes(layer.component, &layer.path) {
                continue;
            }
            let (outputs, inputs, kernel) = layer.layer.sizes();
            let is_conv = layer.layer.weight().rank() == 4;
            let rank = config.rank;
            let (down_shape, up_shape) = if is_conv {
                (vec![rank, inputs, kernel, kernel], vec![outputs, rank, 1, 1])
            } else {
                (vec![rank, inputs], vec![outputs, rank])
            };
            let path = layer.file_path();
            let of_text = layer.component != Component::Unet;
            let mut add = |end: &str, shape: Vec<usize>, values: Vec<f32>| {
                parameters.push(Parameter { name: format!("{path}{end}"), shape, values, of_text });
                parameters.len() - 1
            };
            let len = down_shape.iter().product();
            let first = beginning(config.seed, index, len).into_iter().map(|x| x / rank as f32).collect();
            let down = add(".lora_A.weight", down_shape, first);
            let up = add(".lora_B.weight", up_shape, vec![0.0; outputs * rank]);
            let magnitude = if config.use_dora {
                // Transformers finds the lengths of a text encoder's layer only under the longer name.
                let end = if of_text { ".lora_magnitude_vector.weight" } else { ".lora_magnitude_vector" };
                let lengths = row_lengths(&layer.layer.weight().to_dtype(DType::F32)?)?;
                Some(add(end, vec![outputs], lengths.to_vec1::<f32>()?))
            } else {
                None
            };
            places.push(Place { layer: index, down, up, magnitude });
        }
        if places.is_empty() {
            return Err(no_layers());
        }
        Ok((Self { model: model.clone(), places, scale: config.alpha / config.rank as f64 }, parameters))
    }

    /// The parameters as tensors of the layers' own type and device.
    pub fn tensors(&self, parameters: &[Parameter]) -> Result<Vec<Tensor>> {
        let mut tensors = Vec::with_capacity(parameters.len());
        for place in &self.places {
            let weight = self.model.layers()[place.layer].layer.weight();
            for index in [Some(place.down), Some(place.up), place.magnitude].into_iter().flatten() {
                let Parameter { shape, values, .. } = &parameters[index];
                let tensor = Tensor::from_slice(values, shape.as_slice(), weight.device())?;
                debug_assert_eq!(tensors.len(), index);
                tensors.push(tensor.to_dtype(weight.dtype())?);
            }
        }
        Ok(tensors)
    }

    /// Puts these tensors beside their layers.
    pub fn put(&self, tensors: &[Tensor]) -> Result<()> {
        for place in &self.places {
            let layer = &self.model.layers()[place.layer].layer;
            let (down, up) = (&tensors[place.down], &tensors[place.up]);
            let branch = Arc::new(layer.branch(down.clone(), None, up.clone())?);
            let mut adapter = Adapter::new().with_branch(branch, self.scale);
            if let Some(magnitude) = place.magnitude {
                let changed = (layer.weight() + (up.matmul(down)? * self.scale)?)?;
                let inverse = row_lengths(&changed.to_dtype(DType::F32)?)?.recip()?;
                let inverse = inverse.to_dtype(layer.weight().dtype())?;
                let magnitude = tensors[magnitude].clone();
                adapter = adapter.with_row_lengths(RowLengths { magnitude, inverse });
            }
            layer.put(Some(adapter));
        }
        Ok(())
    }

    /// Takes everything off again.
    pub fn take_off(&self) {
        for place in &self.places {
            self.model.layers()[place.layer].layer.put(None);
        }
    }
}

pub(super) fn no_layers() -> Error {
    Error::config(
        "training",
        "the model has none of the layers that are to be trained",
        "choose a model of the Stable Diffusion XL architecture",
    )
}

/// The number in `..layers.N..`.
fn number_of_layer(path: &str) -> Option<usize> {
    path.split_once("layers.")?.1.split('.').next()?.parse().ok()
}

/// The length of every row of `(out, in)`.
fn row_lengths(weight: &Tensor) -> Result<Tensor> {
    Ok(weight.flatten_from(1)?.sqr()?.sum(1)?.sqrt()?)
}
