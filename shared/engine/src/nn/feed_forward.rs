//! The gated feed-forward network of a transformer block.

use candle_core::{D, Tensor};

use super::{Activation, Linear, cpu, tape};
use crate::Result;
use crate::weights::Scope;

/// A linear layer whose output is split in two: one half, through the exact GELU, gates the other.
#[derive(Debug)]
pub struct Geglu {
    proj: Linear,
}

impl Geglu {
    /// Takes `proj` of `scope`.
    pub fn load(scope: &Scope, inputs: usize, outputs: usize) -> Result<Self> {
        Ok(Self { proj: Linear::load(&scope.pp("proj"), inputs, outputs * 2)? })
    }

    /// `(.., in)` to `(.., out)`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let both = self.proj.forward(x)?;
        let y = if cpu::is_fast(&[&both]) { cpu::gate_with_gelu(&both)? } else { plain_gate(&both)? };
        if tape::follows(&[&both]) {
            tape::note(&y, move |gradient, gradients| {
                if !cpu::is_fast(&[&both, gradient]) {
                    return tape::by_candle(&[both], gradient, gradients, |t| plain_gate(t[0]));
                }
                gradients.add(&both, &cpu::gate_gradient(&both, gradient)?)
            });
        }
        Ok(y)
    }
}

/// In candle's operations.
fn plain_gate(both: &Tensor) -> Result<Tensor> {
    let half = both.dim(D::Minus1)? / 2;
    let (value, gate) = (both.narrow(D::Minus1, 0, half)?, both.narrow(D::Minus1, half, half)?);
    Ok((value * Activation::Gelu.forward(&gate)?)?)
}

/// Gate, then back to the width of the block: `net.0`, `net.2` of a checkpoint.
#[derive(Debug)]
pub struct FeedForward {
    gate: Geglu,
    out: Linear,
}

impl FeedForward {
    /// Inner width over outer width, as in every Stable Diffusion.
    const EXPANSION: usize = 4;

    /// Takes `net.0.proj` and `net.2` of `scope`.
    pub fn load(scope: &Scope, width: usize) -> Result<Self> {
        let (net, inner) = (scope.pp("net"), width * Self::EXPANSION);
        Ok(Self {
            gate: Geglu::load(&net.pp(0), width, inner)?,
            out: Linear::load(&net.pp(2), inner, width)?,
        })
    }

    /// The network's output plus `residual`: both `(.., width)`.
    pub fn forward_plus(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        self.out.forward_plus(&self.gate.forward(x)?, residual)
    }
}
