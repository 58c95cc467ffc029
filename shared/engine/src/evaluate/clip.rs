//! A CLIP, whichever it is: the mini family's own, or one of transformers (ViT-B/32, L/14 and the like) from its folder.

use std::ops::Range;

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use super::conv_clip::ConvClip;
use super::preprocessor::{Preprocessor, RgbPicture};
use crate::models::{ClipConfig, ClipModel, parse_config};
use crate::tokenizer::{ClipTokenizer, TokenizerFiles};
use crate::weights::{TensorSource, Weights};
use crate::{Error, Result};

/// Pictures and texts that go through the towers at once.
const BATCH: usize = 16;
/// Cells of the finest map that is made by covering, on a side.
const MAX_CELLS: usize = 16;
/// Pixels of a cell for a tower without patches.
const CELL_PIXELS: usize = 16;

/// Pictures and texts as unit vectors of one space.
#[derive(Debug)]
pub struct Clip {
    towers: Towers,
    preprocessor: Preprocessor,
    device: Device,
}

#[derive(Debug)]
enum Towers {
    Conv(Box<ConvClip>),
    Vit { model: Box<ClipModel>, tokenizer: Box<ClipTokenizer>, patches: usize },
}

#[derive(Deserialize)]
struct Kind {
    model_type: String,
}

/// How the mini CLIP's pictures are normalised.
#[derive(Deserialize)]
struct ConvConfig {
    vision_config: ConvVision,
}

#[derive(Deserialize)]
struct ConvVision {
    image_size: usize,
    mean: [f64; 3],
    std: [f64; 3],
}

impl Clip {
    /// Loads the model of a folder with `config.json`, weights, the tokenizer's files and, if there is one,
    /// `preprocessor_config.json`.
    ///
    /// # Errors
    /// A folder that is not complete, or of a model that is no CLIP.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(folder: &std::path::Path, device: &Device) -> Result<Self> {
        let text = |name: &str| {
            let path = folder.join(name);
            path.is_file().then(|| super::read_text(&path)).transpose()
        };
        let config = super::read_text(&folder.join("config.json"))?;
        let preprocessor = text("preprocessor_config.json")?;
        let tokenizer = TokenizerFiles::read(|name| Ok(text(name)?.map(String::into_bytes)))?;
        let source = crate::weights::open_component(folder)?;
        Self::load(&config, preprocessor.as_deref(), source, &tokenizer, device)
    }

    /// Loads the model from its configuration, its preprocessor's, its weights and its tokenizer.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn load(
        config: &str,
        preprocessor: Option<&str>,
        source: impl TensorSource + 'static,
        tokenizer: &TokenizerFiles,
        device: &Device,
    ) -> Result<Self> {
        let Kind { model_type } = parse_config("clip", config)?;
        let (towers, preprocessor) = match model_type.as_str() {
            "chapan_conv_clip" => {
                let ConvConfig { vision_config: ConvVision { image_size, mean, std } } =
                    parse_config("clip", config)?;
                let json = serde_json::json!({ "image_mean": mean, "image_std": std }).to_string();
                let preprocessor = Preprocessor::parse(Some(&json), image_size)?;
                (Towers::Conv(Box::new(ConvClip::load(config, source, tokenizer, device)?)), preprocessor)
            }
            "clip" => {
                let config: ClipConfig = parse_config("clip", config)?;
                let vision = &config.vision_config;
                let preprocessor = Preprocessor::parse(preprocessor, vision.image_size)?;
                if vision.num_channels != 3 {
                    let fault = format!("`num_channels` is `{}`", vision.num_channels);
                    return Err(Error::config("clip", fault, "pictures have 3 channels"));
                }
                let weights = Weights::new(source, DType::F32, device);
                let model = Box::new(ClipModel::load(&weights.root(), &config)?);
                weights.finish()?;
                // The vision tower refused a patch of no pixels.
                let patches = vision.image_size / vision.patch_size.max(1);
                let tokenizer = Box::new(ClipTokenizer::new(tokenizer)?);
                (Towers::Vit { model, tokenizer, patches }, preprocessor)
            }
            other => {
                let hint = "name a folder with a CLIPModel in transformers' layout, or the mini CLIP";
                return Err(Error::config("clip", format!("`model_type` is `{other}`"), hint));
            }
        };
        let clip = Self { towers, preprocessor, device: device.clone() };
        if !(clip.logit_scale().is_finite() && clip.logit_scale() > 0.0) {
            let fault = format!("`logit_scale` comes to `{}`", clip.logit_scale());
            return Err(Error::config("clip", fault, "the weights are damaged"));
        }
        Ok(clip)
    }

    /// What cosines are multiplied with before a softmax.
    pub fn logit_scale(&self) -> f64 {
        match &self.towers {
            Towers::Conv(model) => model.logit_scale(),
            Towers::Vit { model, .. } => model.logit_scale(),
        }
    }

    /// The side of the pictures that it looks at, in pixels.
    pub fn image_size(&self) -> usize {
        self.preprocessor.side()
    }

    /// Unit vectors of pictures of any sizes.
    ///
    /// # Errors
    /// A picture that has no pixels, or is far too long and narrow.
    pub fn embed_pictures(&self, pictures: &[RgbPicture<'_>]) -> Result<Vec<Vec<f32>>> {
        let mut rows = Vec::with_capacity(pictures.len());
        for batch in pictures.chunks(BATCH) {
            let pixels =
                batch.iter().map(|picture| self.preprocessor.pixels(*picture)).collect::<Result<Vec<_>>>()?;
            rows.extend(self.embed_pixels(&pixels)?);
        }
        Ok(rows)
    }

    /// Unit vectors of texts; each is cut at the encoder's length, and keeps its end token.
    ///
    /// # Errors
    /// Weights that do not make numbers of texts.
    pub fn embed_texts(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let mut rows = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            rows.extend(match &self.towers {
                Towers::Conv(model) => model.embed_texts(batch)?,
                Towers::Vit { model, tokenizer, .. } => {
                    let length = model.max_positions();
                    let ids: Vec<u32> =
                        batch.iter().flat_map(|text| tokenizer.encode(text, length)).collect();
                    let ids = Tensor::from_vec(ids, (batch.len(), length), &self.device)?;
                    model.text_embeds(&ids)?.to_dtype(DType::F32)?.to_vec2::<f32>()?
                }
            });
        }
        all_finite(&rows, "the embedding of a text")?;
        Ok(rows)
    }

    /// Cells on a side of the maps of [`Self::embed_covered`]: the patches of a vision transformer, else cells of 16 pixels.
    pub fn cells(&self) -> usize {
        let cells = match &self.towers {
            Towers::Conv(_) => self.image_size() / CELL_PIXELS,
            Towers::Vit { patches, .. } => *patches,
        };
        cells.clamp(1, MAX_CELLS)
    }

    /// Unit vectors of one picture with each of `cells * cells` cells covered in turn, in rows from the top: what a phrase
    /// loses where a cell is covered is what the model saw there (occlusion, Zeiler and Fergus 2014).
    ///
    /// The cover is the mean colour of what is around the cell: the colour of the whole would be a thing of its own in a plain
    /// sky. The model sees the middle square of a picture that is not square.
    ///
    /// # Errors
    /// As [`Self::embed_pictures`].
    pub fn embed_covered(&self, picture: RgbPicture<'_>) -> Result<Vec<Vec<f32>>> {
        let pixels = self.preprocessor.pixels(picture)?;
        let (side, cells) = (self.image_size(), self.cells());
        let plane = side * side;
        let edge = |cell: usize| cell * side / cells;
        let cover = |cell: usize| {
            let (row, column) = (cell / cells, cell % cells);
            let (rows, columns) = (edge(row)..edge(row + 1), edge(column)..edge(column + 1));
            let mut covered = pixels.clone();
            for channel in 0..3 {
                let mean = mean_around(&pixels[channel * plane..][..plane], side, &rows, &columns);
                for y in rows.clone() {
                    covered[channel * plane + y * side..][columns.clone()].fill(mean);
                }
            }
            covered
        };
        let all: Vec<usize> = (0..cells * cells).collect();
        let mut rows = Vec::with_capacity(all.len());
        for batch in all.chunks(BATCH) {
            let covered: Vec<Vec<f32>> = batch.iter().map(|cell| cover(*cell)).collect();
            rows.extend(self.embed_pixels(&covered)?);
        }
        Ok(rows)
    }

    fn embed_pixels(&self, pixels: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let side = self.image_size();
        let pixels = Tensor::from_vec(pixels.concat(), (pixels.len(), 3, side, side), &self.device)?;
        let rows = match &self.towers {
            Towers::Conv(model) => model.embed_pictures(&pixels)?,
            Towers::Vit { model, .. } => {
                model.image_embeds(&pixels)?.to_dtype(DType::F32)?.to_vec2::<f32>()?
            }
        };
        all_finite(&rows, "the embedding of a picture")?;
        Ok(rows)
    }
}

/// The mean of the pixels around a cell, as far away as half its height; of the cell itself where there is nothing around.
fn mean_around(plane: &[f32], side: usize, rows: &Range<usize>, columns: &Range<usize>) -> f32 {
    let reach = (rows.len() / 2).max(1);
    let wider = |range: &Range<usize>| range.start.saturating_sub(reach)..(range.end + reach).min(side);
    let (mut sum, mut count) = (0.0, 0_usize);
    for y in wider(rows) {
        for x in wider(columns).filter(|x| !(rows.contains(&y) && columns.contains(x))) {
            sum += f64::from(plane[y * side + x]);
            count += 1;
        }
    }
    if count == 0 {
        return plane.iter().map(|value| value / plane.len() as f32).sum();
    }
    (sum / count as f64) as f32
}

fn all_finite(rows: &[Vec<f32>], what: &str) -> Result<()> {
    if rows.iter().flatten().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(Error::NotFinite {
        what: what.to_owned(),
        hint: "the model's weights are damaged: get it again".into(),
    })
}
