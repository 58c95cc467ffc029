//! The transformer layer that both halves of CLIP are made of.

use candle_core::Tensor;

use crate::nn::{Activation, LayerNorm, Linear, Masking, scaled_dot_product_attention};
use crate::weights::Scope;
use crate::{Error, Result};

/// Sizes of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClipLayerShape {
    /// Width of a token.
    pub hidden_size: usize,
    /// Width inside the feed-forward network.
    pub intermediate_size: usize,
    /// Attention heads.
    pub heads: usize,
    /// Activation of the feed-forward network.
    pub activation: Activation,
    /// Epsilon of the normalisations.
    pub eps: f64,
    /// Which tokens a token may look at.
    pub masking: Masking,
}

/// Normalised before attention and before the feed-forward network, each added to its input.
#[derive(Debug)]
pub(super) struct ClipLayer {
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    shape: ClipLayerShape,
}

impl ClipLayer {
    /// Takes `count` layers, `0`, `1` and so on of `scope`; `what` names the component in errors.
    pub fn load_all(
        what: &'static str,
        scope: &Scope,
        count: usize,
        shape: ClipLayerShape,
    ) -> Result<Vec<Self>> {
        let (width, heads) = (shape.hidden_size, shape.heads);
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(Error::config(
                what,
                format!("`hidden_size` `{width}` does not divide into `num_attention_heads` `{heads}`"),
                "the configuration is damaged",
            ));
        }
        (0..count).map(|index| Self::load(&scope.pp(index), shape)).collect()
    }

    fn load(scope: &Scope, shape: ClipLayerShape) -> Result<Self> {
        let (width, inner, eps) = (shape.hidden_size, shape.intermediate_size, shape.eps);
        let (attention, mlp) = (scope.pp("self_attn"), scope.pp("mlp"));
        let projection = |name| Linear::load(&attention.pp(name), width, width);
        Ok(Self {
            layer_norm1: LayerNorm::load(&scope.pp("layer_norm1"), width, eps)?,
            q_proj: projection("q_proj")?,
            k_proj: projection("k_proj")?,
            v_proj: projection("v_proj")?,
            out_proj: projection("out_proj")?,
            layer_norm2: LayerNorm::load(&scope.pp("layer_norm2"), width, eps)?,
            fc1: Linear::load(&mlp.pp("fc1"), width, inner)?,
            fc2: Linear::load(&mlp.pp("fc2"), inner, width)?,
            shape,
        })
    }

    /// `(batch, tokens, hidden)` to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let normal = self.layer_norm1.forward(x)?;
        let (q, k, v) =
            (self.q_proj.forward(&normal)?, self.k_proj.forward(&normal)?, self.v_proj.forward(&normal)?);
        let attended = scaled_dot_product_attention(&q, &k, &v, self.shape.heads, self.shape.masking)?;
        let x = self.out_proj.forward_plus(&attended, x)?;
        let inner = self.fc1.forward_activated(&self.layer_norm2.forward(&x)?, self.shape.activation)?;
        self.fc2.forward_plus(&inner, &x)
    }
}
