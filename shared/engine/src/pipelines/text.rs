//! From prompts to what the denoiser is conditioned on: SDXL's two tokenizers and two text encoders.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use crate::lora::Component;
use crate::models::{ClipTextConfig, ClipTextModel, parse_config};
use crate::nn::{Adaptable, traced};
use crate::pipelines::files::ModelFiles;
use crate::pipelines::model_index::ModelIndex;
use crate::prompt::{Chunk, PromptSyntax, chunks, parse_emphasis};
use crate::tokenizer::{ClipTokenizer, TokenReport, TokenizerFiles};
use crate::weights::Weights;
use crate::{Error, Result};

/// A tokenizer and the encoder it feeds.
#[derive(Debug)]
struct Tower {
    component: Component,
    layers: BTreeMap<String, Adaptable>,
    tokenizer: ClipTokenizer,
    encoder: ClipTextModel,
    length: usize,
    /// Width of the states.
    width: usize,
    /// Numbers in the weights.
    parameters: u64,
}

/// All text towers of a checkpoint: two, or only the second.
#[derive(Debug)]
pub(crate) struct TextTowers {
    towers: Vec<Tower>,
    /// Whether an absent negative prompt means zeros instead of the encoding of an empty one.
    zeros_for_absent: bool,
    device: Device,
}

/// What a picture is steered away from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Negative<'a> {
    /// Nothing: there is no guidance.
    Unguided,
    /// No prompt, which can mean zeros.
    Absent,
    /// A prompt, perhaps empty.
    Text(&'a str),
}

impl<'a> Negative<'a> {
    pub(super) fn of(guided: bool, prompt: Option<&'a str>) -> Self {
        if guided { prompt.map_or(Self::Absent, Self::Text) } else { Self::Unguided }
    }
}

/// An encoded prompt.
#[derive(Clone, Debug)]
pub(crate) struct PromptEmbeds {
    /// The penultimate states of all encoders side by side: `(1, tokens, widths together)`.
    pub(crate) states: Tensor,
    /// The projected state of the end token: `(1, projection)`.
    pub(crate) pooled: Tensor,
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
    fn load(
        files: &mut ModelFiles,
        component: Component,
        folder: &str,
        device: &Device,
        dtype: DType,
    ) -> Result<Self> {
        let name = component.folder();
        let tokenizer =
            ClipTokenizer::new(&TokenizerFiles::read(|name| files.read(&format!("{folder}/{name}")))?)?;
        let config: ClipTextConfig =
            parse_config("text encoder", &files.config("text encoder", &format!("{name}/config.json"))?)?;
        let weights = Weights::new(files.weights(name)?, dtype, device);
        let encoder = ClipTextModel::load(&weights.root(), &config)?;
        weights.finish()?;
        // Where the tokenizer states no length the encoder's positions are the length.
        let positions = encoder.max_positions();
        let length = tokenizer.model_max_length().map_or(positions, |stated| stated.min(positions));
        let (width, parameters) = (config.hidden_size, weights.parameters());
        Ok(Self { component, layers: weights.layers(), tokenizer, encoder, length, width, parameters })
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
        for (component, folder, default) in [
            (Component::TextEncoder, "tokenizer", "CLIPTextModel"),
            (Component::TextEncoder2, "tokenizer_2", "CLIPTextModelWithProjection"),
        ] {
            if index.class(component.folder(), Some(default)).is_some() {
                towers.push(Tower::load(files, component, folder, device, dtype)?);
            }
        }
        let zeros_for_absent = index.flag("force_zeros_for_empty_prompt", true);
        Ok(Self { towers, zeros_for_absent, device: device.clone() })
    }

    /// Encodes a prompt and, if there is guidance, its negative one, which comes first in the batch.
    ///
    pub(crate) fn encode_prompts(
        &self,
        prompt: &str,
        negative: Negative<'_>,
        syntax: PromptSyntax,
    ) -> Result<PromptEmbeds> {
        let positive = self.sequences(prompt, syntax, None)?;
        let negative = match negative {
            Negative::Unguided => return self.encode(&positive),
            Negative::Absent if self.zeros_for_absent => {
                let positive = self.encode(&positive)?;
                return positive.zeros_like()?.before(&positive);
            }
            Negative::Absent => self.sequences("", syntax, positive.first())?,
            Negative::Text(text) => self.sequences(text, syntax, positive.first())?,
        };
        // Both have as many chunks as the longer one.
        let count = positive.iter().chain(&negative).map(Vec::len).max().unwrap_or(1);
        let filled = |sequences: Vec<Vec<Chunk>>| self.encode(&self.filled(sequences, count)?);
        filled(negative)?.before(&filled(positive)?)
    }

    /// What stands for no prompt beside this one: zeros, or the encoding of an empty prompt.
    pub(crate) fn absent_like(&self, like: &PromptEmbeds) -> Result<PromptEmbeds> {
        if self.zeros_for_absent {
            return like.zeros_like();
        }
        self.encode_prompts("", Negative::Unguided, PromptSyntax::Plain)
    }

    /// A prompt's sequences for every tower. A negative prompt has the length of its positive one, `like`.
    fn sequences(
        &self,
        text: &str,
        syntax: PromptSyntax,
        like: Option<&Vec<Chunk>>,
    ) -> Result<Vec<Vec<Chunk>>> {
        let like = like.and_then(|chunks| chunks.first()).map(|chunk| chunk.ids.len());
        match syntax {
            PromptSyntax::Plain => Ok((self.towers.iter())
                .map(|tower| {
                    let ids = tower.tokenizer.encode(text, like.unwrap_or(tower.length));
                    vec![Chunk { weights: vec![1.0; ids.len()], ids }]
                })
                .collect()),
            PromptSyntax::Weighted => {
                let parts = parse_emphasis(text)?;
                let sequences: Vec<Vec<Chunk>> = (self.towers.iter())
                    .map(|tower| chunks(&tower.tokenizer, &parts, tower.length))
                    .collect::<Result<_>>()?;
                let count = sequences.iter().map(Vec::len).max().unwrap_or(1);
                self.filled(sequences, count)
            }
        }
    }

    /// The sequences with empty chunks after them until there are `count`.
    fn filled(&self, mut sequences: Vec<Vec<Chunk>>, count: usize) -> Result<Vec<Vec<Chunk>>> {
        for (chunks_of_one, tower) in sequences.iter_mut().zip(&self.towers) {
            if chunks_of_one.len() < count {
                let empty = chunks(&tower.tokenizer, &[], tower.length)?;
                chunks_of_one.extend(empty.into_iter().cycle().take(count - chunks_of_one.len()));
            }
        }
        Ok(sequences)
    }

    /// Runs the towers, each on its own sequences.
    fn encode(&self, sequences: &[Vec<Chunk>]) -> Result<PromptEmbeds> {
        let mut states = Vec::with_capacity(self.towers.len());
        let mut pooled = None;
        for (tower, chunks) in self.towers.iter().zip(sequences) {
            let length = chunks.first().map_or(0, |chunk| chunk.ids.len());
            let ids: Vec<u32> = chunks.iter().flat_map(|chunk| chunk.ids.iter().copied()).collect();
            let output =
                tower.encoder.forward(&Tensor::from_vec(ids, (chunks.len(), length), &self.device)?)?;
            let state = weighted(output.penultimate(0)?, chunks)?;
            let tokens = chunks.len() * length;
            states.push(traced(&[&state], move |t| Ok(t[0].reshape((1, tokens, ()))?))?);
            let first = output.text_embeds.map(|embeds| traced(&[&embeds], |t| Ok(t[0].narrow(0, 0, 1)?)));
            let first = first.transpose()?;
            pooled = pooled.or(first);
        }
        let pooled = pooled.ok_or_else(|| {
            Error::config(
                "text encoder",
                "no encoder has a `text_projection`, so there is no pooled text",
                "`text_encoder_2` of an SDXL checkpoint is a `CLIPTextModelWithProjection`",
            )
        })?;
        let states: Vec<&Tensor> = states.iter().collect();
        Ok(PromptEmbeds { states: traced(&states, |t| Ok(Tensor::cat(t, 2)?))?, pooled })
    }

    /// The layers that LoRAs can change, of every tower.
    pub(super) fn layers(&self) -> impl Iterator<Item = (Component, BTreeMap<String, Adaptable>)> {
        self.towers.iter().map(|tower| (tower.component, tower.layers.clone()))
    }

    /// The width of each tower's states, and the numbers in the weights of all.
    pub(super) fn sizes(&self) -> (Vec<usize>, u64) {
        let widths = self.towers.iter().map(|tower| tower.width).collect();
        (widths, self.towers.iter().map(|tower| tower.parameters).sum())
    }

    /// How much of a prompt each encoder reads without [`PromptSyntax::Weighted`], in the order of the towers.
    pub(super) fn reports(&self, text: &str) -> Vec<TokenReport> {
        self.towers.iter().map(|tower| tower.tokenizer.report(text, tower.length)).collect()
    }
}

/// States `(chunks, tokens, hidden)`, each multiplied with the weight of its token.
fn weighted(states: &Tensor, chunks: &[Chunk]) -> Result<Tensor> {
    let weights: Vec<f32> = chunks.iter().flat_map(|chunk| chunk.weights.iter().copied()).collect();
    if weights.iter().all(|weight| *weight == 1.0) {
        return Ok(states.clone());
    }
    let (count, length, _) = states.dims3()?;
    let weights = Tensor::from_vec(weights, (count, length, 1), states.device())?.to_dtype(states.dtype())?;
    traced(&[states, &weights], |t| Ok(t[0].broadcast_mul(t[1])?))
}
