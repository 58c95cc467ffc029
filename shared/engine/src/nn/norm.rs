//! Normalisation over groups of channels and over the last dimension.

use candle_core::{D, DType, Tensor};

use super::{Activation, cpu, tape};
use crate::weights::Scope;
use crate::{Error, Result};

/// Normalises groups of channels of a picture to mean 0 and variance 1, then scales and shifts every channel.
///
/// The variance is the biased one; statistics are in 32-bit floats whatever the element type.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    /// Takes `weight` and `bias` of `scope`.
    pub fn load(scope: &Scope, groups: usize, channels: usize, eps: f64) -> Result<Self> {
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(Error::config(
                "group norm",
                format!("{channels} channels do not divide into {groups} groups"),
                "`norm_num_groups` must divide every entry of `block_out_channels`",
            ));
        }
        let (weight, bias) = (scope.get(&[channels], "weight")?, scope.get(&[channels], "bias")?);
        Ok(Self { weight, bias, groups, eps })
    }

    /// A norm of these weights.
    pub(super) fn new(weight: Tensor, bias: Tensor, groups: usize, eps: f64) -> Self {
        Self { weight, bias, groups, eps }
    }

    /// Of `(batch, channels, height, width)`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, None)
    }

    /// The activation of the normalised picture.
    pub fn forward_activated(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        self.apply(x, Some(activation))
    }

    fn apply(&self, x: &Tensor, activation: Option<Activation>) -> Result<Tensor> {
        let channels = self.weight.dim(0)?;
        let &[batch, c, height, width] = x.dims() else {
            return Err(Error::shape("group norm", format!("(batch, {channels}, height, width)"), x.dims()));
        };
        if c != channels {
            return Err(Error::shape("group norm", format!("(batch, {channels}, height, width)"), x.dims()));
        }
        let y = if cpu::is_fast(&[x, &self.weight, &self.bias]) {
            cpu::group_norm(x, &self.weight, &self.bias, self.groups, self.eps, activation)?
        } else {
            tape::paused(|| self.plain(x, activation))?
        };
        if tape::follows(&[x, &self.weight, &self.bias]) {
            let (x, norm) = (x.clone(), self.clone());
            tape::note(&y, move |gradient, gradients| {
                let Self { weight, bias, groups, eps } = &norm;
                let known = matches!(activation, None | Some(Activation::Silu));
                if !known || !cpu::is_fast(&[&x, gradient, weight]) {
                    let inputs = [x, weight.clone(), bias.clone()];
                    let (groups, eps) = (*groups, *eps);
                    let function = move |t: &[&Tensor]| {
                        Self::new(t[1].clone(), t[2].clone(), groups, eps).plain(t[0], activation)
                    };
                    return tape::by_candle(&inputs, gradient, gradients, function);
                }
                let silu = activation.is_some();
                let call = cpu::Groups { weight, bias, groups: *groups, eps: *eps, silu };
                let before = gradients.so_far(&x);
                let (found, (of_weight, of_bias)) =
                    cpu::group_norm_gradient(&x, gradient, call, before.as_ref())?;
                gradients.update(&x, |_| Ok(found))?;
                gradients.add(weight, &of_weight)?;
                gradients.add(bias, &of_bias)
            });
        }
        debug_assert_eq!(y.dims(), [batch, c, height, width]);
        Ok(y)
    }

    /// In candle's operations.
    fn plain(&self, x: &Tensor, activation: Option<Activation>) -> Result<Tensor> {
        let (batch, c, height, width) = x.dims4()?;
        let wide = x.contiguous()?.reshape((batch, self.groups, ()))?.to_dtype(DType::F32)?;
        let normal = standardise(&wide, self.eps)?.to_dtype(x.dtype())?.reshape((batch, c, height, width))?;
        let y = normal.broadcast_mul(&self.weight.reshape((1, c, 1, 1))?)?;
        let y = y.broadcast_add(&self.bias.reshape((1, c, 1, 1))?)?;
        activation.map_or(Ok(y.clone()), |activation| activation.forward(&y))
    }
}

/// Normalises the last dimension to mean 0 and variance 1, then scales and shifts every element.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Takes `weight` and `bias` of `scope`.
    pub fn load(scope: &Scope, size: usize, eps: f64) -> Result<Self> {
        Ok(Self { weight: scope.get(&[size], "weight")?, bias: scope.get(&[size], "bias")?, eps })
    }

    /// Of `(.., size)`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let size = self.weight.dim(0)?;
        if x.dims().last() != Some(&size) {
            return Err(Error::shape("layer norm", format!("(.., {size})"), x.dims()));
        }
        let y = if cpu::is_fast(&[x, &self.weight, &self.bias]) {
            cpu::layer_norm(x, &self.weight, &self.bias, self.eps)?
        } else {
            tape::paused(|| self.plain(x))?
        };
        if tape::follows(&[x, &self.weight, &self.bias]) {
            let (x, norm) = (x.clone(), self.clone());
            tape::note(&y, move |gradient, gradients| {
                let Self { weight, bias, eps } = norm;
                if !cpu::is_fast(&[&x, gradient, &weight]) {
                    let function = move |t: &[&Tensor]| {
                        Self { weight: t[1].clone(), bias: t[2].clone(), eps }.plain(t[0])
                    };
                    return tape::by_candle(&[x, weight, bias], gradient, gradients, function);
                }
                gradients
                    .update(&x, |before| cpu::layer_norm_gradient(&x, gradient, &weight, eps, before))?;
                if gradients.wants(&weight) || gradients.wants(&bias) {
                    let (of_weight, of_bias) = cpu::layer_norm_weight_gradient(&x, gradient, eps)?;
                    gradients.add(&weight, &of_weight)?;
                    gradients.add(&bias, &of_bias)?;
                }
                Ok(())
            });
        }
        Ok(y)
    }

    /// In candle's operations.
    fn plain(&self, x: &Tensor) -> Result<Tensor> {
        let normal = standardise(&x.to_dtype(DType::F32)?, self.eps)?.to_dtype(x.dtype())?;
        Ok(normal.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)?)
    }
}

/// `(x - mean) / sqrt(variance + eps)` over the last dimension, in differentiable operations.
fn standardise(x: &Tensor, eps: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    Ok(centred.broadcast_div(&(variance + eps)?.sqrt()?)?)
}
