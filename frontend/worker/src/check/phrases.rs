//! A prompt as a list of phrases between commas: which are empty, which repeat an earlier one.

use std::collections::BTreeSet;

use crate::messages::Span;

/// What ends a phrase.
const ENDS: [char; 6] = [',', ';', '.', '\n', '،', '、'];

/// Phrases without the spaces around them; a full stop inside a number ends none.
pub fn phrases(prompt: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 0;
    let ends_here = |at: usize, letter: char| {
        let digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
        ENDS.contains(&letter)
            && !(letter == '.'
                && digit(prompt[..at].chars().next_back())
                && digit(prompt[at + 1..].chars().next()))
    };
    for (at, letter) in prompt.char_indices().filter(|(at, letter)| ends_here(*at, *letter)) {
        spans.push(trimmed(prompt, start, at));
        start = at + letter.len_utf8();
    }
    spans.push(trimmed(prompt, start, prompt.len()));
    spans
}

fn trimmed(prompt: &str, start: usize, end: usize) -> Span {
    let part = &prompt[start..end];
    let start = start + part.len() - part.trim_start().len();
    Span { start, end: start + part.trim().len() }
}

/// Empty phrases, and phrases that were said before.
pub fn faults(prompt: &str) -> (Vec<Span>, Vec<Span>) {
    let phrases = phrases(prompt);
    let mut known = BTreeSet::new();
    let (mut empty, mut repeated) = (Vec::new(), Vec::new());
    for (index, span) in phrases.iter().enumerate() {
        let words: Vec<String> =
            prompt[span.start..span.end].split_whitespace().map(str::to_lowercase).collect();
        if words.is_empty() {
            // What follows the last comma or stands on a blank line is no fault.
            let is_last = index + 1 == phrases.len();
            let before = prompt[..span.start].trim_end_matches([' ', '\t']).chars().next_back();
            let after = prompt[span.end..].trim_start_matches([' ', '\t']).chars().next();
            let blank_line = before == Some('\n') || after == Some('\n');
            if !is_last && !blank_line {
                empty.push(*span);
            }
        } else if !known.insert(words) {
            repeated.push(*span);
        }
    }
    (empty, repeated)
}

/// Where words begin.
pub fn word_starts(text: &str) -> Vec<usize> {
    let mut inside = false;
    let starts = text.char_indices().filter(|(_, letter)| {
        let begins = !letter.is_whitespace() && !inside;
        inside = !letter.is_whitespace();
        begins
    });
    starts.map(|(at, _)| at).collect()
}

/// Where the word that begins at `start` ends.
pub fn word_end(text: &str, start: usize) -> usize {
    text[start..].find(char::is_whitespace).map_or(text.len(), |length| start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'a>(prompt: &'a str, spans: &[Span]) -> Vec<&'a str> {
        spans.iter().map(|span| &prompt[span.start..span.end]).collect()
    }

    #[test]
    fn phrases_stand_between_commas_and_stops() {
        let prompt = "a man,  round face ; at 1.5 m. күлкі\nlast";
        assert_eq!(texts(prompt, &phrases(prompt)), ["a man", "round face", "at 1.5 m", "күлкі", "last"]);
    }

    #[test]
    fn a_comma_too_many_and_a_phrase_said_twice_are_found() {
        let prompt = "a man,, Round  face, blue robe, round face,";
        let (empty, repeated) = faults(prompt);
        assert_eq!(empty, [Span { start: 6, end: 6 }]);
        assert_eq!(texts(prompt, &repeated), ["round face"]);
        assert_eq!(faults("a man, a woman,"), (Vec::new(), Vec::new()));
        assert_eq!(faults("a man\n\na woman"), (Vec::new(), Vec::new()));
        assert_eq!(faults(""), (Vec::new(), Vec::new()));
        assert_eq!(faults(", a man").0.len(), 1);
    }

    #[test]
    fn words_are_found_in_any_alphabet() {
        let text = " ақ  қалпақ\n🙂 end";
        let words: Vec<&str> = word_starts(text).iter().map(|at| &text[*at..word_end(text, *at)]).collect();
        assert_eq!(words, ["ақ", "қалпақ", "🙂", "end"]);
    }
}
