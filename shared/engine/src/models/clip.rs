//! CLIP: pictures and texts as vectors of one space, compared by their angle.

use candle_core::{D, DType, IndexOp, Tensor};
use serde::Deserialize;

use super::clip_layer::{ClipLayer, ClipLayerShape};
use super::clip_text::{ClipTextConfig, ClipTextModel};
use crate::nn::{
    Activation, Conv2d, Conv2dShape, Embedding, LayerNorm, Linear, Masking, on_workers, tokens_from_picture,
};
use crate::weights::Scope;
use crate::{Error, Result};

/// `vision_config` of a CLIP checkpoint, with transformers' defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the checkpoint's own")]
pub struct ClipVisionConfig {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub projection_dim: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_channels: usize,
    pub image_size: usize,
    pub patch_size: usize,
    pub hidden_act: String,
    pub layer_norm_eps: f64,
}

impl Default for ClipVisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            projection_dim: 512,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: "quick_gelu".into(),
            layer_norm_eps: 1e-5,
        }
    }
}

/// `config.json` of a `CLIPModel`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the checkpoint's own")]
pub struct ClipConfig {
    pub text_config: ClipTextConfig,
    pub vision_config: ClipVisionConfig,
    pub projection_dim: usize,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self {
            text_config: ClipTextConfig::default(),
            vision_config: ClipVisionConfig::default(),
            projection_dim: 512,
        }
    }
}

/// The vision transformer: patches as tokens, behind one token that sums the picture up.
#[derive(Debug)]
pub struct ClipVisionModel {
    class_embedding: Tensor,
    patch_embedding: Conv2d,
    position_embedding: Embedding,
    pre_layer_norm: LayerNorm,
    layers: Vec<ClipLayer>,
    post_layer_norm: LayerNorm,
    config: ClipVisionConfig,
}

impl ClipVisionModel {
    /// Takes what is below `vision_model`; that prefix is optional.
    pub fn load(scope: &Scope, config: &ClipVisionConfig) -> Result<Self> {
        const WHAT: &str = "vision encoder";
        let (width, patch) = (config.hidden_size, config.patch_size);
        if patch == 0 || !config.image_size.is_multiple_of(patch) {
            let fault =
                format!("`image_size` `{}` is no multiple of `patch_size` `{patch}`", config.image_size);
            return Err(Error::config(WHAT, fault, "the configuration is damaged"));
        }
        let shape = ClipLayerShape {
            hidden_size: width,
            intermediate_size: config.intermediate_size,
            heads: config.num_attention_heads,
            activation: Activation::from_name(WHAT, &config.hidden_act)?,
            eps: config.layer_norm_eps,
            masking: Masking::None,
        };
        let vision = scope.pp_if_present("vision_model");
        let (embeddings, layers) = (vision.pp("embeddings"), vision.pp("encoder").pp("layers"));
        let positions = (config.image_size / patch).pow(2) + 1;
        let patches = Conv2dShape { kernel: patch, stride: patch, pad_before: 0, pad_after: 0 };
        Ok(Self {
            class_embedding: embeddings.get(&[width], "class_embedding")?,
            patch_embedding: Conv2d::load_without_bias(
                &embeddings.pp("patch_embedding"),
                config.num_channels,
                width,
                patches,
            )?,
            position_embedding: Embedding::load(&embeddings.pp("position_embedding"), positions, width)?,
            // The checkpoint's own spelling.
            pre_layer_norm: LayerNorm::load(&vision.pp("pre_layrnorm"), width, config.layer_norm_eps)?,
            layers: ClipLayer::load_all(WHAT, &layers, config.num_hidden_layers, shape)?,
            post_layer_norm: LayerNorm::load(&vision.pp("post_layernorm"), width, config.layer_norm_eps)?,
            config: config.clone(),
        })
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &ClipVisionConfig {
        &self.config
    }

    /// Normalised pictures `(batch, channels, side, side)` to their pooled states `(batch, hidden)`.
    pub fn forward(&self, pixels: &Tensor) -> Result<Tensor> {
        let (side, width) = (self.config.image_size, self.config.hidden_size);
        let batch = match *pixels.dims() {
            [batch, channels, h, w] if channels == self.config.num_channels && h == side && w == side => {
                batch
            }
            _ => {
                let expected = format!("(batch, {}, {side}, {side})", self.config.num_channels);
                return Err(Error::shape("vision encoder", expected, pixels.dims()));
            }
        };
        on_workers(|| {
            let patches = tokens_from_picture(&self.patch_embedding.forward(pixels)?)?;
            let class = self.class_embedding.reshape((1, 1, width))?.broadcast_as((batch, 1, width))?;
            let tokens = Tensor::cat(&[&class.contiguous()?, &patches.contiguous()?], 1)?;
            let tokens = tokens.broadcast_add(self.position_embedding.table())?;
            let mut state = self.pre_layer_norm.forward(&tokens)?;
            for layer in &self.layers {
                state = layer.forward(&state)?;
            }
            self.post_layer_norm.forward(&state.i((.., 0))?.contiguous()?)
        })
    }
}

/// Both encoders with their projections into the common space.
#[derive(Debug)]
pub struct ClipModel {
    text: ClipTextModel,
    vision: ClipVisionModel,
    visual_projection: Linear,
    logit_scale: f64,
}

impl ClipModel {
    /// Loads a `CLIPModel` of transformers.
    pub fn load(scope: &Scope, config: &ClipConfig) -> Result<Self> {
        // The projections belong to the whole, and so does their width.
        let text = ClipTextConfig { projection_dim: config.projection_dim, ..config.text_config.clone() };
        let visual = scope.pp("visual_projection");
        Ok(Self {
            text: ClipTextModel::load(scope, &text)?,
            vision: ClipVisionModel::load(scope, &config.vision_config)?,
            visual_projection: Linear::load_without_bias(
                &visual,
                config.vision_config.hidden_size,
                config.projection_dim,
            )?,
            logit_scale: f64::from(scope.get(&[], "logit_scale")?.to_dtype(DType::F32)?.to_scalar::<f32>()?)
                .exp(),
        })
    }

    /// Pictures as unit vectors, `(batch, projection_dim)`.
    pub fn image_embeds(&self, pixels: &Tensor) -> Result<Tensor> {
        unit(&self.visual_projection.forward(&self.vision.forward(pixels)?)?)
    }

    /// Texts as unit vectors, `(batch, projection_dim)`.
    pub fn text_embeds(&self, ids: &Tensor) -> Result<Tensor> {
        let missing = || Error::shape("clip", "a checkpoint with `text_projection`", ids.dims());
        unit(&self.text.forward(ids)?.text_embeds.ok_or_else(missing)?)
    }

    /// Tokens of the longest text that it reads.
    pub fn max_positions(&self) -> usize {
        self.text.max_positions()
    }

    /// What cosines are multiplied with before a softmax.
    pub fn logit_scale(&self) -> f64 {
        self.logit_scale
    }

    /// `(pictures, texts)`: cosines times [`Self::logit_scale`].
    pub fn logits_per_image(&self, images: &Tensor, texts: &Tensor) -> Result<Tensor> {
        Ok((images.matmul(&texts.t()?.contiguous()?)? * self.logit_scale)?)
    }
}

/// Every row divided by its length.
fn unit(x: &Tensor) -> Result<Tensor> {
    Ok(x.broadcast_div(&x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)?)
}
