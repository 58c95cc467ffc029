//! The drawing world as the stages of pretraining ask for it.

use chapan_engine::evaluate::JudgeGroup;
use chapan_engine::training::pretrain::{Caption, Drawn, Scenes};
use chapan_world::{Group, HELD_OUT_SEED, Rng, Scene, groups};

/// What lies behind everything else: never looked at closely for its own sake.
const BACKDROPS: [&str; 4] = ["background", "clothing", "wall", "floor"];

/// The world.
pub struct World {
    groups: Vec<JudgeGroup>,
}

impl World {
    /// The world with all of its groups.
    pub fn new() -> Self {
        let mut offset = 0;
        let group = |group: &Group| {
            let values: Vec<String> = group.values().iter().map(|words| words.value.to_owned()).collect();
            let first = offset;
            offset += values.len();
            JudgeGroup { name: group.name().to_owned(), values, offset: first }
        };
        Self { groups: groups().iter().map(group).collect() }
    }
}

impl Scenes for World {
    fn groups(&self) -> &[JudgeGroup] {
        &self.groups
    }

    fn draw(&self, scene: u64, side: usize) -> Drawn {
        let (picture, regions) = Scene::sample(scene).render(side);
        let named = regions.into_iter().filter(|region| !BACKDROPS.contains(&region.name));
        let boxes = named.map(|region| [region.left, region.top, region.right, region.bottom]).collect();
        Drawn { rgb: picture.rgb, boxes }
    }

    fn values(&self, scene: u64) -> Vec<Option<usize>> {
        let attributes = Scene::sample(scene).attributes();
        let value = |group: &Group| {
            let (_, value) = attributes.iter().find(|(known, _)| known == group)?;
            group.values().iter().position(|words| words.value == *value)
        };
        groups().iter().map(value).collect()
    }

    fn caption(&self, scene: u64, most: Option<usize>, chance: u64) -> Caption {
        let (text, named) = Scene::sample(scene).caption_naming(most, &mut Rng::new(chance));
        Caption { text, named: groups().iter().map(|group| named.contains(group)).collect() }
    }

    fn full_caption(&self, scene: u64) -> String {
        Scene::sample(scene).full_caption()
    }

    fn prompts(&self, group: usize, value: usize) -> Vec<String> {
        let group = groups()[group];
        super::evaluate::phrases(group, group.values()[value].value)
    }

    fn held_out(&self, index: u64) -> u64 {
        HELD_OUT_SEED + index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_name_what_they_say_they_name() {
        let world = World::new();
        for scene in 0..400 {
            let caption = world.caption(scene, Some(2), scene * 7);
            let values = world.values(scene);
            assert!(caption.named.iter().filter(|named| **named).count() <= 2);
            for (group, named) in caption.named.iter().enumerate().filter(|(_, named)| **named) {
                assert!(values[group].is_some() && *named, "{}", caption.text);
            }
        }
    }

    #[test]
    fn nobody_of_the_training_looks_like_the_hero() {
        let world = World::new();
        for scene in 0..300 {
            assert_eq!(world.values(scene).len(), world.groups().len());
            assert_eq!(world.draw(scene, 64).rgb.len(), 64 * 64 * 3);
        }
        assert!(world.held_out(0) > 1 << 32);
    }
}
