//! The code map of ARCHITECTURE.md names what is there, and all of it.

use std::collections::BTreeSet;

use chapan_tests::tree::Source;

use crate::Finding;

/// Folders whose own folders and files are rooms: each must be on the map.
const ROOMS: [&str; 5] = ["shared", "backend/src", "shared/engine/src", "frontend/src", "tests"];
/// Below the rooms, not rooms: entry points, and data.
const NOT_ROOMS: [&str; 5] = ["lib.rs", "main.rs", "mod.rs", "Cargo.toml", "README.md"];

/// Compares the paths in the section "Code map" with the tree.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let fault = |line, what: String| Finding { path: "ARCHITECTURE.md".to_owned(), line, what };
    let Some(document) = sources.iter().find(|source| source.path == "ARCHITECTURE.md") else {
        return vec![fault(1, "is missing".to_owned())];
    };
    let mapped = mapped(document);
    if mapped.is_empty() {
        return vec![fault(1, "has no section `## Code map` with paths in backticks".to_owned())];
    }
    let exists = |path: &str| {
        let folder = format!("{}/", path.trim_end_matches('/'));
        sources.iter().any(|source| source.path == path || source.path.starts_with(&folder))
    };
    let gone = mapped
        .iter()
        .filter(|(_, path)| !exists(path))
        .map(|(line, path)| fault(*line, format!("`{path}` does not exist")));
    let paths: BTreeSet<&str> = mapped.iter().map(|(_, path)| path.trim_end_matches('/')).collect();
    let unmapped = rooms(sources).into_iter().filter(|room| !paths.contains(room.as_str()));
    gone.chain(unmapped.map(|room| fault(1, format!("`{room}` is not on the code map")))).collect()
}

/// Paths in backticks between `## Code map` and the next heading of that rank.
fn mapped(document: &Source) -> Vec<(usize, &str)> {
    let section = document.lines().skip_while(|(_, line)| *line != "## Code map").skip(1);
    let section = section.take_while(|(_, line)| !line.starts_with("## "));
    section
        .flat_map(|(line, text)| text.split('`').skip(1).step_by(2).map(move |path| (line, path)))
        .filter(|(_, path)| path.contains('/') && !path.contains(' ') && !path.contains("::"))
        .collect()
}

fn rooms(sources: &[Source]) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for folder in ROOMS {
        let inside = sources.iter().filter_map(|source| source.path.strip_prefix(folder)?.strip_prefix('/'));
        for path in inside {
            let name = path.split('/').next().unwrap_or(path);
            if !NOT_ROOMS.contains(&name) {
                rooms.insert(format!("{folder}/{name}"));
            }
        }
    }
    rooms
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "# A\n## Code map\n- `shared/api/` types\n- `backend/src/store/` rows\n## Next\n`backend/src/gone/`\n";

    fn findings(map: &str, paths: &[&str]) -> Vec<String> {
        let mut sources: Vec<Source> = paths.iter().map(|path| Source::new(path, "")).collect();
        sources.push(Source::new("ARCHITECTURE.md", map));
        check(&sources).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_true_map_passes() {
        assert_eq!(
            findings(MAP, &["shared/api/src/lib.rs", "backend/src/store/mod.rs", "backend/src/lib.rs"]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_room_that_is_gone_is_found() {
        assert_eq!(findings(MAP, &["shared/api/src/lib.rs"]), ["`backend/src/store/` does not exist"]);
    }

    #[test]
    fn a_room_that_is_not_on_the_map_is_found() {
        let paths = ["shared/api/src/lib.rs", "backend/src/store/mod.rs", "backend/src/clock.rs"];
        assert_eq!(findings(MAP, &paths), ["`backend/src/clock.rs` is not on the code map"]);
    }

    #[test]
    fn no_map_is_a_fault() {
        assert_eq!(findings("# A\n", &[]).len(), 1);
        assert_eq!(check(&[]).len(), 1);
    }
}
