//! The diffusion engine: models, schedulers, pipelines and weights on candle.
//!
//! Everything here is synchronous and knows nothing of servers, jobs or files beyond the checkpoint it is given. The same
//! code runs natively and in the browser (wasm32). Rooms, from the bottom up:
//!
//! | room | what it holds |
//! |---|---|
//! | [`error`] | one typed error: what happened, then `hint:` what to do |
//! | [`weights`] | checkpoint files, verified before use; every tensor consumed exactly once |
//! | [`nn`] | all layers of the project: linear, convolution, norms, attention, activations, embeddings |
//! | [`models`] | networks built of those layers, named as in diffusers and transformers checkpoints |
//! | [`lora`] | small files that change a model's layers |
//! | [`noise`] | seeded noise, bit-identical to `torch.randn` |
//! | [`schedulers`] | one sampling algorithm a file |
//! | [`tokenizer`] | CLIP's byte-pair encoding |
//! | [`prompt`] | what people write into prompts besides words: emphasis, breaks, LoRA tags |
//! | [`pipelines`] | the visible loop: tokens, latents, steps, picture |
//! | [`training`] | a few pictures teach a model something new |
//! | [`evaluate`] | networks that look at pictures: the attribute judge, the scoring CLIP |

pub mod error;
pub mod evaluate;
pub mod lora;
pub mod models;
pub mod nn;
pub mod noise;
pub mod pipelines;
pub mod prompt;
pub mod schedulers;
pub mod tokenizer;
pub mod training;
pub mod weights;

pub use candle_core::{DType, Device, Tensor, Var};
pub use error::{Error, Result};

/// Version of the engine's numbers: it grows whenever the same request with the same weights gives another picture. Pictures
/// record it, so that somebody who makes one again knows why it differs.
pub const NUMBERS: &str = "1";
