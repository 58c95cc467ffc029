//! Byte-pair merging: a word starts as single characters, and the earliest learned pair is joined until none is left.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::tokenizer::byte_alphabet::byte_alphabet;

/// What marks the end of a word inside vocabulary entries.
pub(super) const END_OF_WORD: &str = "</w>";

/// A vocabulary and its merges.
#[derive(Clone, Debug)]
pub(super) struct BytePairs {
    vocabulary: HashMap<String, u32>,
    /// A pair of ids to its rank (lower merges first) and the id of the joined piece.
    merges: HashMap<(u32, u32), (u32, u32)>,
    unknown: Option<u32>,
    alphabet: [char; 256],
}

impl BytePairs {
    /// Puts vocabulary and merges together; the error names the piece that the vocabulary lacks.
    pub(super) fn new(
        vocabulary: HashMap<String, u32>,
        pairs: &[(String, String)],
        unknown: &str,
    ) -> Result<Self, String> {
        let id = |piece: &str| vocabulary.get(piece).copied().ok_or_else(|| piece.to_owned());
        let mut merges = HashMap::with_capacity(pairs.len());
        for (rank, (left, right)) in pairs.iter().enumerate() {
            let joined = id(&format!("{left}{right}"))?;
            merges.insert((id(left)?, id(right)?), (rank as u32, joined));
        }
        Ok(Self { unknown: vocabulary.get(unknown).copied(), merges, vocabulary, alphabet: byte_alphabet() })
    }

    pub(super) fn id(&self, piece: &str) -> Option<u32> {
        self.vocabulary.get(piece).copied()
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.vocabulary.len()
    }

    /// Calls `piece` with each id of one word and the byte of the word where it begins. Takes `n log n` for `n` bytes, so
    /// that a long word is no attack.
    pub(super) fn encode(&self, word: &str, mut piece: impl FnMut(u32, usize)) {
        let last = word.len().saturating_sub(1);
        let mut pieces: Vec<Option<u32>> = Vec::with_capacity(word.len());
        let mut begins = Vec::with_capacity(word.len());
        for (position, byte) in word.bytes().enumerate() {
            let mut single = String::from(self.alphabet[usize::from(byte)]);
            if position == last {
                single.push_str(END_OF_WORD);
            }
            if let Some(id) = self.id(&single).or(self.unknown) {
                pieces.push(Some(id));
                begins.push(position);
            }
        }

        // A linked list over positions, and a queue of possible merges, lowest rank first, leftmost among equals.
        let count = pieces.len();
        let mut next: Vec<usize> = (1..=count).collect();
        let mut previous: Vec<Option<usize>> = (0..count).map(|i| i.checked_sub(1)).collect();
        let mut queue = BinaryHeap::new();
        let candidate = |pieces: &[Option<u32>], left: usize, right: usize| {
            let pair = (pieces[left]?, (*pieces.get(right)?)?);
            self.merges.get(&pair).map(|&(rank, joined)| Reverse((rank, left, joined)))
        };
        queue.extend((0..count).filter_map(|left| candidate(&pieces, left, left + 1)));
        while let Some(Reverse((_, left, joined))) = queue.pop() {
            let right = next[left];
            // The pair may be gone since it was queued: it counts only if what stands there now joins to the same piece.
            if candidate(&pieces, left, right).is_none_or(|Reverse((_, _, now))| now != joined) {
                continue;
            }
            pieces[left] = Some(joined);
            pieces[right] = None;
            next[left] = next[right];
            if let Some(after) = previous.get_mut(next[right]) {
                *after = Some(left);
            }
            queue.extend(candidate(&pieces, left, next[left]));
            queue.extend(previous[left].and_then(|before| candidate(&pieces, before, left)));
        }
        for (id, begin) in pieces.into_iter().zip(begins) {
            if let Some(id) = id {
                piece(id, begin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> BytePairs {
        let pieces = ["a", "b", "c", "a</w>", "b</w>", "c</w>", "ab", "abc</w>", "bc</w>", "aa", "?"];
        let vocabulary =
            pieces.iter().enumerate().map(|(i, piece)| ((*piece).to_owned(), i as u32)).collect();
        let merges = [("b", "c</w>"), ("a", "b"), ("ab", "c</w>"), ("a", "a")]
            .map(|(left, right)| (left.to_owned(), right.to_owned()));
        BytePairs::new(vocabulary, &merges, "?").expect("complete")
    }

    fn encode(word: &str) -> Vec<(u32, usize)> {
        let mut pieces = Vec::new();
        pairs().encode(word, |id, begin| pieces.push((id, begin)));
        pieces
    }

    #[test]
    fn the_earliest_pair_merges_first() {
        // "bc</w>" is ranked before "ab", so "abc" ends as two pieces.
        assert_eq!(encode("abc"), [(0, 0), (8, 1)]);
    }

    #[test]
    fn equal_pairs_merge_from_the_left() {
        assert_eq!(encode("aaaa"), [(9, 0), (0, 2), (3, 3)]);
    }

    #[test]
    fn bytes_without_an_entry_become_the_unknown_token() {
        assert_eq!(encode("az"), [(0, 0), (10, 1)]);
        assert_eq!(encode(""), []);
    }

    #[test]
    fn a_merge_outside_the_vocabulary_is_named() {
        let vocabulary = HashMap::from([("a".to_owned(), 0)]);
        let fault =
            BytePairs::new(vocabulary, &[("a".to_owned(), "x".to_owned())], "a").expect_err("no `ax`");
        assert_eq!(fault, "ax");
    }
}
