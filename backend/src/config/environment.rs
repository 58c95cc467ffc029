//! The process environment, read once and passed on.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The variables that the program looks at.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process. Names and values that are not Unicode are left out.
    pub fn from_process() -> Self {
        let known = |name: &str| name.starts_with("CHAPAN_") || matches!(name, "HOME" | "XDG_DATA_HOME");
        let pairs = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, value)| known(name) && !value.is_empty());
        Self(pairs.collect())
    }

    /// An environment of the given variables, for tests and embedding.
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// The value of a variable, if it is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a variable that holds a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }
}
