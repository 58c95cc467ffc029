//! Text to token ids: byte-pair encoding as CLIP does it, from the checkpoint's own vocabulary.
//!
//! The same ids as transformers' `CLIPTokenizer`, step by step: special tokens are cut out, the rest is normalised (Unicode
//! NFC, runs of white space to one space, lower case), split into words, each word written in a byte alphabet and merged by
//! the learned pairs; then start and end tokens, truncation that keeps the end token, padding. This room knows text and
//! vocabulary files, nothing of models.

mod bpe;
mod byte_alphabet;
mod clip;
mod files;
mod special;
mod split;

pub use clip::{ClipTokenizer, LocatedPiece, TokenReport};
pub use files::TokenizerFiles;
