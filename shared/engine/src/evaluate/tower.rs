//! A convolutional tower, layer by layer as its configuration lists it.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::nn::{Conv2d, Conv2dShape, Linear};
use crate::weights::Scope;
use crate::{Error, Result};

/// One layer of a tower, as written in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum LayerConfig {
    /// A square convolution with bias.
    Conv2d {
        /// Channels that come in.
        #[serde(rename = "in")]
        inputs: usize,
        /// Channels that go out.
        out: usize,
        /// Width and height of the kernel.
        kernel: usize,
        /// Step between output pixels.
        stride: usize,
        /// Zeros on every side.
        padding: usize,
    },
    /// `max(x, 0)`.
    Relu,
    /// The greatest value of every `size` by `size` pixels.
    MaxPool2d {
        /// Side of the pool, and its step.
        size: usize,
    },
    /// `(batch, channels, height, width)` to `(batch, channels * height * width)`.
    Flatten,
    /// A linear layer with bias.
    Linear {
        /// Values that come in.
        #[serde(rename = "in")]
        inputs: usize,
        /// Values that go out.
        out: usize,
    },
}

/// The layers with their weights, named `layers.<index>` with the index of the configuration's list.
#[derive(Debug)]
pub struct Tower {
    layers: Vec<Layer>,
}

#[derive(Debug)]
enum Layer {
    Conv2d(Conv2d),
    Relu,
    MaxPool2d(usize),
    Flatten,
    Linear(Linear),
}

impl Tower {
    /// Takes the weights of all layers.
    pub fn load(scope: &Scope, layers: &[LayerConfig]) -> Result<Self> {
        let load = |(index, layer): (usize, &LayerConfig)| {
            let scope = scope.pp("layers").pp(index);
            Ok(match *layer {
                LayerConfig::Conv2d { inputs, out, kernel, stride, padding } => {
                    let shape = Conv2dShape { kernel, stride, pad_before: padding, pad_after: padding };
                    Layer::Conv2d(Conv2d::load(&scope, inputs, out, shape)?)
                }
                LayerConfig::Relu => Layer::Relu,
                LayerConfig::MaxPool2d { size: 0 } => {
                    return Err(Error::config("tower", "a pool of size `0`", "the configuration is damaged"));
                }
                LayerConfig::MaxPool2d { size } => Layer::MaxPool2d(size),
                LayerConfig::Flatten => Layer::Flatten,
                LayerConfig::Linear { inputs, out } => Layer::Linear(Linear::load(&scope, inputs, out)?),
            })
        };
        Ok(Self { layers: layers.iter().enumerate().map(load).collect::<Result<_>>()? })
    }

    /// What stands before the last layer, and what the last layer makes of it.
    pub fn forward(&self, pictures: &Tensor) -> Result<(Tensor, Tensor)> {
        let mut features = pictures.clone();
        let mut output = pictures.clone();
        for layer in &self.layers {
            features = output;
            output = match layer {
                Layer::Conv2d(conv) => conv.forward(&features)?,
                Layer::Relu => features.relu()?,
                Layer::MaxPool2d(size) => features.max_pool2d(*size)?,
                Layer::Flatten => features.flatten_from(1)?,
                Layer::Linear(linear) => linear.forward(&features)?,
            };
        }
        Ok((features, output))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::{DType, Device};

    use super::*;
    use crate::weights::{InMemory, Weights, write_safetensors};

    #[test]
    fn layers_run_in_the_order_of_the_list() {
        let config = r#"[{"op": "conv2d", "in": 1, "out": 1, "kernel": 1, "stride": 1, "padding": 0}, {"op": "relu"},
            {"op": "max_pool2d", "size": 2}, {"op": "flatten"}, {"op": "linear", "in": 1, "out": 2}]"#;
        let layers: Vec<LayerConfig> = serde_json::from_str(config).unwrap();
        let tensor =
            |values: &[f32], shape: &[usize]| Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
        let tensors = [
            ("layers.0.weight", tensor(&[-2.0], &[1, 1, 1, 1])),
            ("layers.0.bias", tensor(&[1.0], &[1])),
            ("layers.4.weight", tensor(&[1.0, -1.0], &[2, 1])),
            ("layers.4.bias", tensor(&[0.0, 10.0], &[2])),
        ];
        let tensors = tensors.map(|(name, tensor)| (name.to_owned(), tensor));
        let bytes = write_safetensors(tensors, &BTreeMap::new()).unwrap();
        let weights = Weights::new(InMemory::new("tower", bytes).unwrap(), DType::F32, &Device::Cpu);
        let tower = Tower::load(&weights.root(), &layers).unwrap();
        weights.finish().unwrap();
        // 1 - 2x is 7, -5, 1, -1; the greatest after the cut at zero is 7.
        let (features, output) = tower.forward(&tensor(&[-3.0, 3.0, 0.0, 1.0], &[1, 1, 2, 2])).unwrap();
        assert_eq!(features.to_vec2::<f32>().unwrap(), [[7.0]]);
        assert_eq!(output.to_vec2::<f32>().unwrap(), [[7.0, 3.0]]);
    }
}
