//! Pictures that somebody brings to stay: decoded like any other, and more strictly chosen.
//!
//! What would be lost without a word is refused: more than 8 bits, colours of printing, further frames. What unpacks to
//! far more than it should is refused before it does. Transparent parts are laid on white, as they are seen. Of all that a
//! file carries besides its pixels only the texts of a PNG about its making are handed on; EXIF, with its places and
//! dates, ends here.

mod jpeg;
mod png_chunks;

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
    /// Keywords and texts of a PNG, at most 1 MiB each.
    pub texts: Vec<(String, String)>,
}

/// Reads the bytes of a file.
///
/// # Errors
/// When it is no picture that is read here, is larger than the limits, damaged, or would lose something.
pub fn read_upload(bytes: &[u8]) -> Result<Upload, UploadError> {
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
    let rgb = if matches!(picture.channels, 2 | 4) {
        on_white(picture.pixels, picture.channels)
    } else {
        picture.rgb()
    };
    Ok(Upload { width, height, rgb, texts })
}

/// Lays pixels of `channels` bytes, the last of them their opacity, on white.
fn on_white(mut pixels: Vec<u8>, channels: usize) -> Vec<u8> {
    let blend = |level: u8, alpha: u8| {
        let (level, alpha) = (u32::from(level), u32::from(alpha));
        ((level * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    if channels == 2 {
        return pixels.chunks_exact(2).flat_map(|pixel| [blend(pixel[0], pixel[1]); 3]).collect();
    }
    // In place: a pixel's three bytes end before the next pixel's four begin.
    let count = pixels.len() / 4;
    for index in 0..count {
        let alpha = pixels[index * 4 + 3];
        for channel in 0..3 {
            pixels[index * 3 + channel] = blend(pixels[index * 4 + channel], alpha);
        }
    }
    pixels.truncate(count * 3);
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_through_is_white() {
        assert_eq!(on_white(vec![10, 20, 30, 255, 10, 20, 30, 0], 4), [10, 20, 30, 255, 255, 255]);
        assert_eq!(on_white(vec![0, 128, 7, 255], 2), [127, 127, 127, 7, 7, 7]);
    }
}
