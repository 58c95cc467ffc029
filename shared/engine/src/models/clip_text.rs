//! The text encoders of Stable Diffusion XL: CLIP's text transformer, with or without the projection of the pooled state.

use candle_core::{DType, IndexOp, Tensor};
use serde::Deserialize;

use super::clip_layer::{ClipLayer, ClipLayerShape};
use crate::nn::{Activation, Embedding, LayerNorm, Linear, Masking, traced};
use crate::weights::Scope;
use crate::{Error, Result};

/// `config.json` of a text encoder, with transformers' defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the checkpoint's own")]
pub struct ClipTextConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub projection_dim: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub max_position_embeddings: usize,
    pub hidden_act: String,
    pub layer_norm_eps: f64,
    pub eos_token_id: u32,
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            projection_dim: 512,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".into(),
            layer_norm_eps: 1e-5,
            eos_token_id: 49407,
        }
    }
}

/// What a text encoder says about a batch of token sequences.
#[derive(Debug, Clone)]
pub struct ClipTextOutput {
    /// The states after the embedding and after each layer: `layers + 1` of `(batch, tokens, hidden)`.
    pub hidden_states: Vec<Tensor>,
    /// The last of them after the final normalisation.
    pub last_hidden_state: Tensor,
    /// The normalised state at the end-of-text token: `(batch, hidden)`.
    pub pooled: Tensor,
    /// Its projection, `(batch, projection_dim)`, if the checkpoint has one.
    pub text_embeds: Option<Tensor>,
}

impl ClipTextOutput {
    /// The state that Stable Diffusion XL conditions on: before the last layer, or `clip_skip` layers earlier still.
    pub fn penultimate(&self, clip_skip: usize) -> Result<&Tensor> {
        let states = &self.hidden_states;
        states.len().checked_sub(clip_skip + 2).and_then(|index| states.get(index)).ok_or_else(|| {
            Error::Parameter {
                parameter: "clip_skip",
                fault: format!("is `{clip_skip}` but the text encoder has {} layers", states.len() - 1),
                hint: "skip fewer layers".into(),
            }
        })
    }
}

/// CLIP's text transformer.
#[derive(Debug)]
pub struct ClipTextModel {
    token_embedding: Embedding,
    position_embedding: Embedding,
    layers: Vec<ClipLayer>,
    final_layer_norm: LayerNorm,
    text_projection: Option<Linear>,
    eos_token_id: u32,
    vocab_size: usize,
    max_positions: usize,
}

impl ClipTextModel {
    /// Loads the encoder; the prefix `text_model.` that some versions of transformers write is optional.
    pub fn load(scope: &Scope, config: &ClipTextConfig) -> Result<Self> {
        let width = config.hidden_size;
        let shape = ClipLayerShape {
            hidden_size: width,
            intermediate_size: config.intermediate_size,
            heads: config.num_attention_heads,
            activation: Activation::from_name("text encoder", &config.hidden_act)?,
            eps: config.layer_norm_eps,
            masking: Masking::Causal,
        };
        let text = scope.pp_if_present("text_model");
        let embeddings = text.pp("embeddings");
        let layers = text.pp("encoder").pp("layers");
        let projection = scope.pp("text_projection");
        Ok(Self {
            token_embedding: Embedding::load(&embeddings.pp("token_embedding"), config.vocab_size, width)?,
            position_embedding: Embedding::load(
                &embeddings.pp("position_embedding"),
                config.max_position_embeddings,
                width,
            )?,
            layers: ClipLayer::load_all("text encoder", &layers, config.num_hidden_layers, shape)?,
            final_layer_norm: LayerNorm::load(&text.pp("final_layer_norm"), width, config.layer_norm_eps)?,
            text_projection: projection
                .contains("weight")
                .then(|| Linear::load_without_bias(&projection, width, config.projection_dim))
                .transpose()?,
            eos_token_id: config.eos_token_id,
            vocab_size: config.vocab_size,
            max_positions: config.max_position_embeddings,
        })
    }

    /// Longest sequence, padding and special tokens included.
    pub fn max_positions(&self) -> usize {
        self.max_positions
    }

    /// Encodes `(batch, tokens)` ids (`u32`). No mask but the causal one, as Stable Diffusion XL does.
    pub fn forward(&self, ids: &Tensor) -> Result<ClipTextOutput> {
        let (batch, length) = ids.dims2()?;
        if length > self.max_positions {
            return Err(Error::shape(
                "text encoder",
                format!("at most {} tokens", self.max_positions),
                ids.dims(),
            ));
        }
        let rows = ids.to_dtype(DType::U32)?.to_vec2::<u32>()?;
        if let Some(id) = rows.iter().flatten().find(|id| **id as usize >= self.vocab_size) {
            return Err(Error::Parameter {
                parameter: "ids",
                fault: format!("contain token `{id}` of a vocabulary of {}", self.vocab_size),
                hint: "the tokenizer and the text encoder are of different models".into(),
            });
        }
        let positions = Tensor::arange(0, length as u32, ids.device())?;
        let tokens = self.token_embedding.forward(&ids.to_dtype(DType::U32)?)?;
        let places = self.position_embedding.forward(&positions)?;
        let mut state = traced(&[&tokens, &places], |t| Ok(t[0].broadcast_add(t[1])?))?;
        let mut hidden_states = Vec::with_capacity(self.layers.len() + 1);
        for layer in &self.layers {
            let next = layer.forward(&state)?;
            hidden_states.push(std::mem::replace(&mut state, next));
        }
        hidden_states.push(state.clone());
        let last_hidden_state = self.final_layer_norm.forward(&state)?;
        let ends: Vec<usize> = rows.iter().map(|row| self.end_of_text(row)).collect();
        let pooled = traced(&[&last_hidden_state], move |t| {
            let at_end = ends.iter().enumerate().map(|(item, end)| t[0].i((item, *end)));
            Ok(Tensor::stack(&at_end.collect::<candle_core::Result<Vec<_>>>()?, 0)?)
        })?;
        debug_assert_eq!(pooled.dims()[0], batch);
        let text_embeds =
            self.text_projection.as_ref().map(|projection| projection.forward(&pooled)).transpose()?;
        Ok(ClipTextOutput { hidden_states, last_hidden_state, pooled, text_embeds })
    }

    /// Position of the token whose state stands for the text.
    ///
    /// Old configurations say `eos_token_id: 2`, which is wrong; for those the largest id is taken, as transformers does.
    fn end_of_text(&self, row: &[u32]) -> usize {
        if self.eos_token_id == 2 {
            // The first of equal maxima: `max_by_key` would give the last.
            let largest = row.iter().max();
            return row.iter().position(|id| Some(id) == largest).unwrap_or(0);
        }
        row.iter().position(|id| *id == self.eos_token_id).unwrap_or(0)
    }
}
