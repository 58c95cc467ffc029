//! The configurations and tokenizers that a family is made for: the files of its folders but the weights.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::evaluate::LayerConfig;
use crate::models::clip_text::ClipTextConfig;
use crate::models::parse_config;
use crate::models::unet::UnetConfig;
use crate::models::vae::VaeConfig;
use crate::tokenizer::{ClipTokenizer, TokenizerFiles};
use crate::{Error, Result};

/// Folder of the judge.
pub const JUDGE: &str = "chapan-mini-judge";
/// Folder of the scoring CLIP.
pub const CLIP: &str = "chapan-mini-clip";
/// Folder of the pipeline.
pub const PIPELINE: &str = "chapan-mini";

/// Files of the folders that are taken over as they are.
const FILES: [&str; 11] = [
    "chapan-mini-judge/config.json",
    "chapan-mini-clip/config.json",
    "chapan-mini/model_index.json",
    "chapan-mini/scheduler/scheduler_config.json",
    "chapan-mini/text_encoder/config.json",
    "chapan-mini/text_encoder_2/config.json",
    "chapan-mini/unet/config.json",
    "chapan-mini/vae/config.json",
    "chapan-mini/preview.json",
    "chapan-mini/tokenizer",
    "chapan-mini/tokenizer_2",
];

/// Files of a tokenizer.
const TOKENIZER: [&str; 4] = ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"];

#[derive(Deserialize)]
struct JudgeConfig {
    image_size: usize,
    layers: Vec<LayerConfig>,
}

#[derive(Deserialize)]
struct ClipConfig {
    vision_config: JudgeConfig,
    visual_projection: [[usize; 2]; 2],
    text_config: ClipTextConfig,
}

/// What is to be made.
#[derive(Debug)]
pub struct Family {
    /// Layers of the judge.
    pub judge: Vec<LayerConfig>,
    /// Layers of the scoring CLIP's tower.
    pub tower: Vec<LayerConfig>,
    /// Inputs and outputs of the two layers between tower and shared space.
    pub projection: [[usize; 2]; 2],
    /// Text half of the scoring CLIP.
    pub score_text: ClipTextConfig,
    /// First text encoder of the pipeline.
    pub text: ClipTextConfig,
    /// Second text encoder of the pipeline.
    pub text_2: ClipTextConfig,
    /// The denoiser.
    pub unet: UnetConfig,
    /// The autoencoder.
    pub vae: VaeConfig,
    /// Side of the pictures.
    pub side: usize,
    /// Tokenizers of the first encoder, which is the scoring CLIP's too, and of the second.
    pub tokenizers: [ClipTokenizer; 2],
    /// All files by their paths.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Family {
    /// Reads a family's configurations; `read` gives a file by its path below the folder of models, if it exists.
    ///
    /// # Errors
    /// When a file is missing or not understood, or the networks do not fit together.
    pub fn read(mut read: impl FnMut(&str) -> Result<Option<Vec<u8>>>) -> Result<Self> {
        let mut files = BTreeMap::new();
        for path in FILES {
            let parts = match path {
                "chapan-mini/tokenizer" | "chapan-mini/tokenizer_2" => {
                    TOKENIZER.map(|file| format!("{path}/{file}")).to_vec()
                }
                _ => vec![path.to_owned()],
            };
            for path in parts {
                if let Some(bytes) = read(&path)? {
                    files.insert(path, bytes);
                }
            }
        }
        for file in TOKENIZER {
            if let Some(bytes) = files.get(&format!("{PIPELINE}/tokenizer/{file}")).cloned() {
                files.insert(format!("{CLIP}/{file}"), bytes);
            }
        }
        let text = |path: &str| -> Result<&str> {
            let bytes = files.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok());
            bytes.ok_or_else(|| {
                let hint = "name a folder with the family's configurations, such as assets/models";
                Error::config("pretraining", format!("`{path}` is missing"), hint)
            })
        };
        let judge: JudgeConfig = parse_config("judge", text("chapan-mini-judge/config.json")?)?;
        let clip: ClipConfig = parse_config("clip", text("chapan-mini-clip/config.json")?)?;
        let tokenizer = |folder: &str| -> Result<ClipTokenizer> {
            let files =
                TokenizerFiles::read(|name| Ok(files.get(&format!("{PIPELINE}/{folder}/{name}")).cloned()))?;
            ClipTokenizer::new(&files)
        };
        let family = Self {
            judge: judge.layers,
            tower: clip.vision_config.layers,
            projection: clip.visual_projection,
            score_text: clip.text_config,
            text: parse_config("text encoder", text("chapan-mini/text_encoder/config.json")?)?,
            text_2: parse_config("text encoder", text("chapan-mini/text_encoder_2/config.json")?)?,
            unet: parse_config("unet", text("chapan-mini/unet/config.json")?)?,
            vae: parse_config("vae", text("chapan-mini/vae/config.json")?)?,
            side: judge.image_size,
            tokenizers: [tokenizer("tokenizer")?, tokenizer("tokenizer_2")?],
            files,
        };
        family.check(clip.vision_config.image_size)?;
        Ok(family)
    }

    fn check(&self, clip_side: usize) -> Result<()> {
        let refuse = |fault: String| {
            Err(Error::config("pretraining", fault, "the configurations are of different families"))
        };
        let down = self.vae.downscale();
        if clip_side != self.side || self.side == 0 || !self.side.is_multiple_of(2 * down) {
            return refuse(format!(
                "pictures of `{}` and of `{clip_side}` pixels, in cells of {down}",
                self.side
            ));
        }
        if self.unet.in_channels != self.vae.latent_channels {
            return refuse(format!(
                "latents of `{}` and `{}` channels",
                self.unet.in_channels, self.vae.latent_channels
            ));
        }
        Ok(())
    }

    /// What a checkpoint belongs to: every configuration and tokenizer, in one number.
    pub fn digest(&self) -> String {
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let all = self.files.iter().flat_map(|(path, bytes)| path.as_bytes().iter().chain(bytes));
        format!("{:016x}", all.fold(0xcbf2_9ce4_8422_2325, hash))
    }
}
