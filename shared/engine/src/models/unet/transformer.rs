//! Transformers over the pixels of a picture, looking at each other and at the text.

use candle_core::Tensor;

use super::conditioning::{Conditioning, CrossSlot};
use crate::Result;
use crate::nn::{
    FeedForward, GroupNorm, LayerNorm, Linear, Masking, picture_from_tokens, scaled_dot_product_attention,
    tokens_from_picture,
};
use crate::weights::Scope;

use super::config::Attending;

/// Epsilon of the normalisations here, which the configuration does not say.
const GROUP_EPS: f64 = 1e-6;
const LAYER_EPS: f64 = 1e-5;

/// `Transformer2DModel` of diffusers.
#[derive(Debug)]
pub(super) struct Transformer2d {
    norm: GroupNorm,
    proj_in: Linear,
    blocks: Vec<TransformerBlock>,
    proj_out: Linear,
}

impl Transformer2d {
    /// `slots` numbers the cross-attention layers of the whole network.
    pub fn load(
        scope: &Scope,
        channels: usize,
        groups: usize,
        attending: Attending,
        slots: &mut CrossSlot,
    ) -> Result<Self> {
        let blocks = scope.pp("transformer_blocks");
        Ok(Self {
            norm: GroupNorm::load(&scope.pp("norm"), groups, channels, GROUP_EPS)?,
            // `use_linear_projection` chooses between a linear layer and a 1x1 convolution: one function, two shapes.
            proj_in: Linear::load_pointwise(&scope.pp("proj_in"), channels, channels)?,
            blocks: (0..attending.depth)
                .map(|index| TransformerBlock::load(&blocks.pp(index), channels, attending, slots))
                .collect::<Result<_>>()?,
            proj_out: Linear::load_pointwise(&scope.pp("proj_out"), channels, channels)?,
        })
    }

    pub fn forward(&self, x: &Tensor, conditioning: &Conditioning) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let mut tokens = self.proj_in.forward(&tokens_from_picture(&self.norm.forward(x)?)?)?;
        for block in &self.blocks {
            tokens = block.forward(&tokens, conditioning)?;
        }
        let out = self.proj_out.forward_plus(&tokens, &tokens_from_picture(x)?)?;
        picture_from_tokens(&out, height, width)
    }
}

/// `BasicTransformerBlock` of diffusers: self-attention, cross-attention, feed-forward, each added to its input.
#[derive(Debug)]
struct TransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    slot: usize,
    norm3: LayerNorm,
    ff: FeedForward,
}

impl TransformerBlock {
    fn load(scope: &Scope, width: usize, attending: Attending, slots: &mut CrossSlot) -> Result<Self> {
        let Attending { heads, context, .. } = attending;
        Ok(Self {
            norm1: LayerNorm::load(&scope.pp("norm1"), width, LAYER_EPS)?,
            attn1: Attention::load(&scope.pp("attn1"), width, width, heads)?,
            norm2: LayerNorm::load(&scope.pp("norm2"), width, LAYER_EPS)?,
            attn2: Attention::load(&scope.pp("attn2"), width, context, heads)?,
            slot: slots.next(),
            norm3: LayerNorm::load(&scope.pp("norm3"), width, LAYER_EPS)?,
            ff: FeedForward::load(&scope.pp("ff"), width)?,
        })
    }

    fn forward(&self, x: &Tensor, conditioning: &Conditioning) -> Result<Tensor> {
        let normal = self.norm1.forward(x)?;
        let (k, v) = self.attn1.keys_and_values(&normal)?;
        let x = self.attn1.forward_plus(&normal, &k, &v, x)?;
        let (k, v) =
            conditioning.keys_and_values(self.slot, |context| self.attn2.keys_and_values(context))?;
        let x = self.attn2.forward_plus(&self.norm2.forward(&x)?, &k, &v, &x)?;
        self.ff.forward_plus(&self.norm3.forward(&x)?, &x)
    }
}

/// `Attention` of diffusers: projections without bias, output with.
#[derive(Debug)]
struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
}

impl Attention {
    fn load(scope: &Scope, width: usize, context: usize, heads: usize) -> Result<Self> {
        Ok(Self {
            to_q: Linear::load_without_bias(&scope.pp("to_q"), width, width)?,
            to_k: Linear::load_without_bias(&scope.pp("to_k"), context, width)?,
            to_v: Linear::load_without_bias(&scope.pp("to_v"), context, width)?,
            to_out: Linear::load(&scope.pp("to_out").pp(0), width, width)?,
            heads,
        })
    }

    fn keys_and_values(&self, context: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.to_k.forward(context)?, self.to_v.forward(context)?))
    }

    fn forward_plus(&self, x: &Tensor, k: &Tensor, v: &Tensor, residual: &Tensor) -> Result<Tensor> {
        let q = self.to_q.forward(x)?;
        let attended = scaled_dot_product_attention(&q, k, v, self.heads, Masking::None)?;
        self.to_out.forward_plus(&attended, residual)
    }
}
