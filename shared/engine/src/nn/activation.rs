//! Activation functions, by the names that checkpoints' configurations use.

use candle_core::Tensor;

use super::{cpu, tape};
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
        let y = if cpu::is_fast(&[x]) { cpu::activate(x, self)? } else { self.plain(x)? };
        if tape::follows(&[x]) {
            let x = x.clone();
            tape::note(&y, move |gradient, gradients| {
                if !cpu::is_fast(&[&x, gradient]) {
                    return tape::by_candle(&[x], gradient, gradients, move |t| self.plain(t[0]));
                }
                gradients.add(&x, &cpu::activation_gradient(&x, gradient, self)?)
            });
        }
        Ok(y)
    }

    /// In candle's operations.
    fn plain(self, x: &Tensor) -> Result<Tensor> {
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
