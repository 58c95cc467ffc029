//! Networks that look at pictures: the attribute judge, and every CLIP that scores.
//!
//! [`Clip`] is the one noun for scoring: a CLIP of transformers, or the mini family's. The judge and the mini CLIP see through
//! a small convolutional tower whose layers are listed in their `config.json`, so that a better tower needs no new code. They
//! are for scoring and evaluation; the pipelines never ask them.

mod clip;
mod conv_clip;
mod judge;
mod preprocessor;
mod tower;

pub use clip::Clip;
pub use conv_clip::ConvClip;
pub use judge::{AttributeJudge, JudgeGroup};
pub use preprocessor::{Preprocessor, RgbPicture};
pub use tower::{LayerConfig, Tower};

use candle_core::{Device, Tensor};

use crate::Result;

/// Pictures of one size as the towers take them: `(batch, 3, size, size)` in -1..1, from 8-bit RGB rows.
pub fn pictures_to_tensor(pictures: &[&[u8]], size: usize, device: &Device) -> Result<Tensor> {
    let plane = size * size;
    let mut values = Vec::with_capacity(pictures.len() * 3 * plane);
    for picture in pictures {
        if picture.len() != 3 * plane {
            return Err(crate::Error::shape("pictures", format!("{size}x{size} RGB"), &[picture.len()]));
        }
        for channel in 0..3 {
            values.extend((0..plane).map(|pixel| f32::from(picture[pixel * 3 + channel]) / 127.5 - 1.0));
        }
    }
    Ok(Tensor::from_vec(values, (pictures.len(), 3, size, size), device)?)
}

/// The small text files beside weights: at most a few kilobytes when honest.
#[cfg(not(target_arch = "wasm32"))]
fn read_text(path: &std::path::Path) -> Result<String> {
    use std::io::Read;
    let fail = |source| crate::Error::File {
        path: path.to_owned(),
        source,
        hint: "the model's folder is not complete: get it again".to_owned(),
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(64_000_000).read_to_string(&mut text).map_err(fail)?;
    Ok(text)
}
