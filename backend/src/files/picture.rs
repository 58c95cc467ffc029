//! Pictures that come from outside: bytes of unknown origin become pixels, or are refused with a reason.
//!
//! The one place where uploaded files and files named on the command line are decoded. Limits come first: the size that a
//! file states is checked before anything of that size is allocated, and nothing but the pixels is kept. PNG, JPEG and WebP
//! are read; the turn that a camera wrote into EXIF is applied, all other metadata dies here.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageBuffer, ImageDecoder, ImageResult, Limits};

/// The most pixels of a picture. With it the decoder's own buffers stay below 256 MB for every format, 16 bits and
/// progressive JPEG included.
pub const MAX_PIXELS: u64 = 25_000_000;
/// The longest side of a picture in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// The largest file in bytes.
pub const MAX_FILE_BYTES: usize = 64 << 20;
/// What a decoder may inflate beside the pixels: colour profiles, texts and rows.
const MAX_SIDE_DATA_BYTES: u64 = 16 << 20;

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureFormat {
    /// Portable network graphics.
    Png,
    /// JPEG, baseline and progressive, grey, colour and CMYK.
    Jpeg,
    /// WebP, lossy and lossless.
    Webp,
}

impl PictureFormat {
    /// The name that people know.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Webp => "WebP",
        }
    }

    /// The media type, as in `Content-Type`.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }

    /// The format by the first bytes of a file; names and headers of requests are not believed.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }
}

/// Why bytes are not taken as a picture. Every message ends with a `hint:`.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// There are no bytes.
    #[error("the file is empty\nhint: choose the picture again")]
    Empty,
    /// The file is larger than any picture that is taken.
    #[error(
        "the file has {got} bytes, at most {MAX_FILE_BYTES} are taken\nhint: save it smaller, or as JPEG"
    )]
    FileTooLarge {
        /// Bytes of the file.
        got: usize,
    },
    /// Another format, or no picture at all.
    #[error("the file is {what}, which is not read\nhint: save it as PNG, JPEG or WebP")]
    UnknownFormat {
        /// What it seems to be.
        what: &'static str,
    },
    /// The picture is larger than any that is taken. Nothing of it was read but its header.
    #[error(
        "the picture is {width}x{height}, at most {MAX_PIXELS} pixels and {MAX_SIDE} on a side are taken\nhint: make it smaller first; models draw about 1000x1000"
    )]
    TooLarge {
        /// Width that the file states, in pixels.
        width: u32,
        /// Height that the file states, in pixels.
        height: u32,
    },
    /// The file ends early, is damaged, or uses what its format does not allow.
    #[error("the {} file is cut off or damaged: {reason}\nhint: get the file again, or open it in an editor and save it anew", .format.as_str())]
    Broken {
        /// What it says it is.
        format: PictureFormat,
        /// What the decoder said.
        reason: String,
    },
}

/// A picture from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedPicture {
    /// Width in pixels, as it is looked at.
    pub width: u32,
    /// Height in pixels, as it is looked at.
    pub height: u32,
    /// Values of a pixel: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha (not premultiplied).
    pub channels: usize,
    /// Rows from the top, 8 bits a value: `width * height * channels` bytes. Of 16 bits the high byte is kept.
    pub pixels: Vec<u8>,
    /// What is worth telling about the file.
    pub facts: PictureFacts,
}

/// What a file was, beyond its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureFacts {
    /// Its format.
    pub format: PictureFormat,
    /// Whether the camera's note which way is up was followed.
    pub turned: bool,
    /// Whether there are more pictures in it; the first is taken.
    pub animated: bool,
    /// Whether it had 16 bits a value.
    pub sixteen_bit: bool,
}

impl DecodedPicture {
    /// RGB rows. Alpha is dropped, not laid over a colour: what `Image.convert("RGB")` of Pillow and `load_image` of
    /// diffusers do.
    pub fn rgb(&self) -> Vec<u8> {
        match self.channels {
            1 | 2 => self.each().flat_map(|pixel| [pixel[0]; 3]).collect(),
            3 => self.pixels.clone(),
            _ => self.each().flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        }
    }

    /// The same without a copy where there is nothing to convert.
    pub fn into_rgb(self) -> Vec<u8> {
        if self.channels == 3 { self.pixels } else { self.rgb() }
    }

    /// RGB rows, and opacity rows where there is something to see through.
    pub fn into_rgb_and_alpha(mut self) -> (Vec<u8>, Option<Vec<u8>>) {
        let alpha = self.alpha().filter(|alpha| alpha.iter().any(|&opacity| opacity < u8::MAX));
        if self.channels == 4 {
            // In place, for a picture may be large: a pixel's three bytes end before the next pixel's four begin.
            let count = self.pixels.len() / 4;
            for index in 0..count {
                self.pixels.copy_within(index * 4..index * 4 + 3, index * 3);
            }
            self.pixels.truncate(count * 3);
            self.channels = 3;
        }
        (self.into_rgb(), alpha)
    }

    /// RGB rows as they are seen on a white page: what shows through is white.
    pub fn rgb_on_white(&self) -> Vec<u8> {
        let blend = |level: u8, alpha: u8| {
            let (level, alpha) = (u32::from(level), u32::from(alpha));
            ((level * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        match self.channels {
            2 => self.each().flat_map(|pixel| [blend(pixel[0], pixel[1]); 3]).collect(),
            4 => self
                .each()
                .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]].map(|level| blend(level, pixel[3])))
                .collect(),
            _ => self.rgb(),
        }
    }

    /// Brightness rows, as `Image.convert("L")` of Pillow. Alpha is dropped.
    pub fn luma(&self) -> Vec<u8> {
        match self.channels {
            1 | 2 => self.each().map(|pixel| pixel[0]).collect(),
            _ => chapan_metrics::luma(&self.rgb()),
        }
    }

    /// Opacity rows, where the picture has them.
    pub fn alpha(&self) -> Option<Vec<u8>> {
        let last = self.channels - 1;
        matches!(self.channels, 2 | 4).then(|| self.each().map(|pixel| pixel[last]).collect())
    }

    fn each(&self) -> std::slice::ChunksExact<'_, u8> {
        self.pixels.chunks_exact(self.channels)
    }
}

/// Decodes a file.
///
/// # Errors
/// When it is empty, too large, of another format, cut off or damaged.
pub fn decode_picture(bytes: &[u8]) -> Result<DecodedPicture, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    if bytes.len() > MAX_FILE_BYTES {
        return Err(PictureError::FileTooLarge { got: bytes.len() });
    }
    let format =
        PictureFormat::of(bytes).ok_or(PictureError::UnknownFormat { what: name_of_other(bytes) })?;
    let broken = |reason: String| PictureError::Broken { format, reason };
    let small_enough = |(width, height): (u32, u32)| {
        let fits = width.max(height) <= MAX_SIDE && u64::from(width) * u64::from(height) <= MAX_PIXELS;
        fits.then_some((width, height)).ok_or(PictureError::TooLarge { width, height })
    };
    let whole = match format {
        // The decoder counts rows and checksums.
        PictureFormat::Png => true,
        PictureFormat::Jpeg => jpeg_has_an_end(bytes),
        PictureFormat::Webp => bytes.len() as u64 >= 8 + u64::from(riff_bytes(bytes)),
    };
    // The decoder of PNG gives up on very long rows before it tells how long they are.
    png_size(bytes).map_or(Ok((0, 0)), small_enough)?;
    let (mut decoder, animated) = open(format, bytes).map_err(|error| broken(error.to_string()))?;
    let (width, height) = small_enough(decoder.dimensions())?;
    if !whole {
        return Err(broken("its end is missing".to_owned()));
    }
    // A turn that cannot be read is no turn.
    let turn = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let (colour, length) = (decoder.color_type(), decoder.total_bytes() as usize);
    let mut pixels = vec![0; length];
    decoder.read_image_boxed(&mut pixels).map_err(|error| broken(error.to_string()))?;
    let sixteen_bit =
        matches!(colour, ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16);
    if sixteen_bit {
        keep_high_bytes(&mut pixels);
    }
    let facts = PictureFacts { format, turned: turn != Orientation::NoTransforms, animated, sixteen_bit };
    turned(width, height, usize::from(colour.channel_count()), pixels, turn)
        .map(|(width, height, channels, pixels)| DecodedPicture { width, height, channels, pixels, facts })
        .ok_or_else(|| broken(format!("its pixels are of the kind {colour:?}")))
}

/// The size that a file states, without decoding it; `None` if it states none.
pub fn stated_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let (decoder, _) = open(PictureFormat::of(bytes)?, bytes).ok()?;
    Some(decoder.dimensions())
}

/// Opens a decoder that has read the header and nothing more, and says whether the file moves.
fn open(format: PictureFormat, bytes: &[u8]) -> ImageResult<(Box<dyn ImageDecoder + '_>, bool)> {
    let file = Cursor::new(bytes);
    Ok(match format {
        PictureFormat::Png => {
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(MAX_SIDE_DATA_BYTES);
            let decoder = PngDecoder::with_limits(file, limits)?;
            let animated = decoder.is_apng()?;
            (Box::new(decoder), animated)
        }
        PictureFormat::Jpeg => (Box::new(JpegDecoder::new(file)?), false),
        PictureFormat::Webp => {
            let decoder = WebPDecoder::new(file)?;
            let animated = decoder.has_animation();
            (Box::new(decoder), animated)
        }
    })
}

/// Makes bytes of 16-bit values (in the machine's order), where they lie.
fn keep_high_bytes(pixels: &mut Vec<u8>) {
    let count = pixels.len() / 2;
    for index in 0..count {
        pixels[index] = (u16::from_ne_bytes([pixels[2 * index], pixels[2 * index + 1]]) >> 8) as u8;
    }
    pixels.truncate(count);
    pixels.shrink_to_fit();
}

/// Applies the camera's turn. `None` if pixels of so many channels do not exist.
fn turned(
    width: u32,
    height: u32,
    channels: usize,
    pixels: Vec<u8>,
    turn: Orientation,
) -> Option<(u32, u32, usize, Vec<u8>)> {
    let mut picture = match channels {
        1 => DynamicImage::ImageLuma8(ImageBuffer::from_raw(width, height, pixels)?),
        2 => DynamicImage::ImageLumaA8(ImageBuffer::from_raw(width, height, pixels)?),
        3 => DynamicImage::ImageRgb8(ImageBuffer::from_raw(width, height, pixels)?),
        4 => DynamicImage::ImageRgba8(ImageBuffer::from_raw(width, height, pixels)?),
        _ => return None,
    };
    picture.apply_orientation(turn);
    Some((picture.width(), picture.height(), channels, picture.into_bytes()))
}

/// Whether a JPEG's data is followed by the mark of its end; decoders paint the missing part grey and say nothing.
fn jpeg_has_an_end(bytes: &[u8]) -> bool {
    // Segments state their length; a small preview inside one has marks of its own, so they are stepped over.
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4).and_then(|head| head.first_chunk()) {
        match marker {
            0xff => at += 1,
            // The first scan. In its data 0xff is followed by the mark of the end only at the end.
            0xda => return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]),
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    false
}

/// The size in the header of a PNG, which is always its first chunk.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    bytes.get(12..16).filter(|kind| *kind == b"IHDR").and_then(|_| number(16).zip(number(20)))
}

/// The length that a RIFF file states for itself, after its first eight bytes.
fn riff_bytes(bytes: &[u8]) -> u32 {
    bytes.get(4..8).and_then(|length| length.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// What a file that is not read seems to be.
fn name_of_other(bytes: &[u8]) -> &'static str {
    let brand = bytes.get(8..12).filter(|_| bytes.get(4..8) == Some(b"ftyp"));
    if let Some(brand) = brand {
        return match brand {
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => {
                "a HEIC picture (the iPhone's own format)"
            }
            b"avif" | b"avis" => "an AVIF picture",
            _ => "a film",
        };
    }
    let text = bytes.iter().take(256).position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    match &bytes[text..] {
        [b'G', b'I', b'F', b'8', ..] => "a GIF picture",
        [b'B', b'M', ..] => "a BMP picture",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "a TIFF picture",
        [0xff, 0x0a, ..] | [0, 0, 0, 0x0c, b'J', b'X', b'L', ..] => "a JPEG XL picture",
        [b'%', b'P', b'D', b'F', ..] => "a PDF document",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive",
        [b'<', ..] => "a drawing or page of text (SVG, HTML)",
        _ => "no picture that is known",
    }
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
