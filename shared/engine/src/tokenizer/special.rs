//! Special tokens inside text: found before anything else is done to it.

use serde::Deserialize;

/// A token that is cut out of the text whole.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "so many switches the file has")]
pub(super) struct SpecialToken {
    pub(super) content: String,
    /// Takes the white space before it along.
    #[serde(default)]
    pub(super) lstrip: bool,
    /// Takes the white space after it along.
    #[serde(default)]
    pub(super) rstrip: bool,
    /// Counts only where no word continues on either side.
    #[serde(default)]
    pub(super) single_word: bool,
    /// Searched for in the normalised text, not in the raw one.
    #[serde(default)]
    pub(super) normalized: bool,
}

impl SpecialToken {
    /// A token given by its text alone.
    pub(super) fn plain(content: &str) -> Self {
        Self {
            content: content.to_owned(),
            lstrip: false,
            rstrip: false,
            single_word: false,
            normalized: false,
        }
    }
}

/// A stretch of text, or a special token that stood in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Span<'a> {
    Text(&'a str),
    Token(u32),
}

/// A token to look for: what is searched, its rules and its id.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) text: String,
    pub(super) token: SpecialToken,
    pub(super) id: u32,
}

/// Cuts the tokens of `patterns` out of `text`: at each place the longest, from left to right. Each span comes with the
/// byte of `text` where it begins.
pub(super) fn cut<'a>(text: &'a str, patterns: &[Pattern]) -> Vec<(usize, Span<'a>)> {
    let mut spans = Vec::new();
    let mut done = 0;
    let mut from = 0;
    while let Some((start, pattern)) = find(text, from, patterns) {
        let stop = start + pattern.text.len();
        from = stop;
        let rules = &pattern.token;
        let continues = |c: Option<char>| c.is_some_and(is_word);
        if rules.single_word
            && (continues(text[..start].chars().next_back()) || continues(text[stop..].chars().next()))
        {
            continue;
        }
        let start = if rules.lstrip { text[..start].trim_end().len().max(done) } else { start };
        let stop = if rules.rstrip { text.len() - text[stop..].trim_start().len() } else { stop };
        if done < start {
            spans.push((done, Span::Text(&text[done..start])));
        }
        spans.push((start, Span::Token(pattern.id)));
        done = stop;
        from = from.max(stop);
    }
    if done < text.len() {
        spans.push((done, Span::Text(&text[done..])));
    }
    spans
}

fn find<'a>(text: &str, from: usize, patterns: &'a [Pattern]) -> Option<(usize, &'a Pattern)> {
    let found = patterns.iter().filter(|pattern| !pattern.text.is_empty());
    found
        .filter_map(|pattern| text[from..].find(&pattern.text).map(|at| (from + at, pattern)))
        .min_by_key(|(at, pattern)| (*at, std::cmp::Reverse(pattern.text.len())))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(token: SpecialToken, id: u32) -> Pattern {
        Pattern { text: token.content.clone(), token, id }
    }

    #[test]
    fn the_longest_at_the_leftmost_place_is_cut() {
        let patterns = [pattern(SpecialToken::plain("<a>"), 1), pattern(SpecialToken::plain("<a><b>"), 2)];
        let spans = cut("x<a><b><a>y", &patterns);
        assert_eq!(
            spans,
            [(0, Span::Text("x")), (1, Span::Token(2)), (7, Span::Token(1)), (10, Span::Text("y"))]
        );
        assert_eq!(cut("plain", &patterns), [(0, Span::Text("plain"))]);
        assert_eq!(cut("", &patterns), []);
    }

    #[test]
    fn stripping_and_word_boundaries() {
        let mut wide = SpecialToken::plain("[m]");
        (wide.lstrip, wide.rstrip) = (true, true);
        let expected = [(0, Span::Text("a")), (1, Span::Token(7)), (7, Span::Text("b"))];
        assert_eq!(cut("a [m]  b", &[pattern(wide, 7)]), expected);
        let mut word = SpecialToken::plain("sks");
        word.single_word = true;
        let spans = cut("asks sks", &[pattern(word, 7)]);
        assert_eq!(spans, [(0, Span::Text("asks ")), (5, Span::Token(7))]);
    }
}
