//! Whole pipelines: tokens, text embeddings, seeded latents, the visible sampling loop, the decoded picture.
//!
//! A pipeline puts networks, a tokenizer and a scheduler together and knows nothing of jobs, servers or files beyond its
//! checkpoint. It reports through [`Progress`] and stops within one step when told to.

mod anchor;
mod beginning;
mod canvas;
mod channel_sheet;
mod coding;
mod crop;
mod files;
mod guidance;
mod model_index;
mod outpaint;
mod params;
mod parts;
mod picture;
mod preview;
mod progress;
mod snapshot;
mod stable_diffusion_xl;
mod start;
pub(crate) mod text;
pub mod upscale;
mod variation;
mod windows;

pub use channel_sheet::ChannelSheet;
pub use outpaint::{Margins, outpaint};
pub use params::{Generated, GenerationParams};
pub use parts::ModelParts;
pub use picture::Picture;
pub use preview::{LatentPreview, PreviewFactors};
pub use progress::{Flow, Progress, ProgressEvent, Silent, StepLook};
pub use snapshot::StepSnapshot;
pub use stable_diffusion_xl::StableDiffusionXl;
pub use start::{ImageToImage, Inpainting, MAX_MASK_BLUR, Mask, MaskedContent, Start};
pub use upscale::{TileProgress, upscale};
pub use variation::Variation;
pub use windows::Windows;
