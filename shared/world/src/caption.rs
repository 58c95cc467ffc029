//! Captions: the words of a scene's attributes, put together by a few templates.

use crate::rng::Rng;
use crate::scene::{Scene, Subject};
use crate::words::{Age, Group, Words};

/// Groups that a full caption of a portrait names after "with", in order.
const FULL_PORTRAIT: [Group; 4] = [Group::Face, Group::Eyes, Group::FacialHair, Group::Hair];

type Chosen = (Group, &'static Words);

impl Scene {
    /// Says everything there is to say, always in the same words.
    pub fn full_caption(&self) -> String {
        let all = self.chosen();
        let word = |group: Group| all.iter().find(|(g, _)| *g == group).map(|(_, words)| *words);
        let clip = |group: Group| word(group).map_or("", |words| words.clip);
        let parts: Vec<String> = match &self.subject {
            Subject::Portrait(_) => {
                let with: Vec<&str> = FULL_PORTRAIT.iter().map(|&group| clip(group)).collect();
                let mut parts = vec![format!("{} with {}", clip(Group::Age), and_list(&with))];
                parts.push(format!("wearing {}", clip(Group::Clothing)));
                parts.push(clip(Group::Expression).to_owned());
                parts.push(clip(Group::Pose).to_owned());
                if word(Group::Accessory).is_some_and(|words| words.value != "none") {
                    parts.push(clip(Group::Accessory).to_owned());
                }
                parts.push(clip(Group::Background).to_owned());
                parts.push(clip(Group::Style).to_owned());
                parts
            }
            Subject::Room(_) => {
                let groups = [
                    Group::Bed,
                    Group::Wall,
                    Group::Window,
                    Group::Lamp,
                    Group::Plant,
                    Group::Painting,
                    Group::Rug,
                ];
                let with: Vec<&str> = groups.iter().map(|&group| clip(group)).collect();
                vec![
                    format!("{} with {}", clip(Group::Guests), and_list(&with)),
                    clip(Group::Style).to_owned(),
                ]
            }
        };
        parts.join(", ")
    }

    /// A caption for training a `LoRA` on one person: the `name`, then only what differs from picture to picture,
    /// so that everything constant is learnt as part of the name.
    pub fn named_caption(&self, name: &str) -> String {
        let varying = [Group::Expression, Group::Pose, Group::Background, Group::Style];
        let all = self.chosen();
        let said = varying.iter().filter_map(|group| all.iter().find(|(g, _)| g == group));
        said.fold(name.to_owned(), |text, (_, words)| format!("{text}, {}", words.clip))
    }

    /// A caption by chance: some attributes, in some order, in some of their words.
    pub fn caption(&self, rng: &mut Rng) -> String {
        self.caption_naming(None, rng).0
    }

    /// The same, of `most` attributes at most if given, and which of them it names: for trainers that must know what a text
    /// does not say.
    pub fn caption_naming(&self, most: Option<usize>, rng: &mut Rng) -> (String, Vec<Group>) {
        let mut chosen = self.chosen();
        rng.shuffle(&mut chosen);
        // Half of the captions name most things, the others only a few, down to one.
        let count = match most {
            Some(most) => most.clamp(1, chosen.len()),
            None if rng.percent(50) => chosen.len() - rng.below(3),
            None => 1 + rng.below(chosen.len() - 1),
        };
        chosen.truncate(count);
        let mut text = match (&self.subject, rng.percent(35)) {
            (Subject::Portrait(_), true) => portrait_tags(&chosen, rng),
            (Subject::Portrait(_), false) => portrait_sentence(&chosen, rng),
            (Subject::Room(_), true) => room_tags(&chosen, rng),
            (Subject::Room(_), false) => room_sentence(&chosen, rng),
        };
        if matches!(&self.subject, Subject::Portrait(person) if person.age == Age::Old) {
            text = text.replace(" black", "");
        }
        // The other spelling, now and then.
        if rng.percent(12) {
            text = text.replace("moustache", "mustache").replace("grey", "gray").replace("colour", "color");
        }
        // A missing accessory is not said, nor that somebody is no old man.
        let is_said = |(group, words): &&Chosen| match group {
            Group::Accessory => !words.tags.is_empty(),
            Group::Age => words.value == "old",
            _ => true,
        };
        let named = chosen.iter().filter(is_said).map(|(group, _)| *group).collect();
        (text, named)
    }

    /// The attributes worth saying, with their words.
    fn chosen(&self) -> Vec<Chosen> {
        let attributes = self.attributes().into_iter();
        attributes.filter_map(|(group, value)| group.words(value).map(|words| (group, words))).collect()
    }
}

fn portrait_tags(chosen: &[Chosen], rng: &mut Rng) -> String {
    let subject = *rng.pick(&[
        "a man",
        "a man",
        "man",
        "portrait of a man",
        "portrait",
        "a person",
        "picture of a man",
    ]);
    let mut parts = vec![subject.to_owned()];
    parts.extend(
        chosen
            .iter()
            .filter(|(_, words)| !words.tags.is_empty())
            .map(|(_, words)| (*rng.pick(words.tags)).to_owned()),
    );
    parts.join(", ")
}

fn portrait_sentence(chosen: &[Chosen], rng: &mut Rng) -> String {
    let mut adjectives = Vec::new();
    let mut with = Vec::new();
    let mut clauses = Vec::new();
    let mut place = None;
    let mut style = None;
    for &(group, words) in chosen {
        match group {
            Group::Style => style = Some(style_clause(words, rng)),
            Group::Background => {
                place = Some(if rng.percent(55) {
                    (*rng.pick(words.with)).to_owned()
                } else {
                    format!(", {}", rng.pick(words.tags))
                });
            }
            Group::Clothing => {
                let verb = *rng.pick(&["wearing", "in", "dressed in"]);
                clauses.push(format!("{verb} {}", rng.pick(words.with)));
            }
            Group::Pose => clauses.push((*rng.pick(words.with)).to_owned()),
            Group::Accessory => {
                if !words.tags.is_empty() {
                    clauses.push((*rng.pick(words.tags)).to_owned());
                }
            }
            _ => {
                let adjective = !words.adjectives.is_empty() && adjectives.len() < 2;
                if adjective && (rng.percent(60) || words.with.is_empty()) {
                    adjectives.push(*rng.pick(words.adjectives));
                } else if group != Group::Age || words.value == "old" {
                    with.push(*rng.pick(words.with));
                }
            }
        }
    }
    // "old" stands next to the noun.
    adjectives.sort_by_key(|word| *word == "old");
    adjectives.push(*rng.pick(&["man", "man", "man", "person"]));
    let subject = adjectives.join(" ");
    let mut text = match rng.below(5) {
        0 => format!("a portrait of {}", article(&subject)),
        1 => format!("a picture of {}", article(&subject)),
        _ => article(&subject),
    };
    if !with.is_empty() {
        text = format!("{text} with {}", and_list(&with));
    }
    for clause in clauses {
        let comma = if rng.percent(50) { "," } else { "" };
        text = format!("{text}{comma} {clause}");
    }
    finish(text, place, style)
}

fn room_tags(chosen: &[Chosen], rng: &mut Rng) -> String {
    let mut parts =
        vec![(*rng.pick(&["a hotel room", "hotel room", "a room", "picture of a hotel room"])).to_owned()];
    for (group, words) in chosen {
        // "At night" would speak of the window.
        let tags = if *group == Group::Style { &words.tags[..1] } else { words.tags };
        parts.push((*rng.pick(tags)).to_owned());
    }
    parts.join(", ")
}

fn room_sentence(chosen: &[Chosen], rng: &mut Rng) -> String {
    let mut subject = (*rng.pick(&["hotel room", "hotel room", "room", "bedroom"])).to_owned();
    let mut guests = None;
    let mut with = Vec::new();
    let mut style = None;
    for &(group, words) in chosen {
        match group {
            Group::Style => style = Some(room_style_clause(words, rng)),
            Group::Guests if words.with.is_empty() || rng.percent(50) => {
                subject = format!("{} {subject}", rng.pick(words.adjectives));
            }
            Group::Guests => guests = Some(*rng.pick(words.with)),
            _ => with.push(*rng.pick(words.with)),
        }
    }
    let mut text = match rng.below(4) {
        0 => format!("a picture of {}", article(&subject)),
        _ => article(&subject),
    };
    if let Some(guests) = guests {
        text = format!("{text} {guests}");
    }
    if !with.is_empty() {
        text = format!("{text} with {}", and_list(&with));
    }
    finish(text, None, style)
}

/// "in pastel style", or the style as a tag.
fn style_clause(words: &Words, rng: &mut Rng) -> String {
    if rng.percent(40) {
        format!(" in {}", rng.pick(words.with))
    } else {
        format!(", {}", rng.pick(words.tags))
    }
}

/// A room's style: "at night" would speak of its window.
fn room_style_clause(words: &Words, rng: &mut Rng) -> String {
    if rng.percent(40) { format!(" in {}", rng.pick(words.with)) } else { format!(", {}", words.tags[0]) }
}

fn finish(mut text: String, place: Option<String>, style: Option<String>) -> String {
    if let Some(place) = place {
        let space = if place.starts_with(',') { "" } else { " " };
        text = format!("{text}{space}{place}");
    }
    if let Some(style) = style {
        text.push_str(&style);
    }
    text
}

fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

fn and_list(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
