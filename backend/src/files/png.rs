//! Pictures as PNG files that say how they were made.
//!
//! Two texts travel in the file. `parameters` is the line format that the A1111 family and its many readers know: prompt,
//! then `Negative prompt: ...`, then one line of `Key: value` pairs. `chapan` is our own record as JSON, with everything
//! that is needed to make the picture again, and `chapan.upscale` says how it was made larger after that. All are `tEXt` when they are Latin-1 and `iTXt` (UTF-8) when not, because
//! `tEXt` cannot hold Cyrillic. Never a key or a name of a person.

use std::io::Write;

use chapan_api::image::{ImageRecord, LoraRecord};
pub use chapan_api::metadata::{RECORD_KEYWORD, UPSCALE_KEYWORD};
use chapan_api::upscale::UpscaleRecord;

/// The keyword of the A1111 text.
pub const PARAMETERS_KEYWORD: &str = "parameters";

/// A picture that could not be written as PNG.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// The bytes are not as many as the size says.
    #[error(
        "a picture of {width}x{height} needs {expected} bytes, got {got}\nhint: this is a bug, please report it"
    )]
    WrongSize {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// The encoder refused.
    #[error("the picture cannot be encoded as PNG: {0}\nhint: this is a bug, please report it")]
    Encoding(#[from] png::EncodingError),
    /// The record is not JSON.
    #[error("the record of the picture cannot be written: {0}\nhint: this is a bug, please report it")]
    Record(#[from] serde_json::Error),
}

/// Pixels to write: 8 bits a value, rows from the top.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height * 3` bytes of red, green and blue.
    pub rgb: &'a [u8],
    /// `width * height` bytes of opacity, where the picture has parts to see through.
    pub alpha: Option<&'a [u8]>,
}

impl<'a> Pixels<'a> {
    /// A picture that nothing shows through.
    pub fn opaque(width: u32, height: u32, rgb: &'a [u8]) -> Self {
        Self { width, height, rgb, alpha: None }
    }
}

/// Encodes 8-bit RGB rows, top to bottom, with the record of how they were made.
pub fn encode_png(width: u32, height: u32, rgb: &[u8], record: &ImageRecord) -> Result<Vec<u8>, PngError> {
    encode_with_records(Pixels::opaque(width, height, rgb), Some(record), None)
}

/// Encodes 8-bit RGB rows, top to bottom, with nothing else. Quick rather than small.
pub fn encode_bare_png(width: u32, height: u32, rgb: &[u8]) -> Result<Vec<u8>, PngError> {
    encode_with_records(Pixels::opaque(width, height, rgb), None, None)
}

/// Encodes a picture with what is known of its making: how it was drawn, and how it was made larger after that. What was
/// not drawn here is written quickly rather than small.
pub fn encode_with_records(
    pixels: Pixels<'_>,
    record: Option<&ImageRecord>,
    enlargement: Option<&UpscaleRecord>,
) -> Result<Vec<u8>, PngError> {
    let mut texts = Vec::new();
    if let Some(record) = record {
        texts.push((PARAMETERS_KEYWORD, parameters_text(record) + &upscale_text(enlargement)));
        texts.push((RECORD_KEYWORD, serde_json::to_string(record)?));
    }
    if let Some(enlargement) = enlargement {
        texts.push((UPSCALE_KEYWORD, serde_json::to_string(enlargement)?));
    }
    let quick = record.is_none() || enlargement.is_some();
    encode(pixels, texts, if quick { png::Compression::Fast } else { png::Compression::default() })
}

fn encode(
    pixels: Pixels<'_>,
    texts: Vec<(&'static str, String)>,
    compression: png::Compression,
) -> Result<Vec<u8>, PngError> {
    let Pixels { width, height, rgb, alpha } = pixels;
    let count = width as usize * height as usize;
    let wrong = |expected: usize, got: usize| PngError::WrongSize { width, height, expected, got };
    if rgb.len() != count * 3 {
        return Err(wrong(count * 3, rgb.len()));
    }
    if let Some(alpha) = alpha.filter(|alpha| alpha.len() != count) {
        return Err(wrong(count, alpha.len()));
    }
    let mut file = Vec::with_capacity(count * 3 / 2);
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(if alpha.is_some() { png::ColorType::Rgba } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(compression);
    for (keyword, text) in texts {
        add_text(&mut encoder, keyword, text)?;
    }
    let mut writer = encoder.write_header()?;
    match alpha {
        None => writer.write_image_data(rgb)?,
        Some(alpha) => {
            // Row by row: a large picture is not copied as a whole.
            let mut stream = writer.stream_writer()?;
            let width = width.max(1) as usize;
            for (rgb, alpha) in rgb.chunks(width * 3).zip(alpha.chunks(width)) {
                let each = rgb.chunks_exact(3).zip(alpha);
                let row: Vec<u8> = each.flat_map(|(rgb, alpha)| [rgb[0], rgb[1], rgb[2], *alpha]).collect();
                stream.write_all(&row).map_err(png::EncodingError::from)?;
            }
            stream.finish()?;
        }
    }
    writer.finish()?;
    Ok(file)
}

/// Adds a text as `tEXt` if Latin-1 can hold it, else as `iTXt`.
fn add_text<W: Write>(
    encoder: &mut png::Encoder<'_, W>,
    keyword: &str,
    text: String,
) -> Result<(), png::EncodingError> {
    // The control characters of upper Latin-1 have no agreed meaning in tEXt.
    let is_latin1 = text.chars().all(|c| matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{ff}'));
    if is_latin1 {
        encoder.add_text_chunk(keyword.to_owned(), text)
    } else {
        encoder.add_itxt_chunk(keyword.to_owned(), text)
    }
}

/// The text that A1111 and its relatives read. What we do not know is left out, never guessed.
pub fn parameters_text(record: &ImageRecord) -> String {
    let with = &record.ingredients;
    let mut text = record.prompt.trim().to_owned();
    for lora in &with.loras {
        text.push_str(&lora_tag(lora));
    }
    if let Some(negative) = record.negative_prompt.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        text.push_str("\nNegative prompt: ");
        text.push_str(negative);
    }
    let (sampler, schedule) = sampler_name(&record.scheduler);
    let mut pairs = vec![("Steps", record.num_inference_steps.to_string()), ("Sampler", sampler)];
    pairs.extend(schedule.map(|schedule| ("Schedule type", schedule.to_owned())));
    pairs.push(("CFG scale", record.guidance_scale.to_string()));
    pairs.push(("Seed", record.seed.to_string()));
    pairs.push(("Size", format!("{}x{}", record.width, record.height)));
    // Readers compare the first ten digits of the file's SHA-256 (`AutoV2`).
    pairs.extend(
        record
            .model_hash
            .as_ref()
            .and_then(|hash| hash.get(..10))
            .map(|hash| ("Model hash", hash.to_owned())),
    );
    pairs.push(("Model", record.model.to_string()));
    let number = |value: Option<f64>| value.map(|value| value.to_string());
    // There is one name for the strength of both passes; readers take it for that of the second where there is one.
    let strength = with.hires.as_ref().map(|hires| hires.request.strength).or(with.strength);
    pairs.extend(number(strength).map(|value| ("Denoising strength", value)));
    if let Some(hires) = &with.hires {
        let done = hires.request.steps_done(record.num_inference_steps);
        pairs.push(("Hires upscale", hires.request.scale.to_string()));
        pairs.push(("Hires steps", done.to_string()));
        pairs.extend(hires.request.upscaler.as_ref().map(|id| ("Hires upscaler", id.to_string())));
    }
    pairs.extend(number(with.mask_blur).map(|value| ("Mask blur", value)));
    pairs.extend(with.variation_seed.map(|seed| ("Variation seed", seed.to_string())));
    pairs.extend(number(with.variation_strength).map(|value| ("Variation seed strength", value)));
    if let Some(hashes) = lora_hashes(&with.loras) {
        pairs.push(("Lora hashes", hashes));
    }
    // Without this line readers assume noise drawn on a GPU.
    pairs.push(("RNG", "CPU".to_owned()));
    pairs.push(("Version", format!("chapan {}", record.version)));
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}: {}", quoted(value))).collect();
    text.push('\n');
    text.push_str(&pairs.join(", "));
    text.trim_start().to_owned()
}

/// What readers of the line know about a larger copy, to follow its last pair.
fn upscale_text(enlargement: Option<&UpscaleRecord>) -> String {
    enlargement.map_or_else(String::new, |enlargement| {
        let (scale, model) = (enlargement.scale, quoted(enlargement.model.as_str()));
        format!(", Postprocess upscale by: {scale}, Postprocess upscaler: {model}")
    })
}

/// `<lora:name:weight>`, with both weights by name when they differ: two bare numbers mean opposite things elsewhere.
fn lora_tag(lora: &LoraRecord) -> String {
    match lora.text_encoder_weight {
        Some(text) => format!(" <lora:{}:te={}:unet={}>", lora.model, text, lora.weight),
        None => format!(" <lora:{}:{}>", lora.model, lora.weight),
    }
}

/// `name: hash, name: hash`, of those whose hash is known.
fn lora_hashes(loras: &[LoraRecord]) -> Option<String> {
    let hash = |lora: &LoraRecord| Some(format!("{}: {}", lora.model, lora.sha256.as_ref()?.get(..12)?));
    let hashes: Vec<String> = loras.iter().filter_map(hash).collect();
    (!hashes.is_empty()).then(|| hashes.join(", "))
}

/// A value that contains what separates pairs is written as a JSON string.
fn quoted(value: &str) -> String {
    if value.contains([',', ':', '\n']) {
        serde_json::Value::from(value).to_string()
    } else {
        value.to_owned()
    }
}

/// The display name of a scheduler id in A1111, and its noise schedule.
fn sampler_name(scheduler: &str) -> (String, Option<&'static str>) {
    let (id, schedule) = match scheduler.strip_suffix("_k") {
        Some(id) => (id, Some("Karras")),
        None => (scheduler, None),
    };
    let name = match id {
        "ddim" => "DDIM",
        "euler" => "Euler",
        "euler_a" => "Euler a",
        "heun" => "Heun",
        "dpmpp_2m" => "DPM++ 2M",
        "unipc" => "UniPC",
        "lcm" => "LCM",
        other => other,
    };
    (name.to_owned(), schedule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chapan_api::generation::Hires;
    use chapan_api::image::{HiresRecord, Ingredients, SourceRecord};

    fn record() -> ImageRecord {
        ImageRecord {
            prompt: "a man, smiling".into(),
            negative_prompt: Some("hat".into()),
            model: "chapan-mini".to_owned().into(),
            model_hash: Some("0123456789abcdef".into()),
            seed: 5_000_000_000,
            num_inference_steps: 20,
            guidance_scale: 5.0,
            width: 16,
            height: 8,
            scheduler: "dpmpp_2m_k".into(),
            device: "cpu".into(),
            dtype: "f32".into(),
            version: "0.1.0".into(),
            ingredients: Ingredients::default(),
        }
    }

    /// Keywords and texts of one kind of chunk.
    type Texts = Vec<(String, String)>;

    fn texts(file: &[u8]) -> (Texts, Texts, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let info = reader.info();
        let latin1 = info.uncompressed_latin1_text.iter().map(|c| (c.keyword.clone(), c.text.clone()));
        let utf8 = info.utf8_text.iter().map(|c| (c.keyword.clone(), c.get_text().unwrap()));
        (latin1.collect(), utf8.collect(), pixels)
    }

    #[test]
    fn parameters_follow_the_line_format() {
        assert_eq!(
            parameters_text(&record()),
            "a man, smiling\nNegative prompt: hat\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5, \
             Seed: 5000000000, Size: 16x8, Model hash: 0123456789, Model: chapan-mini, RNG: CPU, Version: chapan 0.1.0"
        );
        let ingredients = Ingredients {
            strength: Some(0.5),
            variation_seed: Some(3),
            variation_strength: Some(0.25),
            loras: vec![LoraRecord {
                model: "ink".to_owned().into(),
                sha256: Some("aabbccddeeff0011".into()),
                weight: 0.8,
                text_encoder_weight: Some(0.5),
                unmatched: 0,
            }],
            ..Ingredients::default()
        };
        let rich = parameters_text(&ImageRecord { ingredients, ..record() });
        assert!(rich.starts_with("a man, smiling <lora:ink:te=0.5:unet=0.8>\n"), "{rich}");
        assert!(
            rich.contains(
                "Denoising strength: 0.5, Variation seed: 3, Variation seed strength: 0.25, \
                 Lora hashes: \"ink: aabbccddeeff\", RNG: CPU"
            ),
            "{rich}"
        );
        let hires = HiresRecord {
            request: Hires { upscaler: Some("x4".to_owned().into()), ..Hires::default() },
            upscaler_hash: None,
        };
        let ingredients = Ingredients { hires: Some(hires), ..Ingredients::default() };
        let larger = parameters_text(&ImageRecord { ingredients, ..record() });
        assert!(
            larger.contains(
                "Denoising strength: 0.4, Hires upscale: 2, Hires steps: 8, Hires upscaler: x4, RNG: CPU"
            ),
            "{larger}"
        );
        let odd = ImageRecord { model: "a, b: \"c\"".to_owned().into(), model_hash: None, ..record() };
        assert!(parameters_text(&odd).contains(r#"Model: "a, b: \"c\"", RNG"#));
    }

    #[test]
    fn latin_text_is_text_and_cyrillic_is_international_text() {
        let rgb: Vec<u8> = (0..16 * 8 * 3).map(|i| (i * 7 % 256) as u8).collect();
        let (latin1, utf8, pixels) = texts(&encode_png(16, 8, &rgb, &record()).unwrap());
        assert_eq!(latin1[0], ("parameters".into(), parameters_text(&record())));
        assert_eq!(serde_json::from_str::<ImageRecord>(&latin1[1].1).unwrap(), record());
        assert!(utf8.is_empty());
        assert_eq!(pixels, rgb);

        let kazakh = ImageRecord { prompt: "қызыл шапан киген адам".into(), ..record() };
        let (latin1, utf8, _) = texts(&encode_png(16, 8, &rgb, &kazakh).unwrap());
        assert!(latin1.is_empty());
        assert_eq!(utf8[0].1, parameters_text(&kazakh));
        assert_eq!(serde_json::from_str::<ImageRecord>(&utf8[1].1).unwrap(), kazakh);
    }

    #[test]
    fn what_shows_through_stays_and_a_larger_copy_says_so() {
        let enlargement = UpscaleRecord {
            image: SourceRecord { id: None, sha256: "aa".to_owned() },
            scale: 1.5,
            model: "x4".to_owned().into(),
            model_hash: None,
            device: "cpu".to_owned(),
            dtype: "f32".to_owned(),
            version: "0.1.0".to_owned(),
            engine: None,
        };
        let pixels = Pixels { width: 2, height: 1, rgb: &[1, 2, 3, 4, 5, 6], alpha: Some(&[0, 255]) };
        let file = encode_with_records(pixels, Some(&record()), Some(&enlargement)).unwrap();
        let (latin1, _, pixels) = texts(&file);
        assert_eq!(pixels, [1, 2, 3, 0, 4, 5, 6, 255]);
        assert!(
            latin1[0].1.ends_with(", Postprocess upscale by: 1.5, Postprocess upscaler: x4"),
            "{latin1:?}"
        );
        assert_eq!(chapan_api::metadata::own_upscale_record(&latin1[2].1), Some(enlargement));
        let short = Pixels { width: 2, height: 1, rgb: &[0; 6], alpha: Some(&[0]) };
        assert!(matches!(
            encode_with_records(short, None, None),
            Err(PngError::WrongSize { expected: 2, got: 1, .. })
        ));
    }

    #[test]
    fn a_picture_of_the_wrong_size_is_refused() {
        assert!(matches!(
            encode_png(16, 8, &[0; 10], &record()),
            Err(PngError::WrongSize { expected: 384, got: 10, .. })
        ));
    }
}
