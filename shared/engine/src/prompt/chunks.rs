//! A long or weighted prompt as sequences of the length that a text encoder takes.

use super::Part;
use crate::tokenizer::ClipTokenizer;
use crate::{Error, Result};

/// The most chunks of one prompt: 2,400 tokens, far beyond anything that helps a picture.
pub const MAX_CHUNKS: usize = 32;

/// One sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Start, tokens, end, padding: as many as the encoder takes.
    pub ids: Vec<u32>,
    /// The weight of each; 1 for start, end and padding.
    pub weights: Vec<f32>,
}

/// Cuts a prompt into chunks of `length` tokens, each with its own start and end. There is at least one.
///
/// Text fills a chunk to its last place, wherever that is in a word; `BREAK` starts a new one, except at the end of the
/// prompt.
///
/// # Errors
/// When there are more than [`MAX_CHUNKS`].
pub fn chunks(tokenizer: &ClipTokenizer, parts: &[Part], length: usize) -> Result<Vec<Chunk>> {
    let room = length.saturating_sub(2).max(1);
    let mut filled: Vec<Vec<(u32, f32)>> = vec![Vec::new()];
    let mut start_new = false;
    for part in parts {
        let Part::Text { text, weight } = part else {
            // A break after a break leaves an empty chunk between them.
            if std::mem::replace(&mut start_new, true) {
                filled.push(Vec::new());
            }
            continue;
        };
        for id in tokenizer.pieces(text) {
            if std::mem::take(&mut start_new) || filled.last().is_some_and(|last| last.len() == room) {
                filled.push(Vec::new());
            }
            if let Some(last) = filled.last_mut() {
                last.push((id, *weight as f32));
            }
        }
        if filled.len() > MAX_CHUNKS {
            return Err(Error::Parameter {
                parameter: "prompt",
                fault: format!("has more than {MAX_CHUNKS} chunks of {room} tokens"),
                hint: "shorten it; words beyond the first chunks hardly change the picture".to_owned(),
            });
        }
    }
    let (bos, eos) = tokenizer.start_and_end();
    Ok(filled
        .into_iter()
        .map(|tokens| {
            let (mut ids, mut weights) = (vec![bos], vec![1.0]);
            for (id, weight) in tokens {
                ids.push(id);
                weights.push(weight);
            }
            ids.push(eos);
            ids.resize(length, tokenizer.pad_token_id());
            weights.resize(length, 1.0);
            Chunk { ids, weights }
        })
        .collect())
}
