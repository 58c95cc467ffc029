//! Lists in pages: a cursor, not a page number, so that new rows do not shift what was read.

use serde::{Deserialize, Serialize};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Pass as `cursor` to get the next page; absent on the last.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

fn none() -> Option<String> {
    None
}
