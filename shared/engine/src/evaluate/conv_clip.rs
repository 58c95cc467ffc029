//! The scoring CLIP of the mini family: a convolutional tower for pictures, CLIP's transformer for texts.
//!
//! Not a vision transformer: its picture half is the tower's features with its attribute outputs behind them, through two linear layers.
//! So it is a supervised CLIP, and its model card says so. The text half is transformers' `CLIPTextModelWithProjection`.

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use super::tower::{LayerConfig, Tower};
use crate::models::clip_text::{ClipTextConfig, ClipTextModel};
use crate::models::parse_config;
use crate::nn::Linear;
use crate::tokenizer::{ClipTokenizer, TokenizerFiles};
use crate::weights::{TensorSource, Weights};
use crate::{Error, Result};

#[derive(Deserialize)]
struct Config {
    vision_config: VisionConfig,
    /// Inputs and outputs of the two layers.
    visual_projection: [[usize; 2]; 2],
    text_config: ClipTextConfig,
}

#[derive(Deserialize)]
struct VisionConfig {
    image_size: usize,
    layers: Vec<LayerConfig>,
}

/// Pictures and texts in one space.
#[derive(Debug)]
pub struct ConvClip {
    tower: Tower,
    projection: [Linear; 2],
    text: ClipTextModel,
    tokenizer: ClipTokenizer,
    logit_scale: f64,
    image_size: usize,
    device: Device,
}

impl ConvClip {
    /// Loads the model of a folder with `config.json`, weights and the tokenizer's files.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(folder: &std::path::Path, device: &Device) -> Result<Self> {
        let config = super::read_text(&folder.join("config.json"))?;
        let tokenizer = TokenizerFiles::read(|name| {
            let path = folder.join(name);
            path.is_file().then(|| super::read_text(&path).map(String::into_bytes)).transpose()
        })?;
        Self::load(&config, crate::weights::open_component(folder)?, &tokenizer, device)
    }

    /// Loads the model from its configuration, weights and tokenizer.
    pub fn load(
        config: &str,
        source: impl TensorSource + 'static,
        tokenizer: &TokenizerFiles,
        device: &Device,
    ) -> Result<Self> {
        let config: Config = parse_config("clip", config)?;
        let weights = Weights::new(source, DType::F32, device);
        let root = weights.root();
        let [hidden, output] = config.visual_projection;
        let projection = root.pp("visual_projection");
        let model = Self {
            tower: Tower::load(&root.pp("vision_model"), &config.vision_config.layers)?,
            projection: [
                Linear::load(&projection.pp(0), hidden[0], hidden[1])?,
                Linear::load(&projection.pp(1), output[0], output[1])?,
            ],
            text: ClipTextModel::load(&root, &config.text_config)?,
            tokenizer: ClipTokenizer::new(tokenizer)?,
            // Stored as its logarithm, as in CLIP.
            logit_scale: f64::from(root.get(&[], "logit_scale")?.to_scalar::<f32>()?).exp(),
            image_size: config.vision_config.image_size,
            device: device.clone(),
        };
        weights.finish()?;
        Ok(model)
    }

    /// The side of the pictures that it takes.
    pub fn image_size(&self) -> usize {
        self.image_size
    }

    /// The factor from cosines to logits.
    pub fn logit_scale(&self) -> f64 {
        self.logit_scale
    }

    /// The device that it computes on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Embeddings of length 1 of pictures `(batch, 3, size, size)` in -1..1.
    pub fn embed_pictures(&self, pictures: &Tensor) -> Result<Vec<Vec<f32>>> {
        let (features, outputs) = self.tower.forward(pictures)?;
        let seen = Tensor::cat(&[features, outputs], 1)?;
        let hidden = self.projection[0].forward(&seen)?.relu()?;
        unit_rows(&self.projection[1].forward(&hidden)?)
    }

    /// Embeddings of length 1 of texts; each is cut at the encoder's length.
    pub fn embed_texts(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let length = self.text.max_positions();
        let ids: Vec<u32> = texts.iter().flat_map(|text| self.tokenizer.encode(text, length)).collect();
        let ids = Tensor::from_vec(ids, (texts.len(), length), &self.device)?;
        let embeds = self.text.forward(&ids)?.text_embeds;
        let missing = || {
            Error::config("clip", "the text half has no `text_projection`", "the weights are not complete")
        };
        unit_rows(&embeds.ok_or_else(missing)?)
    }
}

/// Rows divided by their length.
fn unit_rows(rows: &Tensor) -> Result<Vec<Vec<f32>>> {
    let mut rows = rows.to_dtype(DType::F32)?.to_vec2::<f32>()?;
    for row in &mut rows {
        let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt().max(1e-12);
        for value in row {
            *value = (f64::from(*value) / length) as f32;
        }
    }
    Ok(rows)
}
