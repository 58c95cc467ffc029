//! Which way dependencies point: between crates by cargo's own word, between the server's rooms by what they import.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use chapan_tests::tree::{self, Source};
use serde_json::Value;

use crate::Finding;

/// Packages and what they build on, without what only their tests use.
pub struct Graph {
    /// Name to names.
    pub edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Asks cargo, for every platform at once or for one; the lock file is enough, so no network is needed.
    pub fn of_workspace(platform: Option<&str>) -> Self {
        let cargo = Command::new(env!("CARGO"))
            .current_dir(tree::root())
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(platform.into_iter().flat_map(|platform| ["--filter-platform", platform]))
            .output()
            .expect("cargo runs");
        assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
        Self::parse(&serde_json::from_slice(&cargo.stdout).expect("cargo prints JSON"))
    }

    fn parse(metadata: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let name_of: BTreeMap<String, String> = list(&metadata["packages"])
            .iter()
            .filter_map(|package| {
                Some((package["id"].as_str()?.to_owned(), package["name"].as_str()?.to_owned()))
            })
            .collect();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let Some(name) = node["id"].as_str().and_then(|id| name_of.get(id)) else { continue };
            let targets = edges.entry(name.clone()).or_default();
            for dependency in list(&node["deps"]) {
                let ships =
                    list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].as_str() != Some("dev"));
                if let Some(target) =
                    dependency["pkg"].as_str().and_then(|id| name_of.get(id)).filter(|_| ships)
                {
                    targets.insert(target.clone());
                }
            }
        }
        Self { edges }
    }

    /// Everything a package builds on, at any distance.
    fn reach(&self, package: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = vec![package];
        while let Some(name) = next.pop() {
            for target in self.edges.get(name).into_iter().flatten() {
                if reached.insert(target.as_str()) {
                    next.push(target);
                }
            }
        }
        reached
    }
}

/// Too heavy for the browser, or of the server only.
const SERVER_ONLY: [&str; 5] = ["tokio", "axum", "sqlx", "reqwest", "hyper"];
/// `candle_transformers` has models of its own, without tests: ours are in the engine.
const NOWHERE: [&str; 1] = ["candle-transformers"];

/// Each crate with those crates of the workspace it may build on.
const ALLOWED: [(&str, &[&str]); 7] = [
    ("chapan-api", &[]),
    ("chapan-metrics", &[]),
    ("chapan-world", &[]),
    ("chapan-engine", &["chapan-metrics"]),
    // By cargo's own word features are not told apart: the page takes the worker's messages alone.
    ("chapan-web", &["chapan-api", "chapan-metrics", "chapan-engine", "chapan-world", "chapan-worker"]),
    ("chapan-worker", &["chapan-api", "chapan-metrics", "chapan-engine", "chapan-world"]),
    ("chapan", &["chapan-api", "chapan-metrics", "chapan-engine", "chapan-world"]),
];

pub fn directions(graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fault =
        |package: &str, what: String| findings.push(Finding { path: package.to_owned(), line: 1, what });
    for (package, allowed) in ALLOWED {
        if !graph.edges.contains_key(package) {
            fault(package, "is not in the workspace: correct the list of this check".to_owned());
        }
        let reached = graph.reach(package);
        for other in reached.iter().filter(|name| ALLOWED.iter().any(|(ours, _)| ours == *name)) {
            if !allowed.contains(other) {
                fault(package, format!("must not depend on {other}"));
            }
        }
        for banned in NOWHERE.iter().filter(|name| reached.contains(*name)) {
            fault(package, format!("must not depend on {banned}"));
        }
    }
    findings
}

/// The shared crates on any platform, and what the browser loads on its own.
pub fn light_crates(graph: &Graph, packages: &[&str]) -> Vec<Finding> {
    let heavy = packages.iter().flat_map(|package| {
        let reached = graph.reach(package);
        let heavy = SERVER_ONLY.iter().filter(move |name| reached.contains(*name));
        heavy.map(|name| Finding {
            path: (*package).to_owned(),
            line: 1,
            what: format!("must not depend on {name}, at any distance"),
        })
    });
    heavy.collect()
}

/// Rooms of the server with the rooms they may import. `config`, `clock` and `ids` are known to all; `auth` answers in the
/// errors of `api`.
const ROOMS: [(&str, &[&str]); 10] = [
    ("store", &[]),
    ("files", &[]),
    ("datasets", &["files"]),
    ("providers", &[]),
    ("hub", &[]),
    ("events", &[]),
    ("auth", &["store", "api"]),
    ("compete", &["providers", "store", "files", "events"]),
    ("jobs", &["providers", "hub", "compete", "store", "files", "datasets", "events"]),
    ("api", &["auth", "jobs", "hub", "store", "files", "datasets", "events"]),
];

pub fn inside_backend(source: &Source) -> Vec<Finding> {
    let Some(path) = source.path.strip_prefix("backend/src/") else { return Vec::new() };
    let Some((room, allowed)) =
        ROOMS.iter().find(|(room, _)| path.starts_with(&format!("{room}/")) || path == format!("{room}.rs"))
    else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (line, text) in source.code() {
        for imported in imported_rooms(text) {
            let is_room = ROOMS.iter().any(|(name, _)| *name == imported);
            if (is_room || imported == "cli") && imported != *room && !allowed.contains(&imported) {
                findings.push(Finding::new(source, line, format!("`{room}` must not know `{imported}`")));
            }
        }
    }
    findings
}

/// The first names behind `crate::`, also in `crate::{a, b}`.
fn imported_rooms(line: &str) -> Vec<&str> {
    let mut rooms = Vec::new();
    for (at, mark) in line.match_indices("crate::") {
        let rest = &line[at + mark.len()..];
        let list = rest.strip_prefix('{').map_or(rest, |list| list.split('}').next().unwrap_or(list));
        let names = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
        for name in names {
            let name = name.trim();
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
            rooms.push(&name[..end]);
        }
    }
    rooms
}

pub fn engine_callers(source: &Source) -> Vec<Finding> {
    let Some(path) = source.path.strip_prefix("backend/src/") else { return Vec::new() };
    if path.starts_with("jobs/") || path.starts_with("cli/") || source.extension() != "rs" {
        return Vec::new();
    }
    let calls = source.code().filter(|(_, line)| line.contains("chapan_engine"));
    calls.map(|(line, _)| Finding::new(source, line, "the engine is called from jobs and cli only")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let mut all: BTreeMap<String, BTreeSet<String>> =
            ALLOWED.iter().map(|(name, _)| ((*name).to_owned(), BTreeSet::new())).collect();
        for (from, to) in edges {
            all.entry((*from).to_owned()).or_default().extend(to.iter().map(|name| (*name).to_owned()));
        }
        Graph { edges: all }
    }

    #[test]
    fn forbidden_crates_are_found_at_any_distance() {
        assert_eq!(directions(&graph(&[("chapan-engine", &["chapan-metrics", "rayon"])])), []);
        assert_eq!(
            light_crates(&graph(&[("chapan-api", &["x"]), ("x", &["tokio"])]), &["chapan-api"]).len(),
            1
        );
        assert_eq!(light_crates(&graph(&[("chapan-api", &["x"])]), &["chapan-api"]), []);
        assert_eq!(directions(&graph(&[("chapan-world", &["chapan-engine"])])).len(), 1);
        assert_eq!(directions(&graph(&[("chapan-web", &["chapan"])])).len(), 1);
        assert_eq!(directions(&graph(&[("chapan-engine", &["candle-transformers"])])).len(), 1);
    }

    #[test]
    fn what_only_tests_use_does_not_count() {
        let metadata = serde_json::json!({
            "packages": [{"id": "a", "name": "chapan-api"}, {"id": "t", "name": "tokio"}],
            "resolve": {"nodes": [{"id": "a", "deps": [{"pkg": "t", "dep_kinds": [{"kind": "dev"}]}]}]},
        });
        assert!(Graph::parse(&metadata).edges["chapan-api"].is_empty());
    }

    #[test]
    fn a_room_that_knows_too_much_is_found() {
        let count = |path: &str, text: &str| inside_backend(&Source::new(path, text)).len();
        assert_eq!(count("backend/src/store/jobs.rs", "use crate::events::Bus;\n"), 1);
        assert_eq!(count("backend/src/store/jobs.rs", "use crate::clock::Clock;\n"), 0);
        assert_eq!(count("backend/src/api/jobs.rs", "use crate::{jobs, providers::Freepik};\n"), 1);
        assert_eq!(count("backend/src/jobs/run.rs", "use crate::api::error;\n"), 1);
        assert_eq!(count("backend/src/jobs/run.rs", "use crate::store::Store;\n"), 0);
    }

    #[test]
    fn a_foreign_caller_of_the_engine_is_found() {
        let text = "use chapan_engine::pipelines::StableDiffusionXl;\n";
        assert_eq!(engine_callers(&Source::new("backend/src/api/generations.rs", text)).len(), 1);
        assert_eq!(engine_callers(&Source::new("backend/src/jobs/generation.rs", text)).len(), 0);
    }
}
