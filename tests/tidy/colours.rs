//! Colours are named once, in `style/tokens.css`, for light and dark together.

use chapan_tests::tree::Source;

use crate::Finding;

const FUNCTIONS: [&str; 7] = ["rgb(", "rgba(", "hsl(", "hsla(", "oklch(", "oklab(", "hwb("];
const NAMES: [&str; 10] =
    ["white", "black", "red", "green", "blue", "gray", "grey", "orange", "yellow", "silver"];

/// Colour literals in style, markup and pages. The icon of the browser's tab cannot read tokens.
pub fn literals(source: &Source) -> Vec<Finding> {
    let ours = source.path.starts_with("style/") || source.path.starts_with("frontend/");
    let exempt = source.path == "style/tokens.css" || source.path.ends_with("favicon.svg");
    let wrong: fn(&str) -> bool = match source.extension() {
        _ if !ours || exempt => return Vec::new(),
        "css" => {
            |line| value(line).is_some_and(|value| has_hex(value) || has_function(value) || has_name(value))
        }
        "svg" => |line| line.contains("=\"#") && has_hex(line),
        "html" | "rs" => |line| line.split('"').skip(1).step_by(2).any(is_literal),
        _ => return Vec::new(),
    };
    source
        .code()
        .filter(|(_, line)| wrong(line))
        .map(|(line, _)| Finding::new(source, line, "a colour literal: give it a name in style/tokens.css"))
        .collect()
}

/// The part of a line of CSS behind the colon of a declaration; selectors end in a brace or comma.
fn value(line: &str) -> Option<&str> {
    let line = line.trim();
    if line.starts_with("/*") || line.starts_with('*') {
        return None;
    }
    let declaration = line.rsplit_once('{').map_or(line, |(_, inside)| inside);
    declaration
        .split_once(':')
        .map(|(_, value)| value)
        .filter(|_| !line.ends_with('{') && !line.ends_with(','))
}

/// A string that is a colour and nothing else.
fn is_literal(text: &str) -> bool {
    (text.starts_with('#') && hex_digits(&text[1..]) == text.len() - 1 && has_hex(text)) || has_function(text)
}

fn has_hex(text: &str) -> bool {
    text.match_indices('#').any(|(at, _)| matches!(hex_digits(&text[at + 1..]), 3 | 4 | 6 | 8))
}

/// How many hexadecimal digits a text begins with; 0 when a longer word begins there.
fn hex_digits(text: &str) -> usize {
    let word = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(text.len());
    if text[..word].bytes().all(|byte| byte.is_ascii_hexdigit()) { word } else { 0 }
}

fn has_function(text: &str) -> bool {
    FUNCTIONS.iter().any(|name| {
        text.match_indices(name)
            .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-'))
    })
}

fn has_name(value: &str) -> bool {
    let words = value.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    words.into_iter().any(|word| NAMES.contains(&word))
}

#[test]
fn colour_literals_are_found() {
    let count = |path: &str, text: &str| literals(&Source::new(path, text)).len();
    assert_eq!(count("style/components/button.css", "  color: #fff;\n"), 1);
    assert_eq!(count("style/components/button.css", "  border: 1px solid rgba(0, 0, 0, 0.4);\n"), 1);
    assert_eq!(count("style/components/button.css", "  background: white;\n"), 1);
    assert_eq!(count("style/components/button.css", ".a { color: black; }\n"), 1);
    assert_eq!(count("frontend/src/pages/studio/mod.rs", "let fill = \"#ffaa00\";\n"), 1);
    assert_eq!(count("style/icons.svg", "<path fill=\"#333\"/>\n"), 1);
}

#[test]
fn names_of_tokens_and_anchors_are_not_colours() {
    let count = |path: &str, text: &str| literals(&Source::new(path, text)).len();
    assert_eq!(count("style/tokens.css", "  --ink: #222;\n"), 0);
    assert_eq!(count("style/base.css", "  color: var(--ink-black);\n"), 0);
    assert_eq!(count("style/base.css", "#face:focus {\n  white-space: pre;\n  mask: url(#fade-in);\n"), 0);
    assert_eq!(count("frontend/src/app.rs", "view! { <a href=\"#added\"/> }\n"), 0);
    assert_eq!(count("style/icons.svg", "<use href=\"#dice\" fill=\"currentColor\"/>\n"), 0);
}
