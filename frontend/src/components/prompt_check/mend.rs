//! Taking phrases out of a prompt, and adding one.

use crate::worker::messages::Span;

/// The prompt without some of its parts, and without the commas that would be left over.
pub fn without<'a>(prompt: &str, parts: impl Iterator<Item = &'a Span>) -> String {
    let mut parts: Vec<Span> = parts.copied().collect();
    parts.sort_by_key(|span| std::cmp::Reverse(span.start));
    let mut text = prompt.to_owned();
    for Span { start, end } in parts {
        let (before, after) = (text[..start].trim_end(), text[end..].trim_start());
        // Of the commas around a whole phrase one goes along with it.
        let rest = match (before.ends_with(',') || before.is_empty(), after.strip_prefix(',')) {
            (true, Some(after)) => format!("{} {}", before, after.trim_start()),
            (true, None) => format!("{} {after}", before.strip_suffix(',').unwrap_or(before)),
            (false, Some(after)) => format!("{before}, {}", after.trim_start()),
            (false, None) => format!("{before} {after}"),
        };
        rest.trim().clone_into(&mut text);
    }
    text
}

/// Adds a phrase to a list of phrases.
pub fn append(list: &mut String, phrase: &str) {
    let kept = list.trim().trim_end_matches(',');
    *list = if kept.is_empty() { phrase.to_owned() } else { format!("{kept}, {phrase}") };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(prompt: &str, part: &str) -> String {
        let start = prompt.rfind(part).unwrap();
        without(prompt, [Span { start, end: start + part.len() }].iter())
    }

    #[test]
    fn a_phrase_goes_with_one_of_its_commas() {
        assert_eq!(cut("a man, no hat, blue robe", "no hat"), "a man, blue robe");
        assert_eq!(cut("no hat, blue robe", "no hat"), "blue robe");
        assert_eq!(cut("a man, no hat", "no hat"), "a man");
        assert_eq!(cut("a man without a hat, blue robe", "without a hat"), "a man, blue robe");
        assert_eq!(cut("without a hat", "without a hat"), "");
    }

    #[test]
    fn empty_phrases_go_too() {
        assert_eq!(without("a man,, b", [Span { start: 6, end: 6 }].iter()), "a man, b");
    }

    #[test]
    fn phrases_are_added_with_one_comma() {
        let mut list = "blurry, ".to_owned();
        append(&mut list, "hat");
        assert_eq!(list, "blurry, hat");
        let mut list = String::new();
        append(&mut list, "hat");
        assert_eq!(list, "hat");
    }
}
