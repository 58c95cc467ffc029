//! The picture and the mask that a command starts from, as options.

use std::io::Read;
use std::path::{Path, PathBuf};

use chapan_api::generation::{self, CreateGeneration};
use chapan_api::image::{HiresRecord, Ingredients, LoraRecord, OutpaintRecord, SourceRecord};
use chapan_api::validation::Checker;
use chapan_engine::pipelines::{
    ImageToImage, Inpainting, MAX_MASK_BLUR, Margins, Mask, MaskedContent, Picture, Start, outpaint,
};
use clap::Args;
use sha2::{Digest, Sha256};

use super::Failure;
use crate::files::picture::{DecodedPicture, MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, decode_picture};

/// The most pixels that are drawn without being asked for by `--width` and `--height`.
const MAX_UNASKED_PIXELS: u64 = 4 << 20;
/// Diffusers' defaults.
const STRENGTH: f64 = 0.3;
const STRENGTH_WITH_MASK: f64 = 0.9999;
/// How many pixels of a picture that grows are drawn anew beside its new part, so that the seam is drawn and not only met.
const SEAM: usize = 8;

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
    #[arg(long, value_name = "FILE", requires = "image", group = "repainted")]
    mask_image: Option<PathBuf>,
    /// Grows the picture by so many pixels to each side, and draws what is beyond its frame
    #[arg(long, value_name = "LEFT,RIGHT,TOP,BOTTOM", requires = "image", group = "repainted")]
    outpaint: Option<String>,
    /// Softens the mask's edge by this many pixels [default: 0]
    #[arg(long, value_name = "N", requires = "repainted", allow_negative_numbers = true)]
    mask_blur: Option<f64>,
    /// Draws only the masked area with N pixels around it, and keeps all others exactly as they are
    #[arg(long, value_name = "N", requires = "repainted")]
    padding_mask_crop: Option<u32>,
    /// What lies under the mask at the start: the original picture, or noise alone [default: original]
    #[arg(long, value_name = "WHAT", requires = "repainted", value_parser = ["original", "noise"])]
    masked_content: Option<String>,
}

/// What the options come to.
#[derive(Debug)]
pub struct Source {
    /// For the engine.
    pub start: Start,
    /// The size to draw at where none is asked for, in pixels; `None` is the model's own.
    pub size: Option<(u32, u32)>,
    /// What records say of picture and mask.
    pub records: (Option<SourceRecord>, Option<SourceRecord>),
    /// How far the picture was grown, instead of a mask.
    pub outpaint: Option<OutpaintRecord>,
}

impl Source {
    /// The options as they are in effect, put into a request.
    pub fn fill(&self, request: CreateGeneration) -> CreateGeneration {
        match &self.start {
            Start::Noise => request,
            Start::Picture(start) => CreateGeneration { strength: Some(start.strength), ..request },
            Start::Masked(start) => CreateGeneration {
                strength: Some(start.strength),
                mask_blur: Some(start.mask_blur),
                padding_mask_crop: start.padding_mask_crop,
                masked_content: Some(match start.masked_content {
                    MaskedContent::Original => generation::MaskedContent::Original,
                    MaskedContent::Noise => generation::MaskedContent::Noise,
                }),
                ..request
            },
        }
    }

    /// What went into a picture of a request that was [filled](Self::fill).
    pub fn ingredients(
        &self,
        request: &CreateGeneration,
        loras: Vec<LoraRecord>,
        hires: Option<HiresRecord>,
    ) -> Ingredients {
        let ingredients = Ingredients::of(request, self.records.clone(), loras, hires);
        let outpaint = self.outpaint;
        if outpaint.is_none() {
            return ingredients;
        }
        // The mask is made of the margins: its options had a meaning without a picture of it.
        let CreateGeneration { mask_blur, padding_mask_crop, masked_content, .. } = *request;
        Ingredients { outpaint, mask_blur, padding_mask_crop, masked_content, ..ingredients }
    }
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

    /// Reads the files. What is not said is taken from the record of a picture that is made again, if there is one.
    pub fn read(&self, known: Option<&Ingredients>) -> Result<Source, Failure> {
        let Some(path) = &self.image else {
            if known.is_some_and(|known| known.image.is_some()) {
                let fact = "the picture was made from another one, which is not in its file";
                return Err(Failure::usage(
                    fact,
                    "give that one with `--image`, and its mask with `--mask-image`",
                ));
            }
            return Ok(Source { start: Start::Noise, size: None, records: (None, None), outpaint: None });
        };
        let has_mask = self.mask_image.is_some() || self.outpaint.is_some();
        if !has_mask && known.is_some_and(|known| known.mask_image.is_some()) {
            let fact = "the picture was made with a mask, which is not in its file";
            return Err(Failure::usage(fact, "give it with `--mask-image`"));
        }
        let bytes = read_file(path)?;
        let (picture, record) = (decode(path, &bytes)?, source_record(&bytes));
        let (width, height) = (picture.width, picture.height);
        let image = Picture { width: width as usize, height: height as usize, rgb: picture.into_rgb() };
        let padding_mask_crop = self.padding_mask_crop.or(known.and_then(|known| known.padding_mask_crop));
        let strength = self.strength.or(known.and_then(|known| known.strength));
        // As diffusers does: the picture's own size, cut to whole cells of latents. A cut-out area is drawn at the model's.
        let size = |width: u32, height: u32| {
            Some((width / 8 * 8, height / 8 * 8)).filter(|_| padding_mask_crop.is_none())
        };
        let margins = match &self.outpaint {
            Some(text) => Some(margins(text, (width, height))?),
            None => known.and_then(|known| known.outpaint),
        };
        let (image, mask_image, mask_record) = match (&self.mask_image, margins) {
            (None, None) => {
                let start = ImageToImage { image, strength: strength.unwrap_or(STRENGTH) };
                return Ok(Source {
                    start: Start::Picture(start),
                    size: size(width, height),
                    records: (Some(record), None),
                    outpaint: None,
                });
            }
            (Some(path), _) => {
                let bytes = read_file(path)?;
                let mask = decode(path, &bytes)?;
                let (width, height) = (mask.width as usize, mask.height as usize);
                (image, Mask { width, height, levels: mask.luma() }, Some(source_record(&bytes)))
            }
            (None, Some(OutpaintRecord { left, right, top, bottom })) => {
                let [left, right, top, bottom] = [left, right, top, bottom].map(|side| side as usize);
                let (image, mask) = outpaint(&image, Margins { left, top, right, bottom }, SEAM);
                (image, mask, None)
            }
        };
        let size = size(image.width as u32, image.height as u32);
        let masked_content =
            match (self.masked_content.as_deref(), known.and_then(|known| known.masked_content)) {
                (Some("noise"), _) | (None, Some(generation::MaskedContent::Noise)) => MaskedContent::Noise,
                _ => MaskedContent::Original,
            };
        let start = Start::Masked(Inpainting {
            image,
            mask_image,
            strength: strength.unwrap_or(STRENGTH_WITH_MASK),
            mask_blur: self.mask_blur.or(known.and_then(|known| known.mask_blur)).unwrap_or_default(),
            padding_mask_crop,
            masked_content,
        });
        let outpaint = margins.filter(|_| mask_record.is_none());
        Ok(Source { start, size, records: (Some(record), mask_record), outpaint })
    }
}

/// `left,right,top,bottom` around a picture of this size.
fn margins(text: &str, (width, height): (u32, u32)) -> Result<OutpaintRecord, Failure> {
    let refuse = |fact: String, hint: String| Err(Failure::usage(fact, hint));
    let numbers: Vec<Option<u32>> =
        text.split(',').map(|side| side.trim().parse().ok().filter(|side| *side <= MAX_SIDE)).collect();
    let [Some(left), Some(right), Some(top), Some(bottom)] = numbers[..] else {
        return refuse(
            format!("`--outpaint {text}` is not four numbers of pixels up to {MAX_SIDE}"),
            "write left, right, top and bottom, as `--outpaint 64,64,0,0`".to_owned(),
        );
    };
    if left + right + top + bottom == 0 {
        let hint = "name at least one side to grow to, as `--outpaint 64,0,0,0`".to_owned();
        return refuse(format!("`--outpaint {text}` does not grow the picture"), hint);
    }
    let (width, height) = (width + left + right, height + top + bottom);
    if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        let hint = format!("at most {MAX_PIXELS} pixels and {MAX_SIDE} on a side are drawn");
        return refuse(format!("`--outpaint {text}` makes a picture of {width}x{height}"), hint);
    }
    if !width.is_multiple_of(8) || !height.is_multiple_of(8) {
        let (right, bottom) = (right + (8 - width % 8) % 8, bottom + (8 - height % 8) % 8);
        let hint =
            format!("both sides must be multiples of 8; try `--outpaint {left},{right},{top},{bottom}`");
        return refuse(format!("`--outpaint {text}` makes a picture of {width}x{height}"), hint);
    }
    Ok(OutpaintRecord { left, right, top, bottom })
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
