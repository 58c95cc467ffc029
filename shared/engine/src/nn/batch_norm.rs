//! Batch normalisation while a network is trained. A trained one has none: it is folded into the convolution before it.

use candle_core::{Device, Tensor};

use super::norm::GroupNorm;
use super::{cpu, tape};
use crate::weights::Scope;
use crate::{Error, Result};

/// As in PyTorch.
const EPS: f64 = 1e-5;
/// Share of a new batch in the running statistics, as in PyTorch.
const MOMENTUM: f64 = 0.1;

/// Mean and variance of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// `(channels)`.
    pub mean: Vec<f32>,
    /// `(channels)`, of the whole population.
    pub variance: Vec<f32>,
}

impl Running {
    /// Before the first batch.
    pub fn new(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], variance: vec![1.0; channels] }
    }

    /// With a batch's statistics taken in.
    #[must_use]
    pub fn taking_in(&self, batch: &Self) -> Self {
        let mix = |old: &[f32], new: &[f32]| {
            let mixed = |(old, new): (&f32, &f32)| {
                (f64::from(*old) * (1.0 - MOMENTUM) + f64::from(*new) * MOMENTUM) as f32
            };
            old.iter().zip(new).map(mixed).collect()
        };
        Self { mean: mix(&self.mean, &batch.mean), variance: mix(&self.variance, &batch.variance) }
    }
}

/// Normalises every channel over all pixels of all pictures of a batch, then scales and shifts it.
#[derive(Clone, Debug)]
pub struct BatchNorm2d {
    /// Over one picture that is the whole batch.
    norm: GroupNorm,
    weight: Tensor,
    bias: Tensor,
}

impl BatchNorm2d {
    /// Takes `weight` and `bias` of `scope`; running statistics are the trainer's.
    pub fn load(scope: &Scope, channels: usize) -> Result<Self> {
        let (weight, bias) = (scope.get(&[channels], "weight")?, scope.get(&[channels], "bias")?);
        let norm = GroupNorm::new(weight.clone(), bias.clone(), channels, EPS);
        Ok(Self { norm, weight, bias })
    }

    /// Of `(batch, channels, height, width)`, by the batch's own statistics, which are returned too.
    pub fn forward(&self, x: &Tensor) -> Result<(Tensor, Running)> {
        let (batch, _, height, width) = x.dims4()?;
        let wide = tape::viewed(x, as_one, move |gradient| as_many(gradient, batch))?;
        let y = self.norm.forward(&wide)?;
        let y = tape::viewed(&y, move |y| as_many(y, batch), as_one)?;
        Ok((y, statistics(x, batch * height * width)?))
    }

    /// The same function of one picture's pixels with fixed statistics, as the weight and bias of the convolution before it
    /// (which has no bias): `(out, in, kernel, kernel)` and `(out)`.
    ///
    /// # Errors
    /// When the statistics are not of as many channels.
    pub fn folded(&self, convolution: &Tensor, running: &Running) -> Result<(Tensor, Tensor)> {
        let channels = self.weight.dim(0)?;
        if running.mean.len() != channels || running.variance.len() != channels {
            let fault = format!("statistics of {channels} channels");
            return Err(Error::shape("batch norm", fault, &[running.mean.len()]));
        }
        let of = |values: &[f32]| Tensor::from_slice(values, channels, &Device::Cpu);
        let (mean, variance) = (of(&running.mean)?, of(&running.variance)?);
        let scale = (&self.weight / (variance + EPS)?.sqrt()?)?;
        let bias = (&self.bias - (mean * &scale)?)?;
        Ok((convolution.broadcast_mul(&scale.reshape(((), 1, 1, 1))?)?, bias))
    }
}

/// The batch as one picture, `(1, channels, batch * height, width)`.
fn as_one(x: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let lying = x.permute((0, 2, 3, 1))?.contiguous()?.reshape((1, batch * height, width, channels))?;
    Ok(lying.permute((0, 3, 1, 2))?)
}

/// The reverse.
fn as_many(x: &Tensor, batch: usize) -> Result<Tensor> {
    let (_, channels, height, width) = x.dims4()?;
    let lying = x.permute((0, 2, 3, 1))?.contiguous()?.reshape((batch, height / batch, width, channels))?;
    Ok(lying.permute((0, 3, 1, 2))?)
}

/// Mean and unbiased variance of each channel.
fn statistics(x: &Tensor, count: usize) -> Result<Running> {
    let (mean, biased) = cpu::channel_statistics(&x.to_device(&Device::Cpu)?)?;
    let factor = count as f64 / (count.max(2) - 1) as f64;
    let variance = biased.into_iter().map(|variance| (variance * factor) as f32).collect();
    Ok(Running { mean: mean.into_iter().map(|mean| mean as f32).collect(), variance })
}
