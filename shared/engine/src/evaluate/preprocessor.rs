//! From a picture of any size to what a CLIP sees, as transformers' `CLIPImageProcessor` does it with Pillow: the shorter side
//! to the model's size by a bicubic filter, the middle cut out, levels scaled to 0..1, then normalised by channel.

use chapan_metrics::{Filter, resize};
use serde::Deserialize;

use crate::models::parse_config;
use crate::{Error, Result};

/// Pictures longer than this many times their shorter side are refused: hardly anything of them would be seen.
const MAX_ASPECT: usize = 20;
/// No CLIP looks at larger pictures.
const MAX_SIDE: usize = 2048;

/// A picture from anywhere: rows of 8-bit RGB.
#[derive(Debug, Clone, Copy)]
pub struct RgbPicture<'a> {
    /// `width * height * 3` levels, rows from the top.
    pub rgb: &'a [u8],
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

/// `preprocessor_config.json`, with the values of the first CLIP where it says nothing.
#[derive(Debug, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the checkpoint's own file")]
struct Config {
    do_resize: bool,
    size: Option<Sides>,
    resample: u32,
    do_center_crop: bool,
    crop_size: Option<Sides>,
    do_rescale: bool,
    rescale_factor: f64,
    do_normalize: bool,
    image_mean: [f64; 3],
    image_std: [f64; 3],
}

impl Default for Config {
    fn default() -> Self {
        Self {
            do_resize: true,
            size: None,
            resample: BICUBIC,
            do_center_crop: true,
            crop_size: None,
            do_rescale: true,
            rescale_factor: 1.0 / 255.0,
            do_normalize: true,
            image_mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            image_std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
        }
    }
}

/// Pillow's numbers of filters.
const LANCZOS: u32 = 1;
const BICUBIC: u32 = 3;

/// How sizes are written: older files give one number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Sides {
    One(usize),
    Shortest { shortest_edge: usize },
    Both { height: usize, width: usize },
}

/// What is done to a picture before a vision tower sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessor {
    side: usize,
    keeps_aspect: bool,
    shortest: usize,
    filter: Filter,
    factor: f32,
    mean: [f32; 3],
    deviation: [f32; 3],
}

impl Preprocessor {
    /// Reads `preprocessor_config.json` for a tower that looks at pictures of `side` pixels; the first CLIP's values without one.
    ///
    /// # Errors
    /// What this is not the preprocessing of: another filter, another size, no centre crop.
    pub fn parse(json: Option<&str>, side: usize) -> Result<Self> {
        const WHAT: &str = "clip preprocessor";
        let refuse = |fault: String| Error::config(WHAT, fault, "take the file that belongs to the model");
        let config: Config = json.map_or_else(|| Ok(Config::default()), |json| parse_config(WHAT, json))?;
        if side == 0 || side > MAX_SIDE {
            return Err(refuse(format!("pictures of `{side}` pixels, at most {MAX_SIDE} are looked at")));
        }
        if !(config.do_resize && config.do_rescale && config.do_normalize) {
            return Err(refuse("`do_resize`, `do_rescale` or `do_normalize` is off".to_owned()));
        }
        let filter = match config.resample {
            BICUBIC => Filter::Bicubic,
            LANCZOS => Filter::Lanczos,
            other => {
                return Err(refuse(format!("`resample` is `{other}`, not `{BICUBIC}` nor `{LANCZOS}`")));
            }
        };
        let (keeps_aspect, shortest) = match config.size {
            None => (true, side),
            Some(Sides::One(edge) | Sides::Shortest { shortest_edge: edge }) => (true, edge),
            Some(Sides::Both { height, width }) if height == width => (false, width),
            Some(Sides::Both { height, width }) => {
                return Err(refuse(format!("`size` is `{width}x{height}`, not square")));
            }
        };
        let crop = match config.crop_size {
            None => (side, side),
            Some(Sides::One(edge) | Sides::Shortest { shortest_edge: edge }) => (edge, edge),
            Some(Sides::Both { height, width }) => (width, height),
        };
        if (config.do_center_crop && crop != (side, side)) || (!config.do_center_crop && keeps_aspect) {
            let fault = format!("its pictures are `{}x{}`, the tower's `{side}x{side}`", crop.0, crop.1);
            return Err(refuse(fault));
        }
        if shortest < side || shortest > MAX_SIDE || (!config.do_center_crop && shortest != side) {
            return Err(refuse(format!("`size` is `{shortest}` for pictures of `{side}`")));
        }
        let sound = |values: [f64; 3]| values.iter().all(|value| value.is_finite());
        let positive = config.image_std.iter().all(|value| *value > 0.0);
        if !(sound(config.image_mean)
            && sound(config.image_std)
            && positive
            && config.rescale_factor.is_finite())
        {
            return Err(refuse("`image_mean`, `image_std` or `rescale_factor` cannot be used".to_owned()));
        }
        Ok(Self {
            side,
            keeps_aspect,
            shortest,
            filter,
            factor: config.rescale_factor as f32,
            mean: config.image_mean.map(|value| value as f32),
            deviation: config.image_std.map(|value| value as f32),
        })
    }

    /// The side of the pictures that come out, in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The picture as `(3, side, side)` normalised values.
    ///
    /// # Errors
    /// A picture without pixels, of another size than it says, or too long and narrow.
    pub fn pixels(&self, picture: RgbPicture<'_>) -> Result<Vec<f32>> {
        let RgbPicture { rgb, width, height } = picture;
        let (short, long) = (width.min(height), width.max(height));
        if short == 0 || Some(rgb.len()) != width.checked_mul(height).and_then(|n| n.checked_mul(3)) {
            return Err(Error::shape("clip preprocessor", format!("{width}x{height} RGB"), &[rgb.len()]));
        }
        if long > short.saturating_mul(MAX_ASPECT) {
            return Err(Error::Parameter {
                parameter: "picture",
                fault: format!("is {width}x{height}: more than {MAX_ASPECT} times as long as wide"),
                hint: "cut out the part that counts".into(),
            });
        }
        // As transformers: the longer side is cut to a whole number, not rounded.
        let longest = self.shortest * long / short;
        let target = match (self.keeps_aspect, width <= height) {
            (false, _) => (self.shortest, self.shortest),
            (true, true) => (self.shortest, longest),
            (true, false) => (longest, self.shortest),
        };
        let resized = if target == (width, height) {
            rgb.to_vec()
        } else {
            resize(rgb, (width, height), 3, target, self.filter).map_err(|error| Error::Parameter {
                parameter: "picture",
                fault: format!("cannot be resized: {error}"),
                hint: "save it anew".into(),
            })?
        };
        let (left, top) = ((target.0 - self.side) / 2, (target.1 - self.side) / 2);
        let mut values = Vec::with_capacity(3 * self.side * self.side);
        for channel in 0..3 {
            for row in top..top + self.side {
                let row = &resized[(row * target.0 + left) * 3..][..self.side * 3];
                values.extend(row.iter().skip(channel).step_by(3).map(|level| {
                    (f32::from(*level) * self.factor - self.mean[channel]) / self.deviation[channel]
                }));
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_this_preprocessing_is_refused() {
        for (json, word) in [
            (r#"{"resample": 2}"#, "resample"),
            (r#"{"size": {"shortest_edge": 16}}"#, "size"),
            (r#"{"size": {"shortest_edge": 4000000000}}"#, "size"),
            (r#"{"crop_size": {"height": 16, "width": 32}}"#, "tower"),
            (r#"{"do_center_crop": false}"#, "tower"),
            (r#"{"size": {"height": 32, "width": 16}}"#, "square"),
            (r#"{"image_std": [0, 1, 1]}"#, "image_std"),
            (r#"{"do_resize": false}"#, "do_resize"),
            ("{", "JSON"),
        ] {
            let error = Preprocessor::parse(Some(json), 32).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("hint: "), "{json}: {error}");
        }
        assert!(Preprocessor::parse(None, 0).is_err() && Preprocessor::parse(None, 1 << 20).is_err());
    }

    #[test]
    fn pictures_that_are_none_are_refused() {
        let preprocessor = Preprocessor::parse(None, 8).unwrap();
        let refused = |rgb: &[u8], width, height| {
            preprocessor.pixels(RgbPicture { rgb, width, height }).unwrap_err().to_string()
        };
        assert!(refused(&[], 0, 8).contains("0x8"));
        assert!(refused(&[0; 10], 2, 2).contains("2x2"));
        assert!(refused(&[0; 3 * 21], 1, 21).contains("1x21"));
        assert!(refused(&[], usize::MAX, usize::MAX).contains("RGB"));
    }
}
