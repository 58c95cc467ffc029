//! The pixels of a PNG, exactly as stored: no canvas, no colour management, nothing that a browser may round.
//!
//! Takes what the studio writes (8 bits, RGB or RGBA, not interlaced); the browser's own inflate does the unpacking.

use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// The browser's own inflate; `web-sys` still counts it among its unstable parts.
    type DecompressionStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<DecompressionStream, JsValue>;
}

/// Most pixels that are taken: 2048 squared.
const MAX_PIXELS: usize = 2048 * 2048;

/// A picture as bytes, row by row, three to a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Red, green, blue.
    pub rgb: Vec<u8>,
}

/// What a PNG's header says, and its packed rows.
#[derive(Debug, PartialEq, Eq)]
struct Packed {
    width: usize,
    height: usize,
    channels: usize,
    deflated: Vec<u8>,
}

/// Decodes a PNG; nothing comes back when it is not one that the studio writes.
pub async fn decode(file: &[u8]) -> Option<Pixels> {
    let packed = unpack(file)?;
    let rows = inflate(&packed.deflated).await?;
    unfilter(&packed, &rows)
}

fn unpack(file: &[u8]) -> Option<Packed> {
    let mut rest = file.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let mut header = None;
    let mut deflated = Vec::new();
    loop {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let name = rest.get(4..8)?;
        let data = rest.get(8..8_usize.checked_add(length)?)?;
        match name {
            b"IHDR" => {
                let width = u32::from_be_bytes(data.get(..4)?.try_into().ok()?) as usize;
                let height = u32::from_be_bytes(data.get(4..8)?.try_into().ok()?) as usize;
                let channels = match data.get(8..13)? {
                    [8, 2, 0, 0, 0] => 3,
                    [8, 6, 0, 0, 0] => 4,
                    _ => return None,
                };
                let pixels = width.checked_mul(height)?;
                if pixels == 0 || pixels > MAX_PIXELS {
                    return None;
                }
                header = Some((width, height, channels));
            }
            b"IDAT" => deflated.extend_from_slice(data),
            b"IEND" => {
                let (width, height, channels) = header?;
                return Some(Packed { width, height, channels, deflated });
            }
            _ => {}
        }
        rest = rest.get(8 + length + 4..)?;
    }
}

async fn inflate(deflated: &[u8]) -> Option<Vec<u8>> {
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(deflated));
    let blob = web_sys::Blob::new_with_u8_array_sequence(&parts).ok()?;
    let inflater = DecompressionStream::new("deflate").ok()?;
    let rows = blob.stream().pipe_through(inflater.unchecked_ref());
    let response = web_sys::Response::new_with_opt_readable_stream(Some(&rows)).ok()?;
    let buffer = JsFuture::from(response.array_buffer().ok()?).await.ok()?;
    Some(js_sys::Uint8Array::new(&buffer).to_vec())
}

/// Undoes the five filters of PNG, row by row.
fn unfilter(packed: &Packed, rows: &[u8]) -> Option<Pixels> {
    let Packed { width, height, channels, .. } = *packed;
    let stride = width * channels;
    if rows.len() != (stride + 1) * height {
        return None;
    }
    let mut rgb = Vec::with_capacity(width * height * 3);
    let mut above = vec![0_u8; stride];
    for row in rows.chunks_exact(stride + 1) {
        let (filter, mut line) = (row[0], row[1..].to_vec());
        for i in 0..stride {
            let left = if i < channels { 0 } else { line[i - channels] };
            let up = above[i];
            let corner = if i < channels { 0 } else { above[i - channels] };
            let guess = match filter {
                0 => 0,
                1 => left,
                2 => up,
                3 => u8::midpoint(left, up),
                4 => paeth(left, up, corner),
                _ => return None,
            };
            line[i] = line[i].wrapping_add(guess);
        }
        for pixel in line.chunks_exact(channels) {
            rgb.extend_from_slice(&pixel[..3]);
        }
        above = line;
    }
    Some(Pixels { width, height, rgb })
}

/// The neighbour nearest to `left + up - corner`.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let (from_left, from_up, from_corner) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    if from_left <= from_up && from_left <= from_corner {
        left
    } else if from_up <= from_corner {
        up
    } else {
        corner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
        let mut bytes = (data.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(&name);
        bytes.extend_from_slice(data);
        bytes.extend_from_slice(&[0; 4]);
        bytes
    }

    fn file(header: &[u8], data: &[&[u8]]) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        bytes.extend(chunk(*b"IHDR", header));
        bytes.extend(chunk(*b"tEXt", b"parameters\0x"));
        for part in data {
            bytes.extend(chunk(*b"IDAT", part));
        }
        bytes.extend(chunk(*b"IEND", b""));
        bytes
    }

    #[test]
    fn parts_of_the_data_are_joined_and_other_chunks_passed_over() {
        let header = [0, 0, 0, 2, 0, 0, 0, 1, 8, 2, 0, 0, 0];
        let packed = unpack(&file(&header, &[b"ab", b"c"])).unwrap();
        assert_eq!(packed, Packed { width: 2, height: 1, channels: 3, deflated: b"abc".to_vec() });
    }

    #[test]
    fn what_the_studio_does_not_write_is_refused() {
        let interlaced = [0, 0, 0, 2, 0, 0, 0, 1, 8, 2, 0, 0, 1];
        let sixteen_bits = [0, 0, 0, 2, 0, 0, 0, 1, 16, 2, 0, 0, 0];
        let endless = [255, 255, 255, 255, 255, 255, 255, 255, 8, 2, 0, 0, 0];
        for header in [interlaced, sixteen_bits, endless] {
            assert_eq!(unpack(&file(&header, &[b"x"])), None);
        }
        let good = file(&[0, 0, 0, 2, 0, 0, 0, 1, 8, 2, 0, 0, 0], &[b"abc"]);
        for end in 0..good.len() - 12 {
            assert_eq!(unpack(&good[..end]), None);
        }
    }

    #[test]
    fn every_filter_gives_the_same_picture() {
        // Two grey RGB pixels 10, 20 over 30, 50; each second row is filtered by hand from the PNG specification.
        let plain = [10, 10, 10, 20, 20, 20];
        let wanted = [30, 30, 30, 50, 50, 50];
        let filtered: [(u8, [u8; 6]); 5] = [
            (0, [30, 30, 30, 50, 50, 50]),
            (1, [30, 30, 30, 20, 20, 20]),
            (2, [20, 20, 20, 30, 30, 30]),
            (3, [25, 25, 25, 25, 25, 25]),
            (4, [20, 20, 20, 20, 20, 20]),
        ];
        let packed = Packed { width: 2, height: 2, channels: 3, deflated: Vec::new() };
        for (filter, row) in filtered {
            let mut rows = vec![0];
            rows.extend_from_slice(&plain);
            rows.push(filter);
            rows.extend_from_slice(&row);
            let picture = unfilter(&packed, &rows).unwrap();
            assert_eq!(&picture.rgb[6..], &wanted, "filter {filter}");
        }
    }

    #[test]
    fn alpha_is_left_out_and_short_data_refused() {
        let packed = Packed { width: 1, height: 1, channels: 4, deflated: Vec::new() };
        assert_eq!(unfilter(&packed, &[0, 1, 2, 3, 255]).unwrap().rgb, [1, 2, 3]);
        assert_eq!(unfilter(&packed, &[0, 1, 2, 3]), None);
    }
}
