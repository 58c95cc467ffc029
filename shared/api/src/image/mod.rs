//! The noun `image`: a stored picture, where it came from, and the record of how it was made.

mod record;

use serde::{Deserialize, Serialize};

pub use record::{HiresRecord, ImageRecord, Ingredients, LoraRecord, OutpaintRecord, Run, SourceRecord};

use crate::id::{FolderId, GenerationId, GridId, ImageId, UpscaleId};
use crate::metadata::Imported;
use crate::upscale::UpscaleRecord;
use crate::validation::{Checker, FieldError, Rule};

/// Ranges of requests about pictures.
pub mod limits {
    /// Largest file that can be uploaded.
    pub const UPLOAD_BYTES: usize = 32 << 20;
    /// Most pictures of one request that changes or downloads several.
    pub const BATCH: u64 = 500;
    /// Longest text to search for.
    pub const SEARCH_CHARS: u64 = 200;
}

/// Where a picture came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// A generation made it.
    Made,
    /// It was brought in.
    Upload,
    /// It was brought in, or drawn, as a mask. Masks are not listed unless asked for.
    Mask,
    /// It was brought in to be learnt from. References are not listed unless asked for.
    Reference,
    /// A larger copy of another.
    Upscale,
    /// The labelled sheet of a grid.
    Grid,
    /// Made again, to see whether the same comes out. Not listed unless asked for.
    Again,
}

/// A stored picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageView {
    /// The picture.
    pub id: ImageId,
    /// Where it came from.
    pub kind: ImageKind,
    /// The generation that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<GenerationId>,
    /// The request for a larger copy that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upscale: Option<UpscaleId>,
    /// The grid that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<GridId>,
    /// Address of the PNG.
    pub url: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// How it was made, when it was made here, or its file says so in our own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<ImageRecord>,
    /// How it was made larger, when it is a larger copy: then `record` is that of the picture that was enlarged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enlargement: Option<Box<UpscaleRecord>>,
    /// What the file that was brought in says about its making.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Box<Imported>>,
    /// SHA-256 of the PNG, hexadecimal.
    pub sha256: String,
    /// Size of the PNG.
    pub size_bytes: u64,
    /// How long the model worked.
    pub duration_ms: u64,
    /// When it was made, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
    /// Whether it has a star.
    #[serde(default)]
    pub starred: bool,
    /// The folder that it lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<FolderId>,
    /// When it was put into the trash, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at_ms: Option<i64>,
}

impl ImageView {
    /// The words that say what is in it: its prompt, or nothing.
    pub fn prompt(&self) -> &str {
        let made = self.record.as_ref().map(|record| record.prompt.as_str());
        let imported = || self.imported.as_ref().map(|imported| imported.parameters.prompt.as_str());
        made.or_else(imported).unwrap_or_default()
    }
}

/// What to do with several pictures: `POST /api/images/batch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeImages {
    /// The pictures, at most [`limits::BATCH`].
    pub images: Vec<ImageId>,
    /// What to do.
    pub change: ImageChange,
}

/// One change of pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImageChange {
    /// Put them into the trash.
    Delete,
    /// Take them out of the trash.
    Restore,
    /// Give or take the star.
    Star(bool),
    /// Put them into a folder; none takes them out.
    Move(Option<FolderId>),
}

impl ChangeImages {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        if self.images.is_empty() {
            check.fault("images", Rule::Required);
        }
        check.count("images", self.images.len(), limits::BATCH);
        check.finish()
    }
}

/// What became of a change of several pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangedImages {
    /// Those that are now as was asked.
    pub changed: Vec<ImageId>,
    /// Those that do not exist, or are not yours.
    pub missing: Vec<ImageId>,
}

/// What was removed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmptiedTrash {
    /// How many pictures.
    pub removed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_plain_words() {
        let change = |json: &str| serde_json::from_str::<ImageChange>(json).unwrap();
        assert_eq!(change(r#""delete""#), ImageChange::Delete);
        assert_eq!(change(r#"{"star": true}"#), ImageChange::Star(true));
        assert_eq!(change(r#"{"move": null}"#), ImageChange::Move(None));
        assert_eq!(change(r#"{"move": "f"}"#), ImageChange::Move(Some(FolderId::new("f"))));
        let many = ChangeImages { images: vec![ImageId::new("i"); 501], change: ImageChange::Delete };
        assert_eq!(many.validate().unwrap_err()[0].field, "images");
        let none = ChangeImages { images: Vec::new(), change: ImageChange::Delete };
        assert_eq!(none.validate().unwrap_err()[0].rule, Rule::Required);
    }
}
