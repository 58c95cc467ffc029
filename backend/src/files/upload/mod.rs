//! Pictures that somebody brings to stay: decoded like any other, and more strictly chosen.
//!
//! What would be lost without a word is refused: more than 8 bits, colours of printing, further frames. What unpacks to
//! far more than it should is refused before it does. Of all that a file carries besides its pixels only the texts of a PNG
//! about its making are handed on; EXIF, with its places and dates, ends here.

mod jpeg;
mod png_chunks;

use chapan_api::image::ImageRecord;
use chapan_api::metadata;
use chapan_api::upscale::UpscaleRecord;

use super::picture::{PictureError, PictureFormat, decode_picture};

/// Why a file is not taken: a fact, then a hint.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It cannot be decoded.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// It has more than 8 bits in a channel.
    #[error("the picture has {0} bits a channel, 8 are taken\nhint: save it with 8 bits a channel")]
    Depth(u8),
    /// Its colours are for printing.
    #[error("the picture's colours are CMYK, for printing\nhint: convert it to RGB and save it again")]
    Cmyk,
    /// It has several frames.
    #[error("the picture is animated\nhint: save one frame of it as PNG")]
    Animated,
    /// A text or profile in it unpacks to far more than such things have.
    #[error(
        "the file's `{chunk}` chunk unpacks to more than {most_kb} kB\nhint: save the picture again without metadata"
    )]
    Bomb {
        /// The chunk's name.
        chunk: &'static str,
        /// Most that is unpacked.
        most_kb: usize,
    },
    /// It has more chunks than any program writes.
    #[error("the file has too many chunks\nhint: open the picture in an editor and save it again")]
    TooManyChunks,
    /// It ends too early, or in the middle of something.
    #[error("the file ends before the picture does\nhint: copy or download it again")]
    Truncated,
}

/// A picture that somebody brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Width in pixels, as it is looked at.
    pub width: u32,
    /// Height in pixels, as it is looked at.
    pub height: u32,
    /// `width * height * 3` bytes, rows from the top.
    pub rgb: Vec<u8>,
    /// `width * height` bytes of opacity, where there is something to see through.
    pub alpha: Option<Vec<u8>>,
    /// Keywords and texts of a PNG, at most 1 MiB each.
    pub texts: Vec<(String, String)>,
}

/// What the texts of a file say of its making here: how it was drawn, and how it was made larger. A file that is no PNG, or
/// is damaged, says nothing.
pub fn own_records(bytes: &[u8]) -> (Option<ImageRecord>, Option<UpscaleRecord>) {
    let texts = match PictureFormat::of(bytes) {
        Some(PictureFormat::Png) => png_chunks::texts(bytes).unwrap_or_default(),
        _ => Vec::new(),
    };
    records_in(&texts)
}

/// Our own records among the texts of a file.
pub fn records_in(texts: &[(String, String)]) -> (Option<ImageRecord>, Option<UpscaleRecord>) {
    let text = |keyword: &str| texts.iter().find(|(word, _)| word == keyword).map(|(_, text)| text.as_str());
    let record = text(metadata::RECORD_KEYWORD).and_then(metadata::own_record);
    (record, text(metadata::UPSCALE_KEYWORD).and_then(metadata::own_upscale_record))
}

/// What a picture is brought for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be looked at, changed or enlarged; what shows through stays so.
    Picture,
    /// To say where to repaint; what shows through is white, as it is seen.
    Mask,
}

/// Reads the bytes of a file.
///
/// # Errors
/// When it is no picture that is read here, is larger than the limits, damaged, or would lose something.
pub fn read_upload(bytes: &[u8], purpose: Purpose) -> Result<Upload, UploadError> {
    let texts = match PictureFormat::of(bytes) {
        Some(PictureFormat::Png) => png_chunks::texts(bytes)?,
        Some(PictureFormat::Jpeg) => {
            jpeg::check(bytes)?;
            Vec::new()
        }
        _ => Vec::new(),
    };
    let picture = decode_picture(bytes)?;
    if picture.facts.animated {
        return Err(UploadError::Animated);
    }
    let (width, height) = (picture.width, picture.height);
    let (rgb, alpha) = match purpose {
        Purpose::Picture => picture.into_rgb_and_alpha(),
        Purpose::Mask => (picture.rgb_on_white(), None),
    };
    Ok(Upload { width, height, rgb, alpha, texts })
}
