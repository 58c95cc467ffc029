//! Files that fit into a head.

use chapan_tests::tree::Source;

use crate::Finding;

const MOST_LINES: usize = 600;
const MOST_LINES_OF_TESTS: usize = 900;

/// Reviewed: a file that is one list, and would not be clearer as two.
const EXCEPTIONS: [(&str, usize); 0] = [];

/// Rust, style and script have a limit; data has none.
fn limit(source: &Source) -> Option<usize> {
    match source.extension() {
        "rs" | "py" | "css" | "js" | "sql" | "sh" => {}
        _ => return None,
    }
    if let Some((_, lines)) = EXCEPTIONS.iter().find(|(path, _)| *path == source.path) {
        return Some(*lines);
    }
    let is_test = source.path.starts_with("tests/") || source.path.contains("/tests/");
    Some(if is_test { MOST_LINES_OF_TESTS } else { MOST_LINES })
}

pub fn length(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    match limit(source) {
        Some(limit) if lines > limit => {
            vec![Finding::new(
                source,
                limit,
                format!("{lines} lines, at most {limit}: split it where it has two reasons to change"),
            )]
        }
        _ => Vec::new(),
    }
}

pub fn stale_exceptions(sources: &[Source]) -> Vec<Finding> {
    let needed = |path: &str| {
        sources.iter().any(|source| source.path == path && source.text.lines().count() > MOST_LINES)
    };
    let stale = EXCEPTIONS.iter().filter(|(path, _)| !needed(path));
    stale
        .map(|(path, _)| Finding {
            path: (*path).to_owned(),
            line: 1,
            what: "needs no exception any more".to_owned(),
        })
        .collect()
}

#[test]
fn long_files_are_found() {
    let lines = |count| "let x = 1;\n".repeat(count);
    assert_eq!(length(&Source::new("shared/engine/src/a.rs", &lines(601))).len(), 1);
    assert_eq!(length(&Source::new("shared/engine/src/a.rs", &lines(600))).len(), 0);
    assert_eq!(length(&Source::new("shared/engine/tests/a.rs", &lines(900))).len(), 0);
    assert_eq!(length(&Source::new("tests/api/a.rs", &lines(901))).len(), 1);
    assert_eq!(length(&Source::new("assets/words.json", &lines(5000))).len(), 0);
}
