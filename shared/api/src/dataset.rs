//! The noun `dataset`: pictures of a character with captions, which trainings learn and competitions measure with.

use serde::{Deserialize, Serialize};

use crate::analysis::{Analysis, PictureAnalysis};
use crate::id::{DatasetId, ImageId};
use crate::job::JobView;
use crate::training::Finding;
use crate::validation::{Checker, FieldError, Rule};

/// Ranges of requests about datasets.
pub mod limits {
    /// Longest name.
    pub const NAME_CHARS: u64 = 80;
    /// Longest trigger word; it may be several words.
    pub const TRIGGER_CHARS: u64 = 40;
    /// Longest caption.
    pub const CAPTION_CHARS: u64 = 2_000;
    /// Most pictures of a dataset.
    pub const PICTURES: u64 = 200;
    /// Largest archive that can be uploaded.
    pub const ARCHIVE_BYTES: usize = 64 << 20;
}

/// The references that ship with the studio.
pub const EXAMPLES: &[&str] = &["aldar"];

/// A dataset of pictures that were brought in before: `POST /api/datasets`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateDataset {
    /// What it is called.
    pub name: String,
    /// The word that will call what is learnt; it is put before captions that lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_word: Option<String>,
    /// Its first pictures, of one's own.
    #[serde(default)]
    pub images: Vec<ImageId>,
}

impl CreateDataset {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        check_name("name", &self.name, &mut check);
        check_trigger(self.trigger_word.as_deref(), &mut check);
        check_images(&self.images, &mut check);
        check.finish()
    }
}

/// A dataset of references that ship with the studio: `POST /api/datasets/example`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateExampleDataset {
    /// Which: one of [`EXAMPLES`].
    pub name: String,
}

impl CreateExampleDataset {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        check.name("name", &self.name, EXAMPLES);
        check.finish()
    }
}

/// A change of a dataset: `PATCH /api/datasets/{id}`. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateDataset {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Another trigger word; an empty one takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_word: Option<String>,
    /// Changes of single pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<UpdatePicture>,
}

/// A change of one picture of a dataset. What is absent stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdatePicture {
    /// The picture.
    pub image: ImageId,
    /// Another caption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Whether it is only measured with, never learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<bool>,
}

impl UpdateDataset {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        if let Some(name) = &self.name {
            check_name("name", name, &mut check);
        }
        check_trigger(self.trigger_word.as_deref(), &mut check);
        check.count("pictures", self.pictures.len(), limits::PICTURES);
        for (index, picture) in self.pictures.iter().take(limits::PICTURES as usize).enumerate() {
            let caption = picture.caption.as_deref().unwrap_or_default();
            check.text(&format!("pictures[{index}].caption"), caption, limits::CAPTION_CHARS);
        }
        check.finish()
    }
}

/// Pictures for a dataset: `POST /api/datasets/{id}/images`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddImages {
    /// The pictures, of one's own. Those that are in the dataset already stay as they are.
    pub images: Vec<ImageId>,
}

impl AddImages {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        if self.images.is_empty() {
            check.fault("images", Rule::Required);
        }
        check_images(&self.images, &mut check);
        check.finish()
    }
}

pub(crate) fn check_name(field: &str, name: &str, check: &mut Checker) {
    if name.trim().is_empty() {
        check.fault(field, Rule::Required);
    }
    check.text(field, name, limits::NAME_CHARS);
    // A name stands in one line: of lists, of addresses, of the LoRA's own title.
    if let Some(line) = name.chars().find(|c| matches!(c, '\n' | '\r' | '\t')) {
        check.fault(field, Rule::ControlCharacter { got: format!("U+{:04X}", u32::from(line)) });
    }
}

fn check_trigger(word: Option<&str>, check: &mut Checker) {
    check.text("trigger_word", word.unwrap_or_default(), limits::TRIGGER_CHARS);
}

fn check_images(images: &[ImageId], check: &mut Checker) {
    check.count("images", images.len(), limits::PICTURES);
}

/// A dataset as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetView {
    /// The dataset.
    pub id: DatasetId,
    /// What it is called.
    pub name: String,
    /// The word that will call what is learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_word: Option<String>,
    /// Its pictures, in the order in which they came.
    pub pictures: Vec<DatasetPicture>,
    /// What its pictures show together, once they were looked at; `pictures` of it stand beside each picture instead. Lists
    /// of datasets leave it out. It is gone when pictures come or go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Box<Analysis>>,
    /// The job that looks at the pictures, while it waits or runs, or when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis_job: Option<Box<JobView>>,
    /// What was found when an archive was read, such as files that are no pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// When it was made, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
}

/// One picture of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetPicture {
    /// The picture; `/api/images/{image}/file` has its pixels.
    pub image: ImageId,
    /// The name of the file that it came from.
    pub name: String,
    /// What is said about it. Empty: what the analysis says is used, or the trigger word alone.
    pub caption: String,
    /// Whether it is only measured with, never learnt.
    pub held_out: bool,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// What it shows, once it was looked at. Lists of datasets leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<PictureAnalysis>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(result: Result<(), Vec<FieldError>>) -> Vec<String> {
        result.err().unwrap_or_default().into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_dataset_needs_a_name_and_takes_so_many_pictures() {
        let read = |json: &str| serde_json::from_str::<CreateDataset>(json).unwrap();
        let plain = read(r#"{"name": "Aldar Köse"}"#);
        assert_eq!((plain.validate(), plain.images.len()), (Ok(()), 0));
        let many = CreateDataset { images: vec![ImageId::new("i"); 200], ..plain.clone() };
        assert_eq!(many.validate(), Ok(()));
        for (bad, field) in [
            (CreateDataset { name: "  ".to_owned(), ..plain.clone() }, "name"),
            (CreateDataset { name: "x".repeat(81), ..plain.clone() }, "name"),
            (CreateDataset { name: "a\nb".to_owned(), ..plain.clone() }, "name"),
            (CreateDataset { trigger_word: Some("x".repeat(41)), ..plain.clone() }, "trigger_word"),
            (CreateDataset { images: vec![ImageId::new("i"); 201], ..plain.clone() }, "images"),
        ] {
            assert_eq!(fields(bad.validate()), [field]);
        }
        assert!(serde_json::from_str::<CreateDataset>(r#"{"name": "a", "owner": "x"}"#).is_err());
        assert_eq!(fields(AddImages::default().validate()), ["images"]);
    }

    #[test]
    fn changes_of_pictures_are_checked_one_by_one() {
        let picture = |caption: &str| UpdatePicture {
            image: ImageId::new("i"),
            caption: Some(caption.to_owned()),
            held_out: None,
        };
        let change = UpdateDataset {
            pictures: vec![picture("smiling"), picture("a\u{0}b"), picture(&"x".repeat(2001))],
            ..UpdateDataset::default()
        };
        assert_eq!(fields(change.validate()), ["pictures[1].caption", "pictures[2].caption"]);
        let none = serde_json::from_str::<UpdateDataset>("{}").unwrap();
        assert_eq!(none.validate(), Ok(()));
        let name = UpdateDataset { name: Some(String::new()), ..none };
        assert_eq!(fields(name.validate()), ["name"]);
    }

    #[test]
    fn only_what_ships_is_an_example() {
        let example = |name: &str| CreateExampleDataset { name: name.to_owned() };
        assert_eq!(example("aldar").validate(), Ok(()));
        assert_eq!(fields(example("../aldar").validate()), ["name"]);
    }
}
