//! One line of a data set: what a trainer needs to know about a picture.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::picture::{Picture, Region};
use crate::rng::Rng;
use crate::scene::Scene;

/// Random captions in a record.
pub const CAPTIONS: usize = 4;
const CAPTION_STREAM: u64 = 3;

/// Metadata of one picture, as one line of `metadata.jsonl`.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The picture beside the metadata, where the picture is a file of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// The scene's seed.
    pub seed: u64,
    /// `portrait` or `room`.
    pub kind: &'static str,
    /// Group -> value.
    pub attributes: BTreeMap<&'static str, &'static str>,
    /// The caption that says everything.
    pub full_caption: String,
    /// Captions by chance.
    pub captions: Vec<String>,
    /// Name -> `[left, top, right, bottom]` in pixels.
    pub regions: BTreeMap<&'static str, [f32; 4]>,
}

impl Record {
    /// The picture of `scene` at `size` and its metadata.
    pub fn of(scene: &Scene, size: usize) -> (Picture, Self) {
        let (picture, regions) = scene.render(size);
        let mut rng = Rng::for_purpose(scene.seed, CAPTION_STREAM);
        let record = Self {
            file_name: None,
            seed: scene.seed,
            kind: scene.kind(),
            attributes: scene.attributes().into_iter().map(|(group, value)| (group.name(), value)).collect(),
            full_caption: scene.full_caption(),
            captions: (0..CAPTIONS).map(|_| scene.caption(&mut rng)).collect(),
            regions: regions.iter().map(|r| (r.name, edges(r))).collect(),
        };
        (picture, record)
    }

    /// The record as one line of JSON, without the line's end.
    ///
    /// # Errors
    /// Never for records made by [`Record::of`]; serialisation asks for the type.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

fn edges(region: &Region) -> [f32; 4] {
    [region.left, region.top, region.right, region.bottom]
}
