//! Whole pipelines: tokens, text embeddings, seeded latents, the visible sampling loop, the decoded picture.
//!
//! A pipeline puts networks, a tokenizer and a scheduler together and knows nothing of jobs, servers or files beyond its
//! checkpoint. It reports through [`Progress`] and stops within one step when told to.

mod files;
mod guidance;
mod model_index;
mod params;
mod picture;
mod preview;
mod progress;
mod stable_diffusion_xl;
mod text;

pub use params::{Generated, TextToImageParams};
pub use picture::Picture;
pub use preview::{LatentPreview, PreviewFactors};
pub use progress::{Flow, Progress, ProgressEvent, Silent};
pub use stable_diffusion_xl::StableDiffusionXl;
