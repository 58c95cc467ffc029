//! The noun `folder`: a place in the gallery. A picture lies in one folder or in none.

use serde::{Deserialize, Serialize};

use crate::id::FolderId;
use crate::validation::{Checker, FieldError, Rule};

/// Longest name of a folder.
pub const NAME_CHARS: u64 = 80;

/// A folder to be made or renamed: `POST /api/folders`, `PUT /api/folders/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NameFolder {
    /// The name, different from those of one's other folders.
    pub name: String,
}

impl NameFolder {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        if self.name.trim().is_empty() {
            check.fault("name", Rule::Required);
        }
        check.text("name", &self.name, NAME_CHARS);
        check.finish()
    }
}

/// A folder of the gallery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FolderView {
    /// The folder.
    pub id: FolderId,
    /// Its name.
    pub name: String,
    /// Pictures in it, without those in the trash.
    pub images: u64,
}
