//! What the stages ask of a world.

use crate::evaluate::JudgeGroup;

/// A picture and where its small things are.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// `side * side * 3` levels, rows from the top.
    pub rgb: Vec<u8>,
    /// `[left, top, right, bottom]` in pixels of what a caption may name, backdrops left out.
    pub boxes: Vec<[f32; 4]>,
}

/// What is said of a scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// The text.
    pub text: String,
    /// For each group whether the text names its value.
    pub named: Vec<bool>,
}

/// A world without end: a number is a scene, always the same one.
pub trait Scenes: Sync {
    /// What scenes can differ in, with its values; offsets count values from the first group on.
    fn groups(&self) -> &[JudgeGroup];

    /// The picture of `scene`, `side` by `side` pixels.
    fn draw(&self, scene: u64, side: usize) -> Drawn;

    /// For each group the scene's value, if it has the group.
    fn values(&self, scene: u64) -> Vec<Option<usize>>;

    /// A caption that follows from `chance`; of at most `groups` groups if given.
    fn caption(&self, scene: u64, groups: Option<usize>, chance: u64) -> Caption;

    /// The caption that says everything.
    fn full_caption(&self, scene: u64) -> String;

    /// Texts that name one value, as a caption would.
    fn prompts(&self, group: usize, value: usize) -> Vec<String>;

    /// Number `index` of the scenes that are kept for measuring; training counts from 0.
    fn held_out(&self, index: u64) -> u64;
}

/// How many values all groups have together.
pub fn outputs(groups: &[JudgeGroup]) -> usize {
    groups.last().map_or(0, |group| group.offset + group.values.len())
}
