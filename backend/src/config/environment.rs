//! The process environment, read once and passed on.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::Secret;

/// The variables that the program looks at. Its `Debug` names them without their values: some are secrets.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process. Names and values that are not Unicode are left out.
    pub fn from_process() -> Self {
        let known = |name: &str| {
            name.starts_with("CHAPAN_")
                || matches!(name, "HOME" | "XDG_DATA_HOME" | "HF_TOKEN" | "HF_ENDPOINT")
        };
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

    /// The value of a variable that holds a secret.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name).and_then(Secret::new)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
