//! The convolutional tower while it is trained: every convolution is followed by a batch normalisation, which is folded into
//! it when the training is over.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::stage::Kept;
use crate::evaluate::{LayerConfig, Tower};
use crate::nn::{BatchNorm2d, Conv2d, Conv2dShape, Linear, Rectifier, Running, max_pool2d, traced};
use crate::weights::Scope;
use crate::{Error, Result};

/// The layers with their normalisations, named as in the trained tower; a normalisation is `layers.<index>.norm`.
#[derive(Debug)]
pub struct TrainedTower {
    layers: Vec<Layer>,
}

#[derive(Debug)]
enum Layer {
    Conv2d { index: usize, conv: Conv2d, norm: BatchNorm2d },
    Relu(Rectifier),
    MaxPool2d(usize),
    Flatten,
    Linear { index: usize, linear: Linear },
}

/// What a tower says of a batch.
#[derive(Debug)]
pub struct Seen {
    /// What the last layer makes of the rest, `(batch, outputs)`.
    pub output: Tensor,
    /// Running statistics with this batch taken in.
    pub kept: Kept,
}

fn keys(index: usize) -> [String; 2] {
    ["mean", "variance"].map(|what| format!("layers.{index}.norm.running_{what}"))
}

fn running(kept: &Kept, index: usize, channels: usize) -> Running {
    let [mean, variance] = keys(index).map(|key| kept.get(&key).cloned());
    match (mean, variance) {
        (Some(mean), Some(variance)) => Running { mean, variance },
        _ => Running::new(channels),
    }
}

impl TrainedTower {
    /// Takes or makes the weights of all layers.
    pub fn load(scope: &Scope, layers: &[LayerConfig]) -> Result<Self> {
        let mut channels = 3;
        let mut load = |(index, layer): (usize, &LayerConfig)| {
            let scope = scope.pp("layers").pp(index);
            Ok(match *layer {
                LayerConfig::Conv2d { inputs, out, kernel, stride, padding } => {
                    let shape = Conv2dShape { kernel, stride, pad_before: padding, pad_after: padding };
                    channels = out;
                    let conv = Conv2d::load_without_bias(&scope, inputs, out, shape)?;
                    Layer::Conv2d { index, conv, norm: BatchNorm2d::load(&scope.pp("norm"), out)? }
                }
                LayerConfig::Relu => {
                    Layer::Relu(Rectifier::leaky(channels, 0.0, DType::F32, scope.device())?)
                }
                LayerConfig::MaxPool2d { size } => Layer::MaxPool2d(size),
                LayerConfig::Flatten => Layer::Flatten,
                LayerConfig::Linear { inputs, out } => {
                    Layer::Linear { index, linear: Linear::load(&scope, inputs, out)? }
                }
            })
        };
        Ok(Self { layers: layers.iter().enumerate().map(&mut load).collect::<Result<_>>()? })
    }

    /// Of pictures `(batch, 3, size, size)`, normalised by their own statistics.
    pub fn forward(&self, pictures: &Tensor, kept: &Kept) -> Result<Seen> {
        let (mut x, mut new) = (pictures.clone(), Kept::new());
        for layer in &self.layers {
            x = match layer {
                Layer::Conv2d { index, conv, norm } => {
                    let (y, batch) = norm.forward(&conv.forward(&x)?)?;
                    let after = running(kept, *index, batch.mean.len()).taking_in(&batch);
                    let [mean, variance] = keys(*index);
                    new.extend([(mean, after.mean), (variance, after.variance)]);
                    y
                }
                Layer::Relu(rectifier) => rectifier.forward(&x)?,
                Layer::MaxPool2d(size) => max_pool2d(&x, *size)?,
                Layer::Flatten => traced(&[&x], |t| Ok(t[0].contiguous()?.flatten_from(1)?))?,
                Layer::Linear { linear, .. } => linear.forward(&x)?,
            };
        }
        Ok(Seen { output: x, kept: new })
    }

    /// The tensors of the same tower without normalisations: what [`Tower`] loads.
    ///
    /// # Errors
    /// When there are no running statistics yet.
    pub fn folded(&self, kept: &Kept) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = BTreeMap::new();
        let mut put = |index: usize, weight: Tensor, bias: Tensor| {
            tensors.insert(format!("layers.{index}.weight"), weight);
            tensors.insert(format!("layers.{index}.bias"), bias);
        };
        for layer in &self.layers {
            match layer {
                Layer::Conv2d { index, conv, norm } => {
                    let running = running(kept, *index, conv.weight().dim(0)?);
                    let (weight, bias) = norm.folded(conv.weight(), &running)?;
                    put(*index, weight, bias);
                }
                Layer::Linear { index, linear } => {
                    let bias = linear.bias().cloned();
                    let missing =
                        || Error::shape("tower", "a linear layer with a bias", linear.weight().dims());
                    put(*index, linear.weight().clone(), bias.ok_or_else(missing)?);
                }
                Layer::Relu(_) | Layer::MaxPool2d(_) | Layer::Flatten => {}
            }
        }
        Ok(tensors)
    }

    /// The tower as it will be shipped.
    ///
    /// # Errors
    /// As [`Self::folded`].
    pub fn finished(
        &self,
        layers: &[LayerConfig],
        kept: &Kept,
        scope: impl Fn(BTreeMap<String, Tensor>) -> Scope,
    ) -> Result<Tower> {
        Tower::load(&scope(self.folded(kept)?), layers)
    }
}
