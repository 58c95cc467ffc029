//! Words that stand where they should not.

use chapan_tests::tree::Source;

use crate::Finding;

/// Findings for every code line of a Rust file that a predicate picks.
fn in_rust(source: &Source, what: &str, wrong: impl Fn(&str) -> bool) -> Vec<Finding> {
    if source.extension() != "rs" {
        return Vec::new();
    }
    source.code().filter(|(_, line)| wrong(line)).map(|(line, _)| Finding::new(source, line, what)).collect()
}

pub fn opens_with_purpose(source: &Source) -> Vec<Finding> {
    if source.extension() == "rs" && !source.text.starts_with("//! ") {
        return vec![Finding::new(
            source,
            1,
            "open with `//!`: what the file is for and what it must not know",
        )];
    }
    Vec::new()
}

/// Whether a word occurs with no letter, digit or underscore beside it.
fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        !joins(line[..at].chars().next_back()) && !joins(line[at + word.len()..].chars().next())
    })
}

pub fn sql_outside_store(source: &Source) -> Vec<Finding> {
    let elsewhere = ["backend/src/", "frontend/", "shared/"].iter().any(|room| source.path.starts_with(room))
        && !source.path.starts_with("backend/src/store/");
    if !elsewhere {
        return Vec::new();
    }
    let statements = [
        ("SELECT", "FROM"),
        ("INSERT", "INTO"),
        ("UPDATE", "SET"),
        ("DELETE", "FROM"),
        ("CREATE", "TABLE"),
        ("CREATE", "INDEX"),
        ("ALTER", "TABLE"),
        ("PRAGMA", "PRAGMA"),
    ];
    in_rust(source, "SQL belongs in backend/src/store", |line| {
        statements.iter().any(|(one, two)| has_word(line, one) && has_word(line, two))
            || line.contains("sqlx::query")
    })
}

pub fn http_outside_api(source: &Source) -> Vec<Finding> {
    let inside = source.path.starts_with("backend/src/");
    if !inside || ["api/", "auth/"].iter().any(|room| source.path["backend/src/".len()..].starts_with(room)) {
        return Vec::new();
    }
    in_rust(source, "HTTP belongs in backend/src/api and auth: return a type of the room instead", |line| {
        has_word(line, "StatusCode") || has_word(line, "Json") || line.contains("axum::response")
    })
}

const EMPTY_NAMES: [&str; 9] =
    ["utils", "util", "helpers", "helper", "common", "manager", "service", "base", "misc"];

pub fn empty_names(source: &Source) -> Vec<Finding> {
    if source.extension() != "rs" {
        return Vec::new();
    }
    let parts = source.path.trim_end_matches(".rs").split('/');
    parts
        .filter(|part| EMPTY_NAMES.contains(part))
        .map(|part| Finding::new(source, 1, format!("`{part}` says nothing: name it after what it holds")))
        .collect()
}

pub fn silenced(source: &Source) -> Vec<Finding> {
    let marks = [concat!("#[", "allow("), concat!("#![", "allow("), concat!("#[", "ignore")];
    in_rust(source, "not silenced: fix it, or `#[expect(.., reason = \"..\")]`", |line| {
        marks.iter().any(|mark| line.contains(mark))
    })
}

pub fn machine_paths(source: &Source) -> Vec<Finding> {
    let homes = [
        concat!("/", "root/"),
        concat!("/", "home/"),
        concat!("/", "Users/"),
        concat!("/", "work/"),
        concat!("C:\\", "Users"),
    ];
    if source.path == "Cargo.lock" || source.path.starts_with("LICENSE") {
        return Vec::new();
    }
    let begins = |line: &str, home: &str| {
        let joined = |c: char| c.is_alphanumeric() || "_-.~}/".contains(c);
        line.match_indices(home).any(|(at, _)| !line[..at].chars().next_back().is_some_and(joined))
    };
    let wrong = source.lines().filter(|(_, line)| homes.iter().any(|home| begins(line, home)));
    wrong.map(|(line, _)| Finding::new(source, line, "a path of one machine")).collect()
}

pub fn sleeps(source: &Source) -> Vec<Finding> {
    let is_test = source.path.starts_with("tests/") || source.path.contains("/tests/");
    if !is_test || source.path.starts_with("tests/bench/") {
        return Vec::new();
    }
    let calls = [
        concat!("sle", "ep("),
        concat!("sle", "ep_until("),
        concat!("Instant::", "now()"),
        concat!("SystemTime::", "now()"),
    ];
    // The one place that waits: it asks again and again whether a condition holds, and gives up after a limit.
    if source.path == "tests/support/wait.rs" {
        return Vec::new();
    }
    in_rust(source, "wait for a condition (`chapan_tests::wait`), not for time", |line| {
        calls.iter().any(|call| line.contains(call))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(path: &str, text: &str) -> Source {
        Source::new(path, text)
    }

    #[test]
    fn a_file_without_purpose_is_found() {
        assert_eq!(opens_with_purpose(&rust("a.rs", "use std::fs;\n")).len(), 1);
        assert_eq!(opens_with_purpose(&rust("a.rs", "//! Files.\nuse std::fs;\n")).len(), 0);
    }

    #[test]
    fn sql_is_found_outside_the_store_only() {
        let text = "let rows = ask(\"SELECT id FROM jobs\");\n// SELECT x FROM y in a comment\n";
        assert_eq!(sql_outside_store(&rust("backend/src/api/jobs.rs", text)).len(), 1);
        assert_eq!(sql_outside_store(&rust("backend/src/store/jobs.rs", text)).len(), 0);
        assert_eq!(
            sql_outside_store(&rust("backend/src/api/jobs.rs", "/// select one from many\n")).len(),
            0
        );
        assert_eq!(sql_outside_store(&rust("backend/src/jobs/run.rs", "sqlx::query(statement)")).len(), 1);
    }

    #[test]
    fn http_is_found_outside_the_api_only() {
        let text = "fn refuse() -> StatusCode {\n    todo\n}\n";
        assert_eq!(http_outside_api(&rust("backend/src/jobs/run.rs", text)).len(), 1);
        assert_eq!(http_outside_api(&rust("backend/src/api/error.rs", text)).len(), 0);
        assert_eq!(http_outside_api(&rust("backend/src/files/mod.rs", "struct JsonRecord;")).len(), 0);
    }

    #[test]
    fn empty_names_are_found() {
        assert_eq!(empty_names(&rust("backend/src/utils.rs", "")).len(), 1);
        assert_eq!(empty_names(&rust("backend/src/common/time.rs", "")).len(), 1);
        assert_eq!(empty_names(&rust("backend/src/baseline.rs", "")).len(), 0);
    }

    #[test]
    fn silenced_lints_and_tests_are_found() {
        assert_eq!(silenced(&rust("a.rs", concat!("#[", "allow(dead_code)]\n"))).len(), 1);
        assert_eq!(silenced(&rust("a.rs", concat!("    #[", "ignore]\n"))).len(), 1);
        assert_eq!(silenced(&rust("a.rs", "#[expect(dead_code, reason = \"..\")]\n")).len(), 0);
    }

    #[test]
    fn machine_paths_are_found() {
        assert_eq!(machine_paths(&rust("a.md", concat!("see /", "home/aida/chapan"))).len(), 1);
        assert_eq!(machine_paths(&rust("a.rs", concat!("open(\"/", "root/.cache\")"))).len(), 1);
        assert_eq!(machine_paths(&rust("a.md", concat!("GET https://example.org/", "work/1"))).len(), 0);
        assert_eq!(machine_paths(&rust("a.css", concat!("url(./", "work/x.svg)"))).len(), 0);
    }

    #[test]
    fn sleeping_tests_are_found() {
        let text = concat!("std::thread::sle", "ep(SECOND);\n");
        assert_eq!(sleeps(&rust("tests/api/jobs.rs", text)).len(), 1);
        assert_eq!(sleeps(&rust("backend/src/jobs/run.rs", text)).len(), 0);
    }
}
