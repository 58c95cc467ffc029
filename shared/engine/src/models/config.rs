//! What the configurations of all networks share.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// Parses the JSON text of component `what`'s configuration.
pub fn parse_config<T: DeserializeOwned>(what: &'static str, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| {
        Error::config(
            what,
            format!("the JSON is not understood: {error}"),
            "take the file that was published with the weights, unchanged",
        )
    })
}

/// A setting given once for all blocks or once for each.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum PerBlock<T> {
    /// The same everywhere.
    All(T),
    /// One for each block, outermost first.
    Each(Vec<T>),
}

impl<T: Copy> PerBlock<T> {
    /// The value of block `index`, if there is one.
    pub fn at(&self, index: usize) -> Option<T> {
        match self {
            Self::All(value) => Some(*value),
            Self::Each(values) => values.get(index).copied(),
        }
    }

    /// One value for each of `blocks` blocks; `field` of component `what` names the setting.
    pub fn expand(&self, what: &'static str, field: &str, blocks: usize) -> Result<Vec<T>> {
        match self {
            Self::All(value) => Ok(vec![*value; blocks]),
            Self::Each(values) if values.len() == blocks => Ok(values.clone()),
            Self::Each(values) => Err(Error::config(
                what,
                format!("`{field}` has {} entries for {blocks} blocks", values.len()),
                "give one number, or one for each block",
            )),
        }
    }
}

/// Refuses a setting that is implemented for one value only.
pub(super) fn require<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    field: &str,
    got: &T,
    implemented: &T,
) -> Result<()> {
    if got == implemented {
        return Ok(());
    }
    Err(Error::config(
        what,
        format!("`{field}` is `{got:?}`; only `{implemented:?}` is implemented"),
        "this checkpoint is of a variant that the engine does not compute yet",
    ))
}
