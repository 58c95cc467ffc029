//! Brackets that weigh words: `(more)`, `(much more:1.5)`, `[less]`, and `BREAK`.
//!
//! | written | means |
//! |---|---|
//! | `(words)` | weight times 1.1, and again for every bracket around |
//! | `[words]` | weight divided by 1.1 |
//! | `(words:1.3)` | weight times 1.3; a sign and spaces around the number are allowed |
//! | `\(` `\)` `\[` `\]` `\\` | the character itself; a backslash before anything else disappears |
//! | `BREAK` | the next word starts a new chunk |
//!
//! A bracket that is never closed holds to the end; a closing one without its opening one is a character like any other.
//! These are the rules of A1111's parser, with two differences: `BREAK` inside brackets breaks too, and a number such as
//! `1.2.3` is text where the original fails.

use crate::{Error, Result};

/// What a pair of brackets multiplies a weight with.
const ROUND: f64 = 1.1;
const SQUARE: f64 = 1.0 / 1.1;
/// The deepest nesting of brackets.
const MAX_DEPTH: usize = 100;
/// The largest weight, either sign.
const MAX_WEIGHT: f64 = 100.0;

/// A stretch of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text of one weight.
    Text {
        /// The text, without brackets and escapes.
        text: String,
        /// 1 is neutral.
        weight: f64,
    },
    /// `BREAK`.
    Break,
}

/// Splits a prompt into stretches of equal weight. There is at least one, and no two neighbours have the same weight.
///
/// # Errors
/// When brackets are nested more than 100 deep, or a weight is beyond 100.
pub fn parse_emphasis(prompt: &str) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    let (mut round, mut square): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut rest = prompt;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        let weighted = closing_weight(rest);
        match first {
            '\\' => {
                let escaped = rest[1..].chars().next().filter(|c| "()[]\\".contains(*c));
                length += usize::from(escaped.is_some());
                parts.push(text(escaped.map(String::from).unwrap_or_default()));
            }
            '(' => round.push(parts.len()),
            '[' => square.push(parts.len()),
            ':' if let Some((weight, end)) = weighted
                && let Some(start) = round.pop() =>
            {
                length = end;
                multiply(&mut parts[start..], weight);
            }
            ')' if let Some(start) = round.pop() => multiply(&mut parts[start..], ROUND),
            ']' if let Some(start) = square.pop() => multiply(&mut parts[start..], SQUARE),
            ')' | ']' | ':' => {
                // A weight that closes nothing is text as a whole, its bracket included.
                length = weighted.map_or(length, |(_, end)| end);
                parts.push(text(rest[..length].to_owned()));
            }
            _ => {
                length = rest.find(['\\', '(', ')', '[', ']', ':']).unwrap_or(rest.len());
                push_broken(&rest[..length], &mut parts);
            }
        }
        if round.len() + square.len() > MAX_DEPTH {
            return Err(refusal(
                format!("has more than {MAX_DEPTH} open brackets"),
                "close them, or write `\\(` for a bracket that is meant as a character",
            ));
        }
        rest = &rest[length..];
    }
    for (open, factor) in [(round, ROUND), (square, SQUARE)] {
        for start in open {
            multiply(&mut parts[start..], factor);
        }
    }
    merged(parts)
}

fn text(text: String) -> Part {
    Part::Text { text, weight: 1.0 }
}

fn multiply(parts: &mut [Part], factor: f64) {
    for part in parts {
        if let Part::Text { weight, .. } = part {
            *weight *= factor;
        }
    }
}

/// `: 1.2 )` at the start of `rest`: the weight, and the length with the bracket.
fn closing_weight(rest: &str) -> Option<(f64, usize)> {
    let after = rest.strip_prefix(':')?.trim_start();
    let signed = after.strip_prefix(['+', '-']).unwrap_or(after);
    let end = signed.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number = &after[..after.len() - signed.len() + end];
    let tail = signed[end..].trim_start().strip_prefix(')')?;
    Some((number.parse().ok()?, rest.len() - tail.len()))
}

/// Adds a run of plain text, cut at every word `BREAK`.
fn push_broken(run: &str, parts: &mut Vec<Part>) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut done = 0;
    for (at, word) in run.match_indices("BREAK") {
        let after = at + word.len();
        if run[..at].ends_with(is_word) || run[after..].starts_with(is_word) {
            continue;
        }
        parts.push(text(run[done..at.max(done)].trim_end().to_owned()));
        parts.push(Part::Break);
        done = run.len() - run[after..].trim_start().len();
    }
    parts.push(text(run[done..].to_owned()));
}

/// Joins neighbours of the same weight and checks the weights.
fn merged(parts: Vec<Part>) -> Result<Vec<Part>> {
    let mut merged: Vec<Part> = Vec::new();
    for part in parts {
        if let Part::Text { weight, .. } = part
            && (!weight.is_finite() || weight.abs() > MAX_WEIGHT)
        {
            return Err(refusal(
                format!("gives words the weight `{weight:.3e}`"),
                "weights between 0.5 and 1.5 are usual; brackets multiply theirs",
            ));
        }
        match (merged.last_mut(), part) {
            (Some(Part::Text { text, weight }), Part::Text { text: more, weight: same })
                if *weight == same =>
            {
                text.push_str(&more);
            }
            (_, part) => merged.push(part),
        }
    }
    if merged.is_empty() {
        merged.push(text(String::new()));
    }
    Ok(merged)
}

fn refusal(fault: String, hint: &str) -> Error {
    Error::Parameter { parameter: "prompt", fault, hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(prompt: &str) -> Vec<(String, f64)> {
        let shown = |part| match part {
            Part::Text { text, weight } => (text, (weight * 1e6).round() / 1e6),
            Part::Break => ("BREAK".to_owned(), -1.0),
        };
        parse_emphasis(prompt).unwrap().into_iter().map(shown).collect()
    }

    fn expect(prompt: &str, parts: &[(&str, f64)]) {
        let parts: Vec<_> = parts.iter().map(|(text, weight)| ((*text).to_owned(), *weight)).collect();
        assert_eq!(parse(prompt), parts, "{prompt:?}");
    }

    #[test]
    fn brackets_multiply() {
        expect("a red hat", &[("a red hat", 1.0)]);
        expect("", &[("", 1.0)]);
        expect("a (red) hat", &[("a ", 1.0), ("red", 1.1), (" hat", 1.0)]);
        expect("a ((red)) [hat]", &[("a ", 1.0), ("red", 1.21), (" ", 1.0), ("hat", 0.909091)]);
        expect("(a (b:2) c:0.5)", &[("a ", 0.5), ("b", 1.0), (" c", 0.5)]);
        expect("(a: -1.5 )", &[("a", -1.5)]);
        expect("(a:.5)(b:+1.)", &[("a", 0.5), ("b", 1.0)]);
    }

    #[test]
    fn unbalanced_brackets_hold_to_the_end_or_are_characters() {
        expect("a (b c", &[("a ", 1.0), ("b c", 1.1)]);
        expect("a) b]", &[("a) b]", 1.0)]);
        expect("a [b (c", &[("a ", 1.0), ("b ", 0.909091), ("c", 1.0)]);
        expect("a:1.2) b", &[("a:1.2) b", 1.0)]);
        expect("time 12:30 (x:y)", &[("time 12:30 ", 1.0), ("x:y", 1.1)]);
        expect("(a:1.2.3)", &[("a:1.2.3", 1.1)]);
        expect("(a:.)", &[("a:.", 1.1)]);
    }

    #[test]
    fn escapes_are_characters() {
        expect(r"\(a\) \[b\] \\", &[(r"(a) [b] \", 1.0)]);
        expect(r"a\b", &[("ab", 1.0)]);
        expect(r"(a \(b\):1.5)", &[("a (b)", 1.5)]);
        expect(r"a\", &[("a", 1.0)]);
    }

    #[test]
    fn breaks_are_words_of_their_own() {
        expect("a BREAK b", &[("a", 1.0), ("BREAK", -1.0), ("b", 1.0)]);
        expect("BREAK", &[("", 1.0), ("BREAK", -1.0), ("", 1.0)]);
        expect("BREAKFAST, TEABREAK", &[("BREAKFAST, TEABREAK", 1.0)]);
        expect("a,BREAK,b", &[("a,", 1.0), ("BREAK", -1.0), (",b", 1.0)]);
        expect("(a BREAK b)", &[("a", 1.1), ("BREAK", -1.0), ("b", 1.1)]);
        expect("a BREAK BREAK b", &[("a", 1.0), ("BREAK", -1.0), ("", 1.0), ("BREAK", -1.0), ("b", 1.0)]);
    }

    #[test]
    fn absurd_prompts_are_refused_quickly() {
        for prompt in ["(".repeat(101), "a(".repeat(50_000), "(a:1000)".into(), "(".repeat(60) + "x"] {
            let refusal = parse_emphasis(&prompt).unwrap_err().to_string();
            assert!(refusal.contains("`prompt`") && refusal.contains("hint: "), "{refusal}");
        }
        // Long and harmless.
        assert_eq!(parse_emphasis(&"(a)".repeat(30_000)).unwrap().len(), 1);
    }
}
