//! Activation functions, by the names that checkpoints' configurations use.

use candle_core::Tensor;

use super::cpu;
use crate::{Error, Result};

/// An elementwise non-linearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`, also called swish.
    Silu,
    /// `x/2 * (1 + erf(x / sqrt 2))`: the exact one. The tanh approximation is another function (1.8e-4 away).
    Gelu,
    /// `x * sigmoid(1.702 x)`, the approximation that the first CLIP was trained with.
    QuickGelu,
}

impl Activation {
    /// The activation that component `what` calls `name`.
    pub fn from_name(what: &'static str, name: &str) -> Result<Self> {
        match name {
            "silu" | "swish" => Ok(Self::Silu),
            "gelu" => Ok(Self::Gelu),
            "quick_gelu" => Ok(Self::QuickGelu),
            other => Err(Error::config(
                what,
                format!("the activation `{other}` is not known"),
                "known activations are `silu`, `gelu` and `quick_gelu`",
            )),
        }
    }

    /// Applies the activation to every element.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        if cpu::is_fast(&[x]) {
            return cpu::activate(x, self);
        }
        Ok(match self {
            Self::Silu => x.silu()?,
            Self::Gelu => x.gelu_erf()?,
            Self::QuickGelu => x.mul(&sigmoid(&(x * 1.702)?)?)?,
        })
    }
}

/// `1 / (1 + exp(-x))` in differentiable operations.
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    Ok((x.neg()?.exp()? + 1.0)?.recip()?)
}
