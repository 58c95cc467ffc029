//! From prompts to what the denoiser is conditioned on: SDXL's two tokenizers and two text encoders.

use candle_core::{DType, Device, Tensor};

use crate::models::{ClipTextConfig, ClipTextModel, parse_config};
use crate::pipelines::files::ModelFiles;
use crate::pipelines::model_index::ModelIndex;
use crate::tokenizer::{ClipTokenizer, TokenizerFiles};
use crate::weights::Weights;
use crate::{Error, Result};

/// A tokenizer and the encoder it feeds.
#[derive(Debug)]
struct Tower {
    tokenizer: ClipTokenizer,
    encoder: ClipTextModel,
    length: usize,
}

/// All text towers of a checkpoint: two, or only the second.
#[derive(Debug)]
pub(super) struct TextTowers {
    towers: Vec<Tower>,
    /// Whether an absent negative prompt means zeros instead of the encoding of an empty one.
    zeros_for_absent: bool,
    device: Device,
}

/// An encoded prompt.
#[derive(Clone, Debug)]
pub(super) struct PromptEmbeds {
    /// The penultimate states of all encoders side by side: `(1, tokens, widths together)`.
    pub(super) states: Tensor,
    /// The projected state of the end token: `(1, projection)`.
    pub(super) pooled: Tensor,
}

impl PromptEmbeds {
    fn zeros_like(&self) -> Result<Self> {
        Ok(Self { states: self.states.zeros_like()?, pooled: self.pooled.zeros_like()? })
    }

    /// Stacks `self` before `other` into a batch of two.
    pub(super) fn before(&self, other: &Self) -> Result<Self> {
        Ok(Self {
            states: Tensor::cat(&[&self.states, &other.states], 0)?,
            pooled: Tensor::cat(&[&self.pooled, &other.pooled], 0)?,
        })
    }
}

impl Tower {
    fn load(files: &mut ModelFiles, suffix: &str, device: &Device, dtype: DType) -> Result<Self> {
        let (folder, component) = (format!("tokenizer{suffix}"), format!("text_encoder{suffix}"));
        let tokenizer =
            ClipTokenizer::new(&TokenizerFiles::read(|name| files.read(&format!("{folder}/{name}")))?)?;
        let config: ClipTextConfig = parse_config(
            "text encoder",
            &files.config("text encoder", &format!("{component}/config.json"))?,
        )?;
        let weights = Weights::new(files.weights(&component)?, dtype, device);
        let encoder = ClipTextModel::load(&weights.root(), &config)?;
        weights.finish()?;
        // Where the tokenizer states no length the encoder's positions are the length.
        let positions = encoder.max_positions();
        let length = tokenizer.model_max_length().map_or(positions, |stated| stated.min(positions));
        Ok(Self { tokenizer, encoder, length })
    }
}

impl TextTowers {
    pub(super) fn load(
        files: &mut ModelFiles,
        index: &ModelIndex,
        device: &Device,
        dtype: DType,
    ) -> Result<Self> {
        let mut towers = Vec::with_capacity(2);
        for (suffix, default) in [("", "CLIPTextModel"), ("_2", "CLIPTextModelWithProjection")] {
            if index.class(&format!("text_encoder{suffix}"), Some(default)).is_some() {
                towers.push(Tower::load(files, suffix, device, dtype)?);
            }
        }
        let zeros_for_absent = index.flag("force_zeros_for_empty_prompt", true);
        Ok(Self { towers, zeros_for_absent, device: device.clone() })
    }

    /// Encodes a prompt; `length` overrides the tokenizers' own, for a negative prompt that must match its positive one.
    pub(super) fn encode(&self, text: &str, length: Option<usize>) -> Result<PromptEmbeds> {
        let mut states = Vec::with_capacity(self.towers.len());
        let mut pooled = None;
        for tower in &self.towers {
            let ids = tower.tokenizer.encode(text, length.unwrap_or(tower.length));
            let count = ids.len();
            let output = tower.encoder.forward(&Tensor::from_vec(ids, (1, count), &self.device)?)?;
            states.push(output.penultimate(0)?.clone());
            pooled = pooled.or(output.text_embeds);
        }
        let pooled = pooled.ok_or_else(|| {
            Error::config(
                "text encoder",
                "no encoder has a `text_projection`, so there is no pooled text",
                "`text_encoder_2` of an SDXL checkpoint is a `CLIPTextModelWithProjection`",
            )
        })?;
        Ok(PromptEmbeds { states: Tensor::cat(&states, 2)?, pooled })
    }

    /// Encodes a negative prompt as the counterpart of `positive`.
    pub(super) fn encode_negative(
        &self,
        text: Option<&str>,
        positive: &PromptEmbeds,
    ) -> Result<PromptEmbeds> {
        match text {
            None if self.zeros_for_absent => positive.zeros_like(),
            text => self.encode(text.unwrap_or_default(), Some(positive.states.dim(1)?)),
        }
    }
}
