//! Every kind of file that people bring against Pillow, and hostile ones against the clock.
//!
//! The files were made by `tests/reference/pictures.py`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pictures")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

/// A picture of `expected`: width, height and rows.
fn expected(name: &str) -> Option<(u32, u32, Vec<u8>)> {
    let file = std::fs::File::open(folder().join("expected").join(name)).ok()?;
    let mut reader = ::png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    Some((info.width, info.height, pixels))
}

#[test]
fn every_kind_of_file_is_read_as_pillow_reads_it() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some((width, height, rgb)) = expected(&format!("{name}.png")) else { continue };
        let got = decode_picture(&file(&name)).unwrap();
        assert_eq!((got.width, got.height), (width, height), "{name}");
        // Decoders of JPEG and lossy WebP may round differently, and JPEG's may spread halved colour differently.
        let tolerance = match name.as_str() {
            "halved_colour.jpg" => 40,
            name if name.contains(".jpg") => 3,
            "lossy.webp" => 2,
            _ => 0,
        };
        let apart = got.rgb().iter().zip(&rgb).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart <= Some(tolerance), "{name}: {apart:?} levels");
        let alpha = expected(&format!("{name}.alpha.png")).map(|(_, _, alpha)| alpha);
        match (got.alpha(), alpha) {
            (Some(got), Some(expected)) => assert_eq!(got, expected, "{name}"),
            (None, None) => {}
            // A file may be written with an opacity that is full everywhere.
            (Some(got), None) => assert!(got.iter().all(|alpha| *alpha == 255), "{name}"),
            (None, Some(_)) => panic!("{name} lost its opacity"),
        }
        let turned = name.starts_with("turn") && name != "turn_1.jpg";
        let facts = got.facts;
        assert_eq!(facts.turned, turned, "{name}");
        assert_eq!(facts.animated, name.starts_with("moving"), "{name}");
        assert_eq!(facts.sixteen_bit, name.contains("16"), "{name}");
        seen += 1;
    }
    assert!(seen >= 30, "{seen} files");
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    for name in [
        "rgba16.png",
        "palette.png",
        "baseline.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "lossless.webp",
        "lossy.webp",
        "moving.webp",
    ] {
        let whole = file(name);
        // The last chunk of a PNG says only that it is the last.
        let needed = if name.contains(".png") { whole.len() - 12 } else { whole.len() };
        for length in 0..needed {
            match decode_picture(&whole[..length]) {
                Ok(_) => panic!("{name} cut at {length} of {} is taken", whole.len()),
                Err(error) => assert!(error.to_string().contains("\nhint: "), "{name} at {length}: {error}"),
            }
        }
    }
}

#[test]
fn damaged_files_are_refused_or_read_but_never_harmful() {
    let mut state = 7u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    for name in [
        "rgb.png",
        "baseline.jpg",
        "progressive.jpg",
        "turn_6.jpg",
        "lossless_alpha.webp",
        "lossy.webp",
        "moving.png",
    ] {
        let whole = file(name);
        for _ in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..=random() % 4 {
                let at = random() % bytes.len();
                bytes[at] = random() as u8;
            }
            if let Ok(picture) = decode_picture(&bytes) {
                let pixels = picture.width as usize * picture.height as usize;
                assert_eq!(picture.pixels.len(), pixels * picture.channels, "{name}");
                assert!(pixels as u64 <= MAX_PIXELS);
            }
        }
    }
}

/// CRC-32 as PNG has it.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// The picture `rgb.png` with another size in its header, and with another chunk after it.
fn forged(size: Option<(u32, u32)>, chunk: Option<(&[u8; 4], &[u8])>) -> Vec<u8> {
    let mut bytes = file("rgb.png");
    if let Some((width, height)) = size {
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    }
    if let Some((kind, data)) = chunk {
        let body: Vec<u8> = kind.iter().chain(data).copied().collect();
        let length = (data.len() as u32).to_be_bytes();
        let whole: Vec<u8> =
            length.into_iter().chain(body.iter().copied()).chain(crc(&body).to_be_bytes()).collect();
        bytes.splice(33..33, whole);
    }
    bytes
}

#[test]
fn pictures_that_claim_to_be_huge_are_refused_by_their_header() {
    let mut enormous = forged(Some((50_000, 50_000)), None);
    enormous.resize(100_000, 0);
    let started = Instant::now();
    for bytes in [
        enormous,
        forged(Some((1 << 30, 1 << 30)), None),
        forged(Some((16_385, 1)), None),
        forged(Some((5_001, 5_000)), None),
    ] {
        let error = decode_picture(&bytes).unwrap_err();
        assert!(matches!(error, PictureError::TooLarge { .. }), "{error}");
        assert!(error.to_string().contains("hint: make it smaller"), "{error}");
    }
    // What is within the limit but has no such data is read to its end and refused.
    let error = decode_picture(&forged(Some((5_000, 5_000)), None)).unwrap_err();
    assert!(matches!(error, PictureError::Broken { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

/// 64 MB of zeros in a deflate stream of 64 kB.
fn bomb() -> Vec<u8> {
    let mut png = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut png, 8192, 8192);
    encoder.set_color(::png::ColorType::Grayscale);
    encoder.set_depth(::png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&vec![0; 8192 * 8192]).unwrap();
    drop(writer);
    let mut at = 8;
    let mut data = Vec::new();
    while at + 12 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        if &png[at + 4..at + 8] == b"IDAT" {
            data.extend_from_slice(&png[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    data
}

#[test]
fn texts_and_profiles_that_inflate_without_end_do_no_harm() {
    let zeros = bomb();
    assert!(zeros.len() < 1 << 20, "{} bytes", zeros.len());
    let started = Instant::now();
    for kind in [b"zTXt", b"iCCP"] {
        let data: Vec<u8> = b"name\0\0".iter().chain(&zeros).copied().collect();
        // Read without it, or refused: both are right.
        if let Ok(picture) = decode_picture(&forged(None, Some((kind, &data)))) {
            assert_eq!((picture.width, picture.height), (24, 17));
        }
    }
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn what_is_no_picture_is_named() {
    for (bytes, words) in [
        (&b""[..], "empty"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypavif", "AVIF"),
        (b"GIF89a", "GIF"),
        (b"BM\0\0", "BMP"),
        (b"II*\0", "TIFF"),
        (b"%PDF-1.7", "PDF"),
        (b"\n <svg xmlns", "SVG"),
        (b"PK\x03\x04", "ZIP"),
        (b"hello", "no picture"),
        (b"\xff", "no picture"),
    ] {
        let error = decode_picture(bytes).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("\nhint: "), "{error}");
    }
}

#[test]
fn what_shows_through_is_white_on_white() {
    let facts =
        PictureFacts { format: PictureFormat::Png, turned: false, animated: false, sixteen_bit: false };
    let picture = |channels: usize, pixels: &[u8]| DecodedPicture {
        width: (pixels.len() / channels) as u32,
        height: 1,
        channels,
        pixels: pixels.to_vec(),
        facts,
    };
    let colour = picture(4, &[10, 20, 30, 255, 10, 20, 30, 0]);
    assert_eq!(colour.rgb_on_white(), [10, 20, 30, 255, 255, 255]);
    assert_eq!(picture(2, &[0, 128, 7, 255]).rgb_on_white(), [127, 127, 127, 7, 7, 7]);
    assert_eq!(picture(3, &[1, 2, 3]).rgb_on_white(), [1, 2, 3]);
    assert_eq!(colour.into_rgb_and_alpha(), (vec![10, 20, 30, 10, 20, 30], Some(vec![255, 0])));
    assert_eq!(picture(4, &[1, 2, 3, 255]).into_rgb_and_alpha(), (vec![1, 2, 3], None));
    assert_eq!(picture(2, &[9, 128]).into_rgb_and_alpha(), (vec![9, 9, 9], Some(vec![128])));
}
