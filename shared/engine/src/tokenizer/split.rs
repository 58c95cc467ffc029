//! From text to words: normalisation and the splitting rules of CLIP.

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
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

/// Normalised text, and for each of its bytes the byte of the original at which the character it comes from begins.
///
/// Composition joins characters, so the original is taken in pieces that no composition crosses.
pub(super) fn normalise_located(text: &str) -> (String, Vec<usize>) {
    let (mut out, mut from) = (String::with_capacity(text.len()), Vec::with_capacity(text.len()));
    let mut in_space = false;
    for (start, piece) in compositions(text) {
        for c in piece.nfc() {
            let space = c.is_whitespace();
            if !space {
                out.extend(c.to_lowercase());
            } else if !in_space {
                out.push(' ');
            }
            in_space = space;
            from.resize(out.len(), start);
        }
    }
    (out, from)
}

/// `text` cut before every character that composition leaves alone, with the byte where each piece begins.
fn compositions(text: &str) -> Vec<(usize, &str)> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices().skip(1) {
        // Letters of the commonest scripts need no table; for the others the table says which never change or join.
        let alone = c.is_ascii() || is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes;
        if alone && canonical_combining_class(c) == 0 {
            pieces.push((start, &text[start..at]));
            start = at;
        }
    }
    if start < text.len() {
        pieces.push((start, &text[start..]));
    }
    pieces
}

/// Calls `word` with each word of normalised text and the byte where it begins: contractions, runs of letters, single
/// digits, runs of anything else.
pub(super) fn words<'a>(text: &'a str, mut word: impl FnMut(usize, &'a str)) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let fixed = LITERALS.iter().chain(&CONTRACTIONS).find(|fixed| rest.starts_with(**fixed));
        let length = match (fixed, kind(first)) {
            (Some(fixed), _) => fixed.len(),
            (None, Kind::Space | Kind::Number) => first.len_utf8(),
            (None, run) => rest.find(|c| kind(c) != run).unwrap_or(rest.len()),
        };
        let (this, after) = rest.split_at(length);
        let at = text.len() - rest.len();
        if let Some(inner) =
            this.strip_prefix("<|").and_then(|inner| inner.strip_suffix("|>")).filter(|_| fixed.is_some())
        {
            word(at, "<|");
            word(at + 2, inner);
            word(at + 2 + inner.len(), "|>");
        } else if kind(first) != Kind::Space {
            word(at, this);
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
        words(&normal, |at, word| {
            assert!(normal[at..].starts_with(word));
            all.push(word.to_owned());
        });
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
    fn located_normalisation_is_the_same_and_knows_where_letters_come_from() {
        let texts = [
            "",
            "a  B\t",
            "Cafe\u{301}s",
            "\u{1100}\u{1161}\u{11a8}x",
            "e\u{323}\u{302} \u{301}",
            "İ\u{307}Ω\u{2126}Å",
            "Ақ ӘЛЕМ\u{306}!",
        ];
        for text in texts {
            let (normal, from) = normalise_located(text);
            assert_eq!(normal, normalise(text), "{text:?}");
            assert_eq!(normal.len(), from.len());
            assert!(from.is_sorted() && from.iter().all(|&at| text.is_char_boundary(at)), "{text:?}");
        }
        // Five letters and a mark: the mark belongs to the fourth letter, which begins at byte 3.
        assert_eq!(normalise_located("Cafe\u{301}s").1, [0, 1, 2, 3, 3, 6]);
    }

    #[test]
    fn special_looking_words_fall_apart() {
        assert_eq!(split("<|EndOfText|>x"), ["<|", "endoftext", "|>", "x"]);
    }
}
