//! Negations. CLIP reads "without a hat" as a picture with a hat: what should not be there belongs into the negative prompt.

use super::phrases::{phrases, word_end, word_starts};
use crate::messages::{Negation, Span};

/// Words that deny what follows them.
const BEFORE: [&str; 24] = [
    "no",
    "not",
    "without",
    "never",
    "none",
    "nothing",
    "neither",
    "nor",
    "don't",
    "doesn't",
    "isn't",
    "aren't",
    "dont",
    "doesnt",
    "isnt",
    "arent",
    "без",
    "не",
    "нет",
    "ни",
    "никакой",
    "никакого",
    "никаких",
    "никакая",
];
/// Words that deny what stands before them, as in Kazakh.
const AFTER: [&str; 6] = ["жоқ", "емес", "болмасын", "керексіз", "жоқсыз", "болмау"];
/// Endings that deny their own word: Kazakh `қалпақсыз`, English `beardless`.
const ENDINGS: [(&str, usize); 3] = [("сыз", 3), ("сіз", 3), ("less", 3)];
/// Words with such an ending that deny nothing.
const INNOCENT: [&str; 4] = ["unless", "nevertheless", "nonetheless", "regardless"];
/// What may stand between a negation and the thing.
const ARTICLES: [&str; 5] = ["a", "an", "the", "any", "some"];

/// All negations of a prompt, each with what it denies, up to the end of its phrase.
pub fn find(prompt: &str) -> Vec<Negation> {
    phrases(prompt).into_iter().filter_map(|phrase| in_phrase(prompt, phrase)).collect()
}

/// The first negation of a phrase.
fn in_phrase(prompt: &str, phrase: Span) -> Option<Negation> {
    let text = &prompt[phrase.start..phrase.end];
    let words: Vec<Span> =
        word_starts(text).into_iter().map(|start| Span { start, end: word_end(text, start) }).collect();
    let plain = |span: &Span| {
        let word = text[span.start..span.end].to_lowercase().replace('’', "'");
        word.trim_matches(|letter: char| !letter.is_alphanumeric()).to_owned()
    };
    let negation = |from: usize, to: usize, denied: &str| Negation {
        span: Span { start: phrase.start + from, end: phrase.start + to },
        denied: denied.trim().to_owned(),
    };
    for (index, span) in words.iter().enumerate() {
        let word = plain(span);
        if BEFORE.contains(&word.as_str()) {
            let rest = &words[index + 1..];
            let first = rest.iter().find(|next| !ARTICLES.contains(&plain(next).as_str()));
            let denied = first.map_or("", |first| &text[first.start..]);
            return Some(negation(span.start, text.len(), denied));
        }
        if AFTER.contains(&word.as_str()) {
            return Some(negation(0, span.end, &text[..span.start]));
        }
        let ending = ENDINGS.iter().find(|(ending, stem)| {
            word.strip_suffix(ending).is_some_and(|before| before.chars().count() >= *stem)
        });
        if let Some((ending, _)) = ending
            && !INNOCENT.contains(&word.as_str())
        {
            return Some(negation(span.start, span.end, word.trim_end_matches(ending)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(prompt: &str) -> Vec<(String, String)> {
        let spans = find(prompt).into_iter();
        spans.map(|found| (prompt[found.span.start..found.span.end].to_owned(), found.denied)).collect()
    }

    fn one(span: &str, thing: &str) -> Vec<(String, String)> {
        vec![(span.to_owned(), thing.to_owned())]
    }

    #[test]
    fn english_negations_name_what_they_deny() {
        assert_eq!(denied("a man without a hat, blue robe"), one("without a hat", "hat"));
        assert_eq!(denied("No beard"), one("No beard", "beard"));
        assert_eq!(denied("a man who isn’t smiling"), one("isn’t smiling", "smiling"));
        assert_eq!(denied("a beardless man"), one("beardless", "beard"));
    }

    #[test]
    fn russian_and_kazakh_negations_too() {
        assert_eq!(denied("мужчина без шапки, степь"), one("без шапки", "шапки"));
        assert_eq!(denied("қалпақсыз адам"), one("қалпақсыз", "қалпақ"));
        assert_eq!(denied("сақалы жоқ, күлкі"), one("сақалы жоқ", "сақалы"));
    }

    #[test]
    fn words_that_only_look_like_negations_are_left_alone() {
        for prompt in [
            "a man on a horse",
            "north, nose, knot",
            "unless",
            "небо, незабудка",
            "сіз, сыз, теңіз",
            "less",
            "",
        ] {
            assert_eq!(find(prompt), [], "{prompt}");
        }
    }

    #[test]
    fn each_phrase_has_its_own() {
        assert_eq!(find("no hat, no beard, a man").len(), 2);
        assert_eq!(denied("a man, not").first().unwrap().1, "");
    }
}
