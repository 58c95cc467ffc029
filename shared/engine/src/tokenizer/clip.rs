//! CLIP's tokenizer, put together.

use crate::Result;
use crate::tokenizer::bpe::BytePairs;
use crate::tokenizer::files::{Parsed, TokenizerFiles, refusal};
use crate::tokenizer::special::{Pattern, Span, cut};
use crate::tokenizer::split::{normalise, words};

/// Longer lengths in configurations mean "no limit".
const NO_LIMIT: usize = 1 << 20;

/// Turns text into the token ids of one checkpoint.
#[derive(Clone, Debug)]
pub struct ClipTokenizer {
    pairs: BytePairs,
    /// Special tokens searched in raw text.
    raw: Vec<Pattern>,
    /// Special tokens searched in normalised text.
    normalised: Vec<Pattern>,
    bos: u32,
    eos: u32,
    pad: u32,
    model_max_length: Option<usize>,
}

impl ClipTokenizer {
    /// Builds the tokenizer from its files.
    ///
    /// # Errors
    /// When a file is missing or not understood, or the merges speak of pieces that the vocabulary lacks.
    pub fn new(files: &TokenizerFiles) -> Result<Self> {
        let parsed = Parsed::new(files)?;
        let pairs = BytePairs::new(parsed.vocabulary, &parsed.merges, &parsed.unk)
            .map_err(|piece| refusal(format!("a merge needs `{piece}`, which the vocabulary lacks")))?;
        let (mut raw, mut normalised) = (Vec::new(), Vec::new());
        // Tokens outside the vocabulary are numbered after it, in order.
        let mut next = pairs.len() as u32;
        let mut ids = std::collections::HashMap::new();
        for token in parsed.special {
            let id = pairs.id(&token.content).unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            ids.insert(token.content.clone(), id);
            if token.normalized {
                normalised.push(Pattern { text: normalise(&token.content), token, id });
            } else {
                raw.push(Pattern { text: token.content.clone(), token, id });
            }
        }
        let id = |content: &str| {
            ids.get(content).copied().ok_or_else(|| refusal(format!("`{content}` has no number")))
        };
        Ok(Self {
            bos: id(&parsed.bos)?,
            eos: id(&parsed.eos)?,
            pad: id(&parsed.pad)?,
            model_max_length: parsed.model_max_length.filter(|&length| length < NO_LIMIT),
            pairs,
            raw,
            normalised,
        })
    }

    /// The length that the checkpoint states for padded sequences, usually 77.
    pub fn model_max_length(&self) -> Option<usize> {
        self.model_max_length
    }

    /// The id that sequences are filled up with.
    pub fn pad_token_id(&self) -> u32 {
        self.pad
    }

    /// Token ids of `text` without start, end and padding.
    pub fn pieces(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        for span in cut(text, &self.raw) {
            match span {
                Span::Token(id) => ids.push(id),
                Span::Text(text) => {
                    let normal = normalise(text);
                    for span in cut(&normal, &self.normalised) {
                        match span {
                            Span::Token(id) => ids.push(id),
                            Span::Text(text) => words(text, |word| self.pairs.encode(word, &mut ids)),
                        }
                    }
                }
            }
        }
        ids
    }

    /// Exactly `max_length` ids: start, the text as far as it fits, end, padding.
    pub fn encode(&self, text: &str, max_length: usize) -> Vec<u32> {
        let mut ids = vec![self.bos];
        ids.extend(self.pieces(text).into_iter().take(max_length.saturating_sub(2)));
        ids.push(self.eos);
        ids.resize(max_length, self.pad);
        ids
    }
}
