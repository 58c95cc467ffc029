//! The shape of the repository: what a reviewer would otherwise have to remember.
//!
//! Each check is a function from text to findings, tested beside itself on text that must be found; here they read the
//! tree. A finding says file, line and what to do.

mod colours;
mod dependencies;
mod map;
mod size;
mod translations;
mod words;

use chapan_tests::tree::{self, Source};

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(source: &Source, line: usize, what: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, what: what.into() }
    }
}

/// Runs a check over every text file.
fn over_tree(check: impl Fn(&Source) -> Vec<Finding>) {
    let sources = tree::sources();
    assert!(sources.len() > 20, "the tree was not found");
    none(&sources.iter().flat_map(check).collect::<Vec<_>>());
}

/// Fails with all findings at once.
fn none(findings: &[Finding]) {
    let list = findings.iter().fold(String::new(), |list, Finding { path, line, what }| {
        list + &format!("\n  {path}:{line}: {what}")
    });
    assert!(findings.is_empty(), "{} findings:{list}", findings.len());
}

#[test]
fn files_are_short_enough_to_read() {
    over_tree(size::length);
}

#[test]
fn exceptions_to_the_length_are_still_needed() {
    none(&size::stale_exceptions(&tree::sources()));
}

#[test]
fn every_file_says_what_it_is_for() {
    over_tree(words::opens_with_purpose);
}

#[test]
fn sql_stays_in_the_store() {
    over_tree(words::sql_outside_store);
}

#[test]
fn http_stays_in_the_api() {
    over_tree(words::http_outside_api);
}

#[test]
fn names_say_something() {
    over_tree(words::empty_names);
}

#[test]
fn lints_and_tests_are_not_silenced() {
    over_tree(words::silenced);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    over_tree(words::machine_paths);
}

#[test]
fn tests_wait_for_conditions_not_for_time() {
    over_tree(words::sleeps);
}

#[test]
fn colours_come_from_tokens() {
    over_tree(colours::literals);
}

#[test]
fn every_language_says_everything() {
    none(&translations::check(&tree::sources()));
}

#[test]
fn rooms_depend_in_one_direction() {
    over_tree(dependencies::inside_backend);
}

#[test]
fn only_jobs_and_the_command_line_call_the_engine() {
    over_tree(dependencies::engine_callers);
}

#[test]
fn shared_crates_are_light_and_know_none_of_the_others() {
    let everywhere = dependencies::Graph::of_workspace(None);
    none(&dependencies::directions(&everywhere));
    let shared = ["chapan-api", "chapan-metrics", "chapan-engine", "chapan-world"];
    none(&dependencies::light_crates(&everywhere, &shared));
    // On this machine the front end is only compiled and tested; what counts is what the browser loads.
    let browser = dependencies::Graph::of_workspace(Some("wasm32-unknown-unknown"));
    none(&dependencies::light_crates(&browser, &["chapan-web", "chapan-worker"]));
}

#[test]
fn the_code_map_is_true() {
    none(&map::check(&tree::sources()));
}
