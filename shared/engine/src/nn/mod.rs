//! All layers of the project: linear, convolution, norms, attention, activations, embeddings.
//!
//! They live in one room so that low-rank adapters, a backward pass that never drops gradients and faster kernels are each
//! done once. A layer knows tensors and a [`Scope`](crate::weights::Scope) of weights; it does not know any network.
//!
//! Every layer has one meaning and two ways to compute it. The plain way is written in candle's differentiable operations
//! and works on every device and element type. The fast way (`cpu`) is taken for 32-bit floats on the CPU. Both leave notes
//! on a [`Tape`] that runs, by which training finds its gradients. Pictures are `(batch, channels, height, width)` everywhere; the fast way keeps them in memory
//! channels last, which shows only in the strides.
//!
//! A loaded linear or convolution layer can be changed without being loaded again: see [`Adapter`].

mod activation;
mod adapter;
mod attention;
mod batch_norm;
mod conv2d;
mod cpu;
mod embedding;
mod feed_forward;
mod linear;
mod norm;
mod picture;
mod pool;
mod rectifier;
mod tape;
#[cfg(test)]
mod tape_tests;
mod timestep;

pub use activation::Activation;
pub use adapter::{Adaptable, Adapter, AdapterSlot, Branch, RowLengths};
pub use attention::{Masking, scaled_dot_product_attention};
pub use batch_norm::{BatchNorm2d, Running};
pub use conv2d::{Conv2d, Conv2dShape, Plus};
pub use cpu::on_workers;
pub use embedding::Embedding;
pub use feed_forward::{FeedForward, Geglu};
pub use linear::Linear;
pub use norm::{GroupNorm, LayerNorm};
pub use picture::{
    concat_channels, picture_from_tokens, pixel_shuffle, pixel_unshuffle, repeat_pixels, scale_and_add,
    tokens_from_picture,
};
pub use pool::max_pool2d;
pub use rectifier::Rectifier;
pub use tape::{Gradients, Tape, add, is_recording, recomputed, record, scale, traced, valued};
pub use timestep::{TimestepEmbedding, sinusoidal_embedding};
