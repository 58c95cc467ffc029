//! CLIP's tokenizer, put together.

use std::ops::Range;

use crate::Result;
use crate::tokenizer::bpe::BytePairs;
use crate::tokenizer::files::{Parsed, TokenizerFiles, refusal};
use crate::tokenizer::special::{Pattern, Span, cut};
use crate::tokenizer::split::{normalise, normalise_located, words};

/// Longer lengths in configurations mean "no limit".
const NO_LIMIT: usize = 1 << 20;

/// A token and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocatedPiece {
    /// Its number in the vocabulary.
    pub id: u32,
    /// The byte of the text where the character begins that the token begins in.
    pub start: usize,
}

/// How much of a prompt one encoder reads when nothing is done about its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenReport {
    /// Tokens of the prompt, its start and end included.
    pub tokens: usize,
    /// The most tokens that are read, start and end included; 77 in all published models.
    pub limit: usize,
    /// The characters (Unicode scalar values, not bytes) that are cut off: from the first token beyond the limit to the
    /// last character that is not white space. `None` if everything fits.
    pub beyond: Option<Range<usize>>,
}

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
        self.located_pieces(text).into_iter().map(|piece| piece.id).collect()
    }

    /// The same, each with the place in `text` where it begins.
    pub fn located_pieces(&self, text: &str) -> Vec<LocatedPiece> {
        let mut pieces = Vec::new();
        for (start, span) in cut(text, &self.raw) {
            let text = match span {
                Span::Token(id) => {
                    pieces.push(LocatedPiece { id, start });
                    continue;
                }
                Span::Text(text) => text,
            };
            let (normal, from) = normalise_located(text);
            let origin = |at: usize| start + from.get(at).copied().unwrap_or(text.len());
            for (at, span) in cut(&normal, &self.normalised) {
                match span {
                    Span::Token(id) => pieces.push(LocatedPiece { id, start: origin(at) }),
                    Span::Text(text) => words(text, |word_at, word| {
                        self.pairs.encode(word, |id, piece_at| {
                            pieces.push(LocatedPiece { id, start: origin(at + word_at + piece_at) });
                        });
                    }),
                }
            }
        }
        pieces
    }

    /// What of `text` fits into `max_length` tokens, start and end included.
    pub fn report(&self, text: &str, max_length: usize) -> TokenReport {
        let pieces = self.located_pieces(text);
        let room = max_length.saturating_sub(2);
        let beyond = pieces.get(room).map(|first| {
            let end = text.trim_end().len();
            text[..first.start].chars().count()..text[..end.max(first.start)].chars().count()
        });
        TokenReport { tokens: pieces.len() + 2, limit: max_length, beyond }
    }

    /// The ids of the tokens that every sequence starts and ends with.
    pub fn start_and_end(&self) -> (u32, u32) {
        (self.bos, self.eos)
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
