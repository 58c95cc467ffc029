//! What the world promises: its mix of scenes, honest captions, things large enough to be learnt.

use std::collections::{BTreeMap, BTreeSet};

use chapan_world::{
    Accessory, Age, Background, Clothing, Expression, Eyes, Face, FacialHair, Group, HELD_OUT_SEED, Hair,
    Picture, Portrait, Pose, Record, Region, Rng, Scene, Style, Subject, groups,
};

/// Every word that a caption may use, and its tokens in CLIP's vocabulary.
const VOCABULARY: &str = include_str!("vocabulary.txt");

fn portrait(scene: &Scene) -> Option<&Portrait> {
    match &scene.subject {
        Subject::Portrait(portrait) => Some(portrait),
        Subject::Room(_) => None,
    }
}

fn region(regions: &[Region], name: &str) -> Option<Region> {
    regions.iter().find(|region| region.name == name).cloned()
}

#[test]
fn the_hero_and_his_doubles_are_never_sampled() {
    for seed in (0..100_000).chain(HELD_OUT_SEED..HELD_OUT_SEED + 10_000) {
        if let Some(person) = portrait(&Scene::sample(seed)) {
            assert!(
                person.hero_attributes() < 4,
                "seed {seed} has {} of his attributes",
                person.hero_attributes()
            );
            assert!(!person.heirloom, "seed {seed} wears his collar");
        }
    }
}

#[test]
fn the_hero_is_always_himself() {
    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let scene = Scene::hero(seed);
        let person = portrait(&scene).unwrap();
        assert_eq!(person.hero_attributes(), 5);
        assert!(person.heirloom);
        seen.extend(scene.attributes());
    }
    for group in [Group::Style, Group::Expression, Group::Background, Group::Pose] {
        let values = seen.iter().filter(|(g, _)| *g == group).count();
        assert_eq!(values, group.values().len(), "{} varies", group.name());
    }
}

#[test]
fn every_value_has_its_share() {
    let seeds = 20_000;
    let mut counts: BTreeMap<(Group, &str), usize> = BTreeMap::new();
    let mut portraits = 0;
    for seed in 0..seeds {
        let scene = Scene::sample(seed);
        portraits += usize::from(portrait(&scene).is_some());
        for attribute in scene.attributes() {
            *counts.entry(attribute).or_default() += 1;
        }
    }
    let share = portraits as f64 / seeds as f64;
    assert!((0.78..0.82).contains(&share), "{share} portraits");
    for &group in groups() {
        let of_group: usize = counts.iter().filter(|((g, _), _)| *g == group).map(|(_, count)| count).sum();
        let expected = if group == Group::Style {
            seeds as usize
        } else if group.is_of_rooms() {
            seeds as usize - portraits
        } else {
            portraits
        };
        assert_eq!(of_group, expected, "{}", group.name());
        // No value so rare that a model would not see it, none so frequent that it would be a safe guess.
        for words in group.values() {
            let share = counts.get(&(group, words.value)).copied().unwrap_or(0) as f64 / of_group as f64;
            let fair = 1.0 / group.values().len() as f64;
            assert!(share > fair * 0.35, "{} {}: {share}", group.name(), words.value);
            assert!(share < fair * 2.1, "{} {}: {share}", group.name(), words.value);
        }
    }
}

#[test]
fn captions_use_the_known_words_and_fit() {
    let tokens: BTreeMap<&str, usize> = VOCABULARY
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(word, tokens)| (word, tokens.parse().unwrap()))
        .collect();
    assert!(tokens.len() < 400);
    let length = |caption: &str| {
        let words: usize = caption
            .split(|c: char| !c.is_ascii_alphabetic())
            .filter(|word| !word.is_empty())
            .map(|word| *tokens.get(word).unwrap_or_else(|| panic!("`{word}` in `{caption}` is new")))
            .sum();
        // Punctuation, start and end.
        words + caption.chars().filter(|c| ",-".contains(*c)).count() + 2
    };
    for seed in 0..20_000 {
        let scene = Scene::sample(seed);
        let full = scene.full_caption();
        assert!(length(&full) <= 60, "{full}");
        let mut rng = Rng::new(seed);
        for _ in 0..4 {
            let caption = scene.caption(&mut rng);
            assert!(length(&caption) <= 70, "{caption}");
        }
    }
}

#[test]
fn captions_say_nothing_that_is_not_there() {
    for seed in 0..5_000 {
        let scene = Scene::sample(seed);
        let mut rng = Rng::new(seed);
        // "At night" may be said of a window whatever the style is.
        let captions = [scene.full_caption(), scene.caption(&mut rng), scene.caption(&mut rng)]
            .map(|caption| caption.replace("window at night", "window"));
        for (group, value) in scene.attributes() {
            let own = group.words(value).unwrap();
            // "At night" is also said of windows, which have a group of their own.
            let says = |phrase: &&str| {
                *phrase == "at night" || own.with.iter().chain(own.tags).any(|own| own.contains(*phrase))
            };
            for other in group.values().iter().filter(|words| words.value != value) {
                let telling =
                    |phrase: &&&str| phrase.contains(' ') && !phrase.starts_with("window") && !says(phrase);
                for phrase in other.tags.iter().filter(telling) {
                    for caption in &captions {
                        assert!(!caption.contains(*phrase), "`{phrase}` in `{caption}`, but it is {value}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_seed_says_and_draws_the_same_twice() {
    for seed in [0, 17, u64::MAX] {
        assert_eq!(Scene::sample(seed), Scene::sample(seed));
        assert_eq!(Scene::sample(seed).draw(64), Scene::sample(seed).draw(64));
        let record = |seed| Record::of(&Scene::sample(seed), 64).1.to_json().unwrap();
        assert_eq!(record(seed), record(seed));
    }
    assert_ne!(Scene::sample(1), Scene::sample(2));
}

#[test]
fn eyes_and_moustaches_span_two_latent_cells() {
    let mut measured = 0;
    for seed in 0..500 {
        let scene = Scene::sample(seed);
        let Some(person) = portrait(&scene).filter(|person| person.pose != Pose::Riding) else { continue };
        let regions = scene.regions(128);
        let eyes = region(&regions, "eyes").unwrap();
        // Two eyes of about two cells each, with a gap.
        assert!(eyes.right - eyes.left >= 30.0, "seed {seed}: {eyes:?}");
        let face = region(&regions, "face").unwrap();
        assert!(face.bottom - face.top >= 52.0, "seed {seed}: {face:?}");
        assert!(region(&regions, "mouth").is_some());
        assert_eq!(region(&regions, "facial hair").is_some(), person.facial_hair != FacialHair::None);
        assert_eq!(region(&regions, "accessory").is_some(), person.accessory != Accessory::None);
        if let Some(hair) = region(&regions, "facial hair") {
            assert!(hair.right - hair.left >= 16.0, "seed {seed}: {hair:?}");
        }
        measured += 1;
    }
    assert!(measured > 250);
}

/// Pixels that a person sees as different.
fn different(a: &Picture, b: &Picture) -> usize {
    let far = |(a, b): (&u8, &u8)| a.abs_diff(*b) > 24;
    let pixels = a.rgb.chunks_exact(3).zip(b.rgb.chunks_exact(3));
    pixels.filter(|(a, b)| a.iter().zip(b.iter()).any(far)).count()
}

/// The same scene with each value of one group in turn.
fn variants<T: Copy>(base: &Scene, all: &[T], set: impl Fn(&mut Portrait, T)) -> Vec<Picture> {
    let draw = |&value: &T| {
        let mut scene = base.clone();
        if let Subject::Portrait(portrait) = &mut scene.subject {
            set(portrait, value);
        }
        scene.draw(128)
    };
    all.iter().map(draw).collect()
}

#[test]
fn every_pair_of_values_can_be_told_apart_in_every_style() {
    let mut base = Scene::sample(1);
    base.subject = Subject::Portrait(Portrait {
        face: Face::Oval,
        eyes: Eyes::Round,
        facial_hair: FacialHair::None,
        hair: Hair::Short,
        clothing: Clothing::BlueRobe,
        expression: Expression::Stern,
        background: Background::Plain,
        accessory: Accessory::None,
        pose: Pose::Facing,
        age: Age::Adult,
        heirloom: false,
    });
    for &style in Style::ALL {
        base.style = style;
        for (name, pictures) in [
            ("face", variants(&base, Face::ALL, |p, v| p.face = v)),
            ("eyes", variants(&base, Eyes::ALL, |p, v| p.eyes = v)),
            ("facial hair", variants(&base, FacialHair::ALL, |p, v| p.facial_hair = v)),
            ("hair", variants(&base, Hair::ALL, |p, v| p.hair = v)),
            ("clothing", variants(&base, Clothing::ALL, |p, v| p.clothing = v)),
            ("expression", variants(&base, Expression::ALL, |p, v| p.expression = v)),
            ("background", variants(&base, Background::ALL, |p, v| p.background = v)),
            ("accessory", variants(&base, Accessory::ALL, |p, v| p.accessory = v)),
            ("pose", variants(&base, Pose::ALL, |p, v| p.pose = v)),
            ("age", variants(&base, Age::ALL, |p, v| p.age = v)),
        ] {
            for (index, one) in pictures.iter().enumerate() {
                for other in &pictures[index + 1..] {
                    let pixels = different(one, other);
                    assert!(pixels >= 80, "{name}, {}: {pixels} pixels differ", style.value());
                }
            }
        }
    }
}

#[test]
fn any_size_draws_the_same_scene() {
    for seed in 0..24 {
        let scene = Scene::sample(seed);
        let (small, large) = (scene.draw(64), scene.draw(256));
        assert_eq!(large.rgb.len(), 256 * 256 * 3);
        // Averages of 4x4 pixels of the large picture are the small one, but for the edges' anti-aliasing.
        let mut sum = 0.0;
        for y in 0..64 {
            for x in 0..64 {
                for channel in 0..3 {
                    let at =
                        |dy: usize, dx: usize| large.rgb[((y * 4 + dy) * 256 + x * 4 + dx) * 3 + channel];
                    let block: u32 = (0..16).map(|i| u32::from(at(i / 4, i % 4))).sum();
                    let here = f64::from(small.rgb[(y * 64 + x) * 3 + channel]);
                    sum += (f64::from(block) / 16.0 - here).abs();
                }
            }
        }
        let mean = sum / f64::from(64 * 64 * 3);
        assert!(mean < 3.0, "seed {seed}: mean difference {mean}");
    }
    assert_eq!(Scene::sample(0).draw(1).rgb.len(), 3);
}

#[test]
fn a_folder_has_pictures_and_a_line_for_each() {
    let folder = std::env::temp_dir().join(format!("chapan-world-{}", std::process::id()));
    let mut done = 0;
    chapan_world::write_folder(&folder, (0..3).map(Scene::sample), 64, |count| done = count).unwrap();
    assert_eq!(done, 3);
    let metadata = std::fs::read_to_string(folder.join(chapan_world::METADATA)).unwrap();
    for (seed, line) in metadata.lines().enumerate() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["seed"], seed);
        let file = std::fs::File::open(folder.join(record["file_name"].as_str().unwrap())).unwrap();
        let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut rgb).unwrap();
        assert_eq!(rgb, Scene::sample(seed as u64).draw(64).rgb);
    }
    let again = chapan_world::write_folder(&folder, std::iter::empty(), 64, |_| {});
    assert!(again.unwrap_err().to_string().contains("hint:"));
    std::fs::remove_dir_all(&folder).unwrap();
}
