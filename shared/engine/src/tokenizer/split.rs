//! From text to words: normalisation and the splitting rules of CLIP.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Endings that English writes after an apostrophe; each is a word of its own.
const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
/// Words of the rules that look like special tokens. Where they were not cut out as such (because someone wrote them in
/// capitals), they stay together here and fall apart into three words by the second set of rules.
const LITERALS: [&str; 2] = ["<|startoftext|>", "<|endoftext|>"];

/// Unicode NFC, runs of white space to one space, lower case.
pub(super) fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_space = false;
    for c in text.nfc() {
        let space = c.is_whitespace();
        if !space {
            out.extend(c.to_lowercase());
        } else if !in_space {
            out.push(' ');
        }
        in_space = space;
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Letter,
    Number,
    Other,
}

fn kind(c: char) -> Kind {
    if c.is_whitespace() {
        return Kind::Space;
    }
    match c.general_category_group() {
        GeneralCategoryGroup::Letter => Kind::Letter,
        GeneralCategoryGroup::Number => Kind::Number,
        _ => Kind::Other,
    }
}

/// Calls `word` with each word of normalised text: contractions, runs of letters, single digits, runs of anything else.
pub(super) fn words<'a>(text: &'a str, mut word: impl FnMut(&'a str)) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let fixed = LITERALS.iter().chain(&CONTRACTIONS).find(|fixed| rest.starts_with(**fixed));
        let length = match (fixed, kind(first)) {
            (Some(fixed), _) => fixed.len(),
            (None, Kind::Space | Kind::Number) => first.len_utf8(),
            (None, run) => rest.find(|c| kind(c) != run).unwrap_or(rest.len()),
        };
        let (this, after) = rest.split_at(length);
        if let Some(inner) =
            this.strip_prefix("<|").and_then(|inner| inner.strip_suffix("|>")).filter(|_| fixed.is_some())
        {
            word("<|");
            word(inner);
            word("|>");
        } else if kind(first) != Kind::Space {
            word(this);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        let normal = normalise(text);
        let mut all = Vec::new();
        words(&normal, |word| all.push(word.to_owned()));
        all
    }

    #[test]
    fn letters_digits_and_the_rest_are_words() {
        assert_eq!(split("A  red\tAPPLE, x42!?"), ["a", "red", "apple", ",", "x", "4", "2", "!?"]);
        assert_eq!(split("Қызыл ӘЛЕМ"), ["қызыл", "әлем"]);
    }

    #[test]
    fn contractions_stand_alone_unless_a_run_has_begun() {
        assert_eq!(split("it's they'LL"), ["it", "'s", "they", "'ll"]);
        assert_eq!(split("!'s"), ["!'", "s"]);
    }

    #[test]
    fn composed_and_decomposed_letters_are_one() {
        assert_eq!(split("cafe\u{301}"), split("caf\u{e9}"));
    }

    #[test]
    fn special_looking_words_fall_apart() {
        assert_eq!(split("<|EndOfText|>x"), ["<|", "endoftext", "|>", "x"]);
    }
}
