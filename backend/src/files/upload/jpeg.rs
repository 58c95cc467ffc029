//! The segments of a JPEG, walked before anything is decoded: depth, colours, and whether its end is there. Decoders
//! paint what is missing grey and say nothing.

use super::UploadError;

/// Checks a file that begins like a JPEG.
///
/// # Errors
/// When it has more than 8 bits a channel or the colours of printing, or ends too early.
pub(super) fn check(bytes: &[u8]) -> Result<(), UploadError> {
    let mut at = 2;
    loop {
        let marker = next_marker(bytes, &mut at)?;
        match marker {
            0xd9 => return Ok(()),
            // Markers without a length.
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let size = bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_be_bytes);
        let size = usize::from(size.ok_or(UploadError::Truncated)?).max(2);
        let data = bytes.get(at + 2..at + size).ok_or(UploadError::Truncated)?;
        let is_frame = matches!(marker, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf);
        match data {
            // Depth, height, width, channels.
            [depth, ..] if is_frame && *depth > 8 => return Err(UploadError::Depth(*depth)),
            [_, _, _, _, _, 4, ..] if is_frame => return Err(UploadError::Cmyk),
            _ => {}
        }
        at += size;
        if marker == 0xda {
            skip_scan(bytes, &mut at)?;
        }
    }
}

/// The next marker and the place behind it. Fill bytes may stand before it.
fn next_marker(bytes: &[u8], at: &mut usize) -> Result<u8, UploadError> {
    if *bytes.get(*at).ok_or(UploadError::Truncated)? != 0xff {
        return Err(UploadError::Truncated);
    }
    loop {
        *at += 1;
        match *bytes.get(*at).ok_or(UploadError::Truncated)? {
            0xff => {}
            marker => {
                *at += 1;
                return Ok(marker);
            }
        }
    }
}

/// Moves to the marker that ends the coded data of a scan: in them, 0xff is followed by 0 or a restart.
fn skip_scan(bytes: &[u8], at: &mut usize) -> Result<(), UploadError> {
    loop {
        match bytes.get(*at..*at + 2) {
            Some([0xff, next]) if *next != 0 && *next != 0xff && !(0xd0..=0xd7).contains(next) => {
                return Ok(());
            }
            Some(_) => *at += 1,
            None => return Err(UploadError::Truncated),
        }
    }
}
