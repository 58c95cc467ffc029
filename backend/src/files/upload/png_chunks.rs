//! The chunks of a PNG, walked before anything is decoded: depth, frames, texts. What is packed is unpacked up to a limit
//! only.

use std::io::Read;

use super::UploadError;

/// Most bytes of one text, packed or not.
const MAX_TEXT: usize = 1 << 20;
/// Most bytes of a colour profile.
const MAX_PROFILE: usize = 4 << 20;
/// Most texts that are kept.
const MAX_TEXTS: usize = 32;
/// Most chunks: an encoder that writes small ones makes a few thousand.
const MAX_CHUNKS: usize = 100_000;

/// The texts of a file that begins like a PNG, by their keywords.
///
/// # Errors
/// When it is animated, has more than 8 bits a channel, ends too early, or holds something that unpacks to far more than
/// such things have.
pub(super) fn texts(bytes: &[u8]) -> Result<Vec<(String, String)>, UploadError> {
    let mut rest = bytes.get(8..).ok_or(UploadError::Truncated)?;
    let mut texts = Vec::new();
    for _ in 0..MAX_CHUNKS {
        let Chunk { name, data, after } = chunk(rest)?;
        match name {
            // Width, height, then the depth.
            b"IHDR" => {
                if let Some(depth @ 9..) = data.get(8) {
                    return Err(UploadError::Depth(*depth));
                }
            }
            b"acTL" => return Err(UploadError::Animated),
            b"tEXt" | b"zTXt" | b"iTXt" => {
                let text = text(name, data)?.filter(|(_, text)| text.len() <= MAX_TEXT);
                texts.extend(text.filter(|_| texts.len() < MAX_TEXTS));
            }
            b"iCCP" => profile(data)?,
            b"IEND" => return Ok(texts),
            _ => {}
        }
        rest = after;
    }
    Err(UploadError::TooManyChunks)
}

/// Keyword and text of a chunk. `None`: it breaks the rules of its kind, and is left out.
fn text(name: &[u8], data: &[u8]) -> Result<Option<(String, String)>, UploadError> {
    let Some((keyword, rest)) = split_at_zero(data) else { return Ok(None) };
    let text = match (name, rest) {
        (b"tEXt", text) => Some(latin1(text)),
        (b"zTXt", [0, packed @ ..]) => unpacked(packed, MAX_TEXT, "zTXt")?.map(|text| latin1(&text)),
        (b"zTXt", _) => None,
        // Whether it is packed, how; language; keyword in that language; text.
        (_, [is_packed, _, rest @ ..]) => {
            let text = split_at_zero(rest).and_then(|(_, rest)| split_at_zero(rest)).map(|(_, text)| text);
            let text = match text {
                Some(packed) if *is_packed == 1 => unpacked(packed, MAX_TEXT, "iTXt")?,
                text => text.map(<[u8]>::to_vec),
            };
            text.map(|text| String::from_utf8_lossy(&text).into_owned())
        }
        _ => None,
    };
    Ok(text.map(|text| (latin1(keyword), text)))
}

/// A chunk, and what follows it.
struct Chunk<'a> {
    name: &'a [u8],
    data: &'a [u8],
    after: &'a [u8],
}

/// The next chunk.
fn chunk(rest: &[u8]) -> Result<Chunk<'_>, UploadError> {
    let size = rest.get(..4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    let size = size.ok_or(UploadError::Truncated)? as usize;
    // Name, data and check sum.
    let end = size.checked_add(12).filter(|end| *end <= rest.len()).ok_or(UploadError::Truncated)?;
    Ok(Chunk { name: &rest[4..8], data: &rest[8..end - 4], after: &rest[end..] })
}

/// A colour profile: not used, only kept from growing in whoever opens it.
fn profile(data: &[u8]) -> Result<(), UploadError> {
    if let Some((_, [0, packed @ ..])) = split_at_zero(data) {
        unpacked(packed, MAX_PROFILE, "iCCP")?;
    }
    Ok(())
}

/// Unpacks, up to a limit. `None`: it cannot be unpacked, and is left out.
fn unpacked(packed: &[u8], most: usize, chunk: &'static str) -> Result<Option<Vec<u8>>, UploadError> {
    let mut bytes = Vec::new();
    let read = flate2::read::ZlibDecoder::new(packed).take(most as u64 + 1).read_to_end(&mut bytes);
    if bytes.len() > most {
        return Err(UploadError::Bomb { chunk, most_kb: most / 1024 });
    }
    Ok(read.is_ok().then_some(bytes))
}

fn split_at_zero(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = data.iter().position(|&byte| byte == 0)?;
    Some((&data[..at], &data[at + 1..]))
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
