//! The parts of encoder and decoder.

use candle_core::Tensor;

use super::VaeConfig;
use crate::Result;
use crate::models::unet::{ResnetBlock, ResnetShape};
use crate::nn::{
    Conv2d, Conv2dShape, GroupNorm, Linear, Masking, picture_from_tokens, scaled_dot_product_attention,
    tokens_from_picture,
};
use crate::weights::Scope;

/// Epsilon of every normalisation of the autoencoder, which the configuration does not say.
pub(super) const EPS: f64 = 1e-6;

/// A residual block without time.
pub(super) fn resnet(scope: &Scope, inputs: usize, outputs: usize, groups: usize) -> Result<ResnetBlock> {
    ResnetBlock::load(scope, ResnetShape { inputs, outputs, time_size: None, groups, eps: EPS })
}

/// Residual blocks at one resolution, then a change of it.
#[derive(Debug)]
pub(super) struct Level {
    resnets: Vec<ResnetBlock>,
    resampler: Option<Conv2d>,
}

impl Level {
    /// `resampler` is the list that holds the convolution after the block, and its geometry.
    pub fn load(
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        (count, groups): (usize, usize),
        resampler: Option<(&str, Conv2dShape)>,
    ) -> Result<Self> {
        let resnets = scope.pp("resnets");
        Ok(Self {
            resnets: (0..count)
                .map(|j| resnet(&resnets.pp(j), if j == 0 { inputs } else { outputs }, outputs, groups))
                .collect::<Result<_>>()?,
            resampler: resampler
                .map(|(list, shape)| Conv2d::load(&scope.pp(list).pp(0).pp("conv"), outputs, outputs, shape))
                .transpose()?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for resnet in &self.resnets {
            x = resnet.forward(&x, None)?;
        }
        Ok(x)
    }

    /// Ends at half the size.
    pub fn forward_down(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.forward(x)?;
        self.resampler.as_ref().map_or(Ok(x.clone()), |conv| conv.forward(&x))
    }

    /// Ends at twice the size.
    pub fn forward_up(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.forward(x)?;
        self.resampler.as_ref().map_or(Ok(x.clone()), |conv| conv.forward_upsampled(&x, None))
    }
}

/// The middle: residual block, attention of every pixel to every other (if the checkpoint has it), residual block.
#[derive(Debug)]
pub(super) struct Mid {
    first: ResnetBlock,
    attention: Option<MidAttention>,
    second: ResnetBlock,
}

impl Mid {
    pub fn load(scope: &Scope, channels: usize, config: &VaeConfig) -> Result<Self> {
        let (resnets, groups) = (scope.pp("resnets"), config.norm_num_groups);
        let attention = config
            .mid_block_add_attention
            .then(|| MidAttention::load(&scope.pp("attentions").pp(0), channels, groups))
            .transpose()?;
        let first = resnet(&resnets.pp(0), channels, channels, groups)?;
        Ok(Self { first, attention, second: resnet(&resnets.pp(1), channels, channels, groups)? })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.first.forward(x, None)?;
        if let Some(attention) = &self.attention {
            x = attention.forward(&x)?;
        }
        self.second.forward(&x, None)
    }
}

/// Attention with one head as wide as the picture has channels.
#[derive(Debug)]
struct MidAttention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

impl MidAttention {
    /// Checkpoints before diffusers 0.18 use other names, and 1x1 convolutions before that.
    fn load(scope: &Scope, channels: usize, groups: usize) -> Result<Self> {
        let linear = |new: Scope, old: &str| {
            let old = scope.pp(old);
            let scope = if old.contains("weight") { old } else { new };
            Linear::load_pointwise(&scope, channels, channels)
        };
        Ok(Self {
            group_norm: GroupNorm::load(&scope.pp("group_norm"), groups, channels, EPS)?,
            to_q: linear(scope.pp("to_q"), "query")?,
            to_k: linear(scope.pp("to_k"), "key")?,
            to_v: linear(scope.pp("to_v"), "value")?,
            to_out: linear(scope.pp("to_out").pp(0), "proj_attn")?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let tokens = tokens_from_picture(&self.group_norm.forward(x)?)?;
        let (q, k, v) =
            (self.to_q.forward(&tokens)?, self.to_k.forward(&tokens)?, self.to_v.forward(&tokens)?);
        let attended = scaled_dot_product_attention(&q, &k, &v, 1, Masking::None)?;
        picture_from_tokens(&self.to_out.forward_plus(&attended, &tokens_from_picture(x)?)?, height, width)
    }
}
