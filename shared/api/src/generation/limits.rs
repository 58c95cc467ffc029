//! Ranges of the parameters; server, browser and command line share them.

/// Most characters of a prompt or a negative prompt.
pub const PROMPT_CHARS: u64 = 2_000;
/// Fewest denoising steps.
pub const MIN_STEPS: u32 = 1;
/// Most denoising steps.
pub const MAX_STEPS: u32 = 150;
/// Least guidance scale; at 1 and below the negative prompt has no effect.
pub const MIN_GUIDANCE: f64 = 0.0;
/// Greatest guidance scale.
pub const MAX_GUIDANCE: f64 = 30.0;
/// Smallest side in pixels.
pub const MIN_SIDE: u32 = 64;
/// Largest side in pixels.
pub const MAX_SIDE: u32 = 2_048;
/// Sides are multiples of this.
pub const SIDE_STEP: u32 = 8;
/// Seeds are below 2^53, so that every JSON reader keeps all their digits.
pub const MAX_SEED: u64 = (1 << 53) - 1;
/// Least strength of image to image.
pub const MIN_STRENGTH: f64 = 0.0;
/// Greatest strength: nothing of the picture is left.
pub const MAX_STRENGTH: f64 = 1.0;
/// The strength when a request with a picture names none: clearly changed, clearly the same picture.
pub const DEFAULT_STRENGTH: f64 = 0.6;
/// Widest soft edge of a mask in pixels.
pub const MAX_MASK_BLUR: f64 = 64.0;
/// The soft edge when a request with a mask names none.
pub const DEFAULT_MASK_BLUR: f64 = 4.0;
/// Most pixels around the masked area.
pub const MAX_PADDING: u32 = 512;
/// Most LoRAs at once.
pub const MAX_LORAS: u64 = 8;
/// Least weight of a LoRA; below 0 it acts the other way.
pub const MIN_LORA_WEIGHT: f64 = -4.0;
/// Greatest weight of a LoRA.
pub const MAX_LORA_WEIGHT: f64 = 4.0;
/// Most pictures of one request.
pub const MAX_IMAGES: u32 = 8;
/// Longest identifier that is read.
pub const ID_CHARS: u64 = 200;
/// Least enlargement of the second pass.
pub const MIN_HIRES_SCALE: f64 = 1.1;
/// Greatest enlargement of the second pass.
pub const MAX_HIRES_SCALE: f64 = 4.0;
/// Longest side of the result of a second pass in pixels.
pub const MAX_HIRES_SIDE: u32 = 4_096;
/// Most steps times pixels of a picture whose steps are kept: 32 steps at 1024x1024.
pub const KEPT_STEP_PIXELS: u64 = 1 << 25;
