//! The numbers that weights begin with.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::chance::Chance;

/// By whose habits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// PyTorch's layers, as diffusers leaves them: uniform within one over the root of a weight's inputs, biases too.
    Layers,
    /// CLIP's text encoders in transformers beside heads of PyTorch's; the first encoders' depths stand in their names.
    Texts {
        /// Layers of the scoring encoder, the first and the second.
        depths: [usize; 3],
    },
}

/// What PyTorch's `nn.Parameter` of the logit scale begins with: the logarithm of about 15.
const LOGIT_SCALE: f32 = 2.7;
/// Deviation of CLIP's embeddings (`initializer_range`).
const EMBEDDING: f32 = 0.02;

/// The numbers of tensor `name`. A bias looks at its weight, which layers ask for first.
pub fn values(
    seed: u64,
    begin: Begin,
    name: &str,
    shape: &[usize],
    known: &BTreeMap<String, Tensor>,
) -> Vec<f32> {
    let len = shape.iter().product();
    let mut chance = Chance::new(seed, name, 0);
    if let Begin::Texts { depths } = begin {
        if name == "scale" {
            return vec![LOGIT_SCALE; len];
        }
        let encoder = ["score.", "first.", "second."].iter().position(|prefix| name.starts_with(prefix));
        if let Some(encoder) = encoder {
            return text_encoder(name, shape, depths[encoder], &mut chance);
        }
    }
    let inputs = |shape: &[usize]| shape[1..].iter().product::<usize>().max(1);
    let fan_in = match name.strip_suffix(".bias") {
        Some(layer) => match known.get(&format!("{layer}.weight")).map(Tensor::dims) {
            Some(weight) if weight.len() > 1 => inputs(weight),
            // Of a normalisation.
            _ => return vec![0.0; len],
        },
        None if shape.len() > 1 => inputs(shape),
        None => return vec![1.0; len],
    };
    let bound = 1.0 / (fan_in as f64).sqrt();
    (0..len).map(|_| chance.between(-bound, bound) as f32).collect()
}

/// `CLIPPreTrainedModel._init_weights`.
fn text_encoder(name: &str, shape: &[usize], depth: usize, chance: &mut Chance) -> Vec<f32> {
    let len = shape.iter().product();
    if shape.len() == 1 {
        return vec![if name.ends_with(".weight") { 1.0 } else { 0.0 }; len];
    }
    let (outputs, inputs) = (shape[0] as f32, shape[1] as f32);
    let shallow = (2.0 * depth as f32).powf(-0.5);
    let deviation = match name {
        _ if name.contains("embedding") => EMBEDDING,
        _ if name.ends_with("out_proj.weight") || name.ends_with("text_projection.weight") => {
            inputs.powf(-0.5)
        }
        _ if name.ends_with("_proj.weight") => inputs.powf(-0.5) * shallow,
        _ if name.ends_with("fc1.weight") => (2.0 * inputs).powf(-0.5),
        _ => outputs.powf(-0.5) * shallow,
    };
    chance.normal(len).into_iter().map(|value| value * deviation).collect()
}
