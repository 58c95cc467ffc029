//! How much memory there is for jobs, and how much one needs: planned before it is accepted.
//!
//! Estimates on the safe side, of what was measured with `chapan bench generate` and `chapan bench upscale`. Weights are counted as
//! 32-bit numbers, which they are on the CPU.

use chapan_api::generation::CreateGeneration;
use chapan_engine::models::vae::WHOLE_BYTES;
use chapan_engine::pipelines::Windows;

use crate::hub::{Checkpoint, LoraCandidate, UpscalerFile};

/// What a job may plan with on a machine that does not say how much memory it has.
const WHEN_UNKNOWN_BYTES: u64 = 4 << 30;
/// What every job needs besides: text encoders at work, previews, the file that is written.
const BESIDES_BYTES: u64 = 64 << 20;
/// Bytes of a number.
const NUMBER: u64 = 4;
/// Channels of the widest upscaler that is published: Real-ESRGAN's.
const UPSCALER_FEATURES: u64 = 64;
/// The most that an upscaler needs to work on one tile.
const UPSCALER_TILE_BYTES: u64 = 260 << 20;

/// The memory that is free for programs now, in bytes.
pub fn available_memory_bytes() -> u64 {
    std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| available(&text))
        .unwrap_or(WHEN_UNKNOWN_BYTES)
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// What a request names, as far as memory goes.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// The files of its LoRAs.
    pub loras: Vec<LoraCandidate>,
    /// Pixels of the pictures that it starts from, its mask included.
    pub source_pixels: u64,
    /// What enlarges for its second pass.
    pub upscaler: Option<UpscalerFile>,
}

/// Memory for the weights of a model.
pub fn model_memory(model: &Checkpoint) -> u64 {
    let bytes_per_weight = if model.precision == "f32" { 4 } else { 2 };
    model.size_bytes / bytes_per_weight * NUMBER
}

/// Memory for the weights and for one plain picture of the model's own size.
pub fn picture_memory(model: &Checkpoint) -> u64 {
    let side = model.default_side;
    let request = CreateGeneration { width: side, height: side, ..CreateGeneration::default() };
    request_memory(model, &request, &Named::default())
}

/// Memory for a request: weights, LoRAs, sources, and the pass that needs most.
pub fn request_memory(model: &Checkpoint, request: &CreateGeneration, named: &Named) -> u64 {
    // Files of LoRAs have 16 bits a number at least, and may be trained in 32; their factors stay beside the layers.
    let loras: u64 = named.loras.iter().map(|lora| lora.size_bytes * 2).sum();
    // As decoded with opacity, as colours, and those once more at the size of the call.
    let sources = named.source_pixels * (4 + 3 + 3);
    let whole = (request.width, request.height);
    let first = pass(model, whole, whole);
    let second = match (&request.hires, &named.upscaler) {
        (Some(hires), Some(upscaler)) => {
            let size = request.result_size();
            let enlarging = upscale_memory(upscaler, whole, hires.scale);
            let side = Windows::of_size(model.default_side as usize).side as u32;
            let windowed = pass(model, size, (size.0.min(side), size.1.min(side)));
            // The upscaler stays in memory; what it is given and what it makes are pictures of bytes.
            enlarging.max(windowed + upscaler.weight_count() * NUMBER)
        }
        _ => 0,
    };
    model_memory(model) + loras + sources + BESIDES_BYTES + first.max(second)
}

/// Working memory of one pass over a picture of `size`, at which the denoiser looks in pieces of `seen`.
fn pass(model: &Checkpoint, size: (u32, u32), seen: (u32, u32)) -> u64 {
    let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    let cells = area(seen) / u64::from(model.latent_factor * model.latent_factor);
    // Self-attention at the first level with tokens: two branches, a score for each pair, in blocks of queries.
    let attention = cells * cells.min(4096) * NUMBER * 2;
    // The picture as numbers: as it goes into the autoencoder, as it comes out, and as latents with their noise.
    let numbers = area(size) * 3 * NUMBER * 3;
    attention + numbers + coder(model, size)
}

/// Working memory of the autoencoder: a few maps as large as the picture, or as a tile of it.
fn coder(model: &Checkpoint, (width, height): (u32, u32)) -> u64 {
    let pixels = u64::from(width) * u64::from(height);
    let at_once = 3 * pixels * u64::from(model.decoder_level_width) * NUMBER;
    let in_tiles = at_once > WHOLE_BYTES && width.max(height) > model.decoder_tile;
    let tile = u64::from(model.decoder_tile) * u64::from(model.decoder_tile);
    let pixels = if in_tiles { tile } else { pixels };
    pixels * u64::from(model.decoder_width) * NUMBER * 3
}

/// Memory for enlarging a picture of this size: the weights, as they are and as they are packed; three maps of features over
/// the picture, the maps of a tile, and the result as numbers and as bytes.
pub fn upscale_memory(upscaler: &UpscalerFile, (width, height): (u32, u32), scale: f64) -> u64 {
    let pixels = u64::from(width) * u64::from(height);
    let result = (pixels as f64 * scale * scale) as u64;
    let maps = pixels * UPSCALER_FEATURES * NUMBER * 3;
    let tile = (pixels * UPSCALER_FEATURES * NUMBER * 48).min(UPSCALER_TILE_BYTES);
    upscaler.weight_count() * NUMBER * 5 / 2
        + maps
        + tile
        + result * 3 * (2 * NUMBER + 2)
        + (BESIDES_BYTES / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chapan_api::generation::Hires;

    #[test]
    fn the_line_of_linux_is_read() {
        let text = "MemTotal:       24656284 kB\nMemFree: 1 kB\nMemAvailable:   20123456 kB\n";
        assert_eq!(available(text), Some(20_123_456 * 1024));
        assert_eq!(available("nothing"), None);
    }

    /// SDXL's autoencoder and sizes.
    fn sdxl() -> Checkpoint {
        Checkpoint {
            id: "sdxl".to_owned().into(),
            folder: "nowhere".into(),
            family: "sdxl".to_owned(),
            size_bytes: 7 << 30,
            precision: "f16".to_owned(),
            license: None,
            default_side: 1024,
            default_scheduler: "euler".to_owned(),
            inpainting: false,
            latent_factor: 8,
            decoder_width: 512,
            decoder_level_width: 256,
            decoder_tile: 1024,
            text_width: Some(2048),
        }
    }

    fn of_size(width: u32, height: u32) -> CreateGeneration {
        CreateGeneration { width, height, ..CreateGeneration::default() }
    }

    #[test]
    fn everything_that_a_request_names_is_counted() {
        let model = sdxl();
        let plain = of_size(1024, 1024);
        let bare = request_memory(&model, &plain, &Named::default());
        assert!(bare > 14 << 30, "16-bit files are 32-bit weights: {bare}");
        assert_eq!(bare, picture_memory(&model));
        let lora = LoraCandidate {
            own: false,
            id: "l".to_owned().into(),
            path: "l".into(),
            size_bytes: 200 << 20,
            changed: None,
        };
        let with_lora = Named { loras: vec![lora], ..Named::default() };
        assert_eq!(request_memory(&model, &plain, &with_lora) - bare, 400 << 20);
        let with_source = Named { source_pixels: 10_000_000, ..Named::default() };
        assert_eq!(request_memory(&model, &plain, &with_source) - bare, 100_000_000);

        let upscaler = UpscalerFile { id: "u".to_owned().into(), path: "u".into(), size_bytes: 32 << 20 };
        let twice = CreateGeneration { hires: Some(Hires::default()), ..plain };
        let named = Named { upscaler: Some(upscaler), ..Named::default() };
        let second = request_memory(&model, &twice, &named);
        assert!(second > bare, "{second}");
        // In windows it is far less than the large picture at once.
        assert!(second < request_memory(&model, &of_size(2048, 2048), &Named::default()));
    }

    #[test]
    fn the_autoencoder_needs_no_more_beyond_the_size_at_which_it_works_in_tiles() {
        let model = sdxl();
        let (below, above) = (coder(&model, (1408, 1408)), coder(&model, (2048, 2048)));
        assert!(above < below, "{above} {below}");
        assert_eq!(above, coder(&model, (4096, 4096)));
    }
}
