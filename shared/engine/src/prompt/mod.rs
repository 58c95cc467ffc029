//! What people write into prompts besides words: emphasis, breaks, LoRA tags. Pure functions on text.
//!
//! The notation is that of the A1111 family. It is for CLIP text encoders, whose states can be scaled token by token; it is
//! off unless asked for, because a bracket is also a bracket: see [`PromptSyntax`].

mod chunks;
mod emphasis;
mod lora_tag;

pub use chunks::{Chunk, MAX_CHUNKS, chunks};
pub use emphasis::{Part, parse_emphasis};
pub use lora_tag::{LoraTag, take_lora_tags};

/// How a prompt is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PromptSyntax {
    /// Every character is text, and what goes beyond the encoder's length is cut off: exactly as in diffusers.
    #[default]
    Plain,
    /// Brackets weigh words ([`parse_emphasis`]), and a prompt may be longer than the encoder: it is read in chunks
    /// ([`chunks`]), whose states are put one after the other. A short prompt without brackets, backslashes and `BREAK` gives
    /// the same bits as [`Self::Plain`].
    ///
    /// The state of a token is multiplied with its weight and nothing is normalised afterwards. (A1111 by default then
    /// scales all states so that their mean is what it was; the states of Stable Diffusion XL have a mean near zero, so that
    /// factor can be anything. A1111 calls this choice `No norm` and advises it for Stable Diffusion XL.) The pooled text is
    /// that of the first chunk, not weighted.
    Weighted,
}
