//! Networks built of the layers in [`nn`](crate::nn), with tensor names as in diffusers and transformers checkpoints.
//!
//! Each network reads its configuration from the checkpoint's own JSON, with the reference library's defaults where a
//! field is missing, and refuses what it does not implement rather than computing something else.

mod clip_layer;
mod config;
mod tap;

pub mod clip;
pub mod clip_text;
pub mod unet;
pub mod upscaler;
pub mod vae;

pub use clip::{ClipConfig, ClipModel, ClipVisionConfig, ClipVisionModel};
pub use clip_text::{ClipTextConfig, ClipTextModel, ClipTextOutput};
pub use config::{PerBlock, parse_config};
pub use tap::Tap;
pub use unet::{Conditioning, UNet2DConditionModel, UnetConfig};
pub use upscaler::Upscaler;
pub use vae::{AutoencoderKl, Posterior, VaeConfig};
