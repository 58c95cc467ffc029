//! Names of weight files: which files are weights, and what they are called in the catalog.

use std::path::Path;

use chapan_api::id::ModelId;

/// How files of weights end.
pub const WEIGHTS: &str = "safetensors";

/// Whether a file is one of weights, by its name.
pub fn is_weights(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == WEIGHTS)
}

/// The identifier of what lies in the catalog under this name: a folder's own name, or that of a file without its ending.
pub fn catalog_id(name: &str) -> ModelId {
    let stem = name.strip_suffix(WEIGHTS).and_then(|stem| stem.strip_suffix('.'));
    ModelId::new(stem.filter(|stem| !stem.is_empty()).unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_ending_goes() {
        for (name, id) in [
            ("small-one", "small-one"),
            ("ink.safetensors", "ink"),
            ("ink.v1.2.safetensors", "ink.v1.2"),
            ("ink.safetensors.safetensors", "ink.safetensors"),
            (".safetensors", ".safetensors"),
            ("safetensors", "safetensors"),
        ] {
            assert_eq!(catalog_id(name).as_str(), id);
        }
        assert!(is_weights(Path::new("a/ink.safetensors")) && !is_weights(Path::new("a/safetensors")));
    }
}
