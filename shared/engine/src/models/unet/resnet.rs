//! Residual blocks: normalise, activate, convolve, twice; the time enters between.

use candle_core::Tensor;

use crate::Result;
use crate::nn::{Activation, Conv2d, Conv2dShape, GroupNorm, Linear, Plus};
use crate::weights::Scope;

/// Widths of a residual block.
#[derive(Debug, Clone, Copy)]
pub struct ResnetShape {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Size of the time embedding, if there is one: the VAE has none.
    pub time_size: Option<usize>,
    /// Groups of the normalisation.
    pub groups: usize,
    /// Epsilon of the normalisation.
    pub eps: f64,
}

/// `ResnetBlock2D` of diffusers.
#[derive(Debug)]
pub struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
}

impl ResnetBlock {
    /// Takes the block's tensors; a shortcut convolution exists when the widths differ.
    pub fn load(scope: &Scope, shape: ResnetShape) -> Result<Self> {
        let ResnetShape { inputs, outputs, time_size, groups, eps } = shape;
        let conv = Conv2dShape::same(3);
        Ok(Self {
            norm1: GroupNorm::load(&scope.pp("norm1"), groups, inputs, eps)?,
            conv1: Conv2d::load(&scope.pp("conv1"), inputs, outputs, conv)?,
            time_emb_proj: time_size
                .map(|size| Linear::load(&scope.pp("time_emb_proj"), size, outputs))
                .transpose()?,
            norm2: GroupNorm::load(&scope.pp("norm2"), groups, outputs, eps)?,
            conv2: Conv2d::load(&scope.pp("conv2"), outputs, outputs, conv)?,
            conv_shortcut: (inputs != outputs)
                .then(|| Conv2d::load(&scope.pp("conv_shortcut"), inputs, outputs, Conv2dShape::same(1)))
                .transpose()?,
        })
    }

    /// `time` is the time embedding after its activation, `(batch, size)`.
    pub fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Result<Tensor> {
        let projected = match (&self.time_emb_proj, time) {
            (Some(layer), Some(time)) => Some(layer.forward(time)?),
            _ => None,
        };
        let h = self.norm1.forward_activated(x, Activation::Silu)?;
        let h = self.conv1.forward_plus(&h, Plus { per_channel: projected.as_ref(), ..Plus::default() })?;
        let h = self.norm2.forward_activated(&h, Activation::Silu)?;
        let shortcut = self.conv_shortcut.as_ref().map(|conv| conv.forward(x)).transpose()?;
        let residual = Some(shortcut.as_ref().unwrap_or(x));
        self.conv2.forward_plus(&h, Plus { residual, ..Plus::default() })
    }
}
