//! The picture and the mask that a command starts from, as options.

use std::io::Read;
use std::path::{Path, PathBuf};

use chapan_api::image::SourceRecord;
use chapan_api::validation::Checker;
use chapan_engine::pipelines::{
    ImageToImage, Inpainting, MAX_MASK_BLUR, Mask, MaskedContent, Picture, Start,
};
use clap::Args;
use sha2::{Digest, Sha256};

use super::Failure;
use crate::files::picture::{DecodedPicture, MAX_FILE_BYTES, MAX_SIDE, decode_picture};

/// The most pixels that are drawn without being asked for by `--width` and `--height`.
const MAX_UNASKED_PIXELS: u64 = 4 << 20;
/// Diffusers' defaults.
const STRENGTH: f64 = 0.3;
const STRENGTH_WITH_MASK: f64 = 0.9999;

/// Where to start from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Starting from a picture")]
pub struct SourceOptions {
    /// Picture to start from: PNG, JPEG or WebP, of any size
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// How much is drawn anew, above 0 to 1: 0.3 keeps the composition [default: 0.3; with a mask 0.9999]
    #[arg(long, value_name = "X", requires = "image", allow_negative_numbers = true)]
    strength: Option<f64>,
    /// Picture of the same size that is white where to repaint
    #[arg(long, value_name = "FILE", requires = "image")]
    mask_image: Option<PathBuf>,
    /// Softens the mask's edge by this many pixels [default: 0]
    #[arg(long, value_name = "N", requires = "mask_image", allow_negative_numbers = true)]
    mask_blur: Option<f64>,
    /// Draws only the masked area with N pixels around it, and keeps all others exactly as they are
    #[arg(long, value_name = "N", requires = "mask_image")]
    padding_mask_crop: Option<u32>,
    /// What lies under the mask at the start: the original picture, or noise alone [default: original]
    #[arg(long, value_name = "WHAT", requires = "mask_image", value_parser = ["original", "noise"])]
    masked_content: Option<String>,
}

/// What the options come to.
#[derive(Debug)]
pub struct Source {
    /// For the engine.
    pub start: Start,
    /// The size to draw at where none is asked for, in pixels; `None` is the model's own.
    pub size: Option<(u32, u32)>,
}

impl SourceOptions {
    /// The rules for numbers.
    pub fn check(&self, checker: &mut Checker) {
        if let Some(strength) = self.strength {
            checker.number("strength", strength, 0.0, 1.0);
        }
        if let Some(blur) = self.mask_blur {
            checker.number("mask_blur", blur, 0.0, MAX_MASK_BLUR);
        }
        if let Some(padding) = self.padding_mask_crop {
            checker.number("padding_mask_crop", f64::from(padding), 0.0, f64::from(MAX_SIDE));
        }
    }

    /// Reads the files.
    pub fn read(&self) -> Result<Source, Failure> {
        let Some(path) = &self.image else { return Ok(Source { start: Start::Noise, size: None }) };
        let picture = read_picture(path)?;
        let (width, height) = (picture.width, picture.height);
        let image = Picture { width: width as usize, height: height as usize, rgb: picture.into_rgb() };
        // As diffusers does: the picture's own size, cut to whole cells of latents. A cut-out area is drawn at the model's.
        let own = Some((width / 8 * 8, height / 8 * 8));
        let size = own.filter(|_| self.padding_mask_crop.is_none());
        let Some(path) = &self.mask_image else {
            let strength = self.strength.unwrap_or(STRENGTH);
            let start = Start::Picture(ImageToImage { image, strength });
            return Ok(Source { start, size });
        };
        let mask = read_picture(path)?;
        let mask_image =
            Mask { width: mask.width as usize, height: mask.height as usize, levels: mask.luma() };
        let start = Start::Masked(Inpainting {
            image,
            mask_image,
            strength: self.strength.unwrap_or(STRENGTH_WITH_MASK),
            mask_blur: self.mask_blur.unwrap_or_default(),
            padding_mask_crop: self.padding_mask_crop,
            masked_content: match self.masked_content.as_deref() {
                Some("noise") => MaskedContent::Noise,
                _ => MaskedContent::Original,
            },
        });
        Ok(Source { start, size })
    }
}

/// The size to draw at: what is `asked` for (width and height), or the picture's `own`, or the model's `side`.
pub fn drawn_size(
    own: Option<(u32, u32)>,
    asked: (Option<u32>, Option<u32>),
    side: usize,
) -> Result<(usize, usize), Failure> {
    let usual = own.unwrap_or((side as u32, side as u32));
    let (width, height) = (asked.0.unwrap_or(usual.0), asked.1.unwrap_or(usual.1));
    let unasked = own.is_some() && (asked.0.is_none() || asked.1.is_none());
    if unasked && u64::from(width) * u64::from(height) > MAX_UNASKED_PIXELS {
        let fact = format!("the picture would be drawn at {width}x{height}, which is much");
        let hint = format!("say with `--width` and `--height` how large; the model's own size is {side}");
        return Err(Failure::usage(fact, hint));
    }
    if width == 0 || height == 0 {
        let fact = "the picture is less than 8 pixels wide or high";
        return Err(Failure::usage(fact, "say with `--width` and `--height` how large it is drawn"));
    }
    Ok((width as usize, height as usize))
}

/// Reads and decodes a file.
pub fn read_picture(path: &Path) -> Result<DecodedPicture, Failure> {
    decode(path, &read_file(path)?)
}

/// Decodes the bytes of a file.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<DecodedPicture, Failure> {
    decode_picture(bytes)
        .map_err(|error| Failure::from_text(&format!("cannot use `{}`: {error}", path.display())))
}

/// The bytes of a file, or of one that is too large a few more than are taken.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(format!("cannot read `{}`: {error}", path.display()), "is the path right?")
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// What records say of a file that a picture was made of.
pub fn source_record(bytes: &[u8]) -> SourceRecord {
    let sha256 = Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    SourceRecord { id: None, sha256 }
}
