//! Sets of features: closed groups of phrases that a user edits. The first lies in `assets/features`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::validation::{Checker, FieldError, Rule};

/// Most groups of a set.
const MAX_GROUPS: u64 = 64;
/// Most values of a group.
const MAX_VALUES: u64 = 256;
/// Most phrases of a value, and templates.
const MAX_PHRASES: u64 = 32;
/// Longest name or phrase in characters: CLIP reads 77 tokens.
const MAX_CHARACTERS: u64 = 200;
/// Where the phrase stands in a template.
const PLACE: &str = "{}";

/// What to look for in pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FeatureSet {
    /// The set's name, stored with every result.
    pub name: String,
    /// What all pictures show, such as `a man`: the beginning of the training prompt.
    pub subject: String,
    /// Sentences with `{}` for the phrase. A value's embedding is the mean over all its phrases in all templates.
    pub templates: Vec<String>,
    /// A group is unsure where the likeliest value leads by less than this, 0 to 1.
    pub unsure_below: f64,
    /// A value is a key feature if at least this share of the references surely show it, 0 to 1.
    pub key_share: f64,
    /// The groups.
    pub groups: Vec<FeatureGroup>,
}

/// A closed group: one value of it is right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FeatureGroup {
    /// The group's name, such as `facial hair`.
    pub name: String,
    /// Templates instead of the set's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<String>,
    /// Its values; add one for "none of these" where that can happen.
    pub values: Vec<FeatureValue>,
}

/// One value of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FeatureValue {
    /// The value's name.
    pub name: String,
    /// How a caption says it; empty for what is not worth saying, such as that there is no bag.
    #[serde(default)]
    pub caption: String,
    /// Phrases that a CLIP knows it by.
    pub phrases: Vec<String>,
}

impl FeatureValue {
    /// Whether captions say it.
    pub fn is_said(&self) -> bool {
        !self.caption.is_empty()
    }
}

impl FeatureSet {
    /// Checks that groups are closed and can be told apart.
    ///
    /// # Errors
    /// Every fault, by the path of its field.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        text(&mut check, "name", &self.name);
        text(&mut check, "subject", &self.subject);
        templates(&mut check, "templates", &self.templates);
        if self.templates.is_empty() {
            check.fault("templates", Rule::Required);
        }
        check.number("unsure_below", self.unsure_below, 0.0, 1.0);
        check.number("key_share", self.key_share, 0.0, 1.0);
        check.count("groups", self.groups.len(), MAX_GROUPS);
        if self.groups.is_empty() {
            check.fault("groups", Rule::Required);
        }
        distinct(&mut check, "groups", self.groups.iter().map(|group| group.name.as_str()));
        for (index, group) in self.groups.iter().enumerate().take(MAX_GROUPS as usize) {
            group.check(&mut check, &format!("groups[{index}]"));
        }
        check.finish()
    }

    /// The sentences of a value: each phrase in each template.
    pub fn sentences(&self, group: &FeatureGroup, value: &FeatureValue) -> Vec<String> {
        let templates = if group.templates.is_empty() { &self.templates } else { &group.templates };
        let each = templates
            .iter()
            .flat_map(|template| value.phrases.iter().map(move |phrase| template.replace(PLACE, phrase)));
        each.collect()
    }
}

impl FeatureGroup {
    fn check(&self, check: &mut Checker, at: &str) {
        text(check, &format!("{at}.name"), &self.name);
        templates(check, &format!("{at}.templates"), &self.templates);
        check.count(&format!("{at}.values"), self.values.len(), MAX_VALUES);
        // One value is always right, which says nothing.
        if self.values.len() < 2 {
            check.number(&format!("{at}.values"), self.values.len() as f64, 2.0, MAX_VALUES as f64);
        }
        distinct(check, &format!("{at}.values"), self.values.iter().map(|value| value.name.as_str()));
        for (index, value) in self.values.iter().enumerate().take(MAX_VALUES as usize) {
            let at = format!("{at}.values[{index}]");
            text(check, &format!("{at}.name"), &value.name);
            check.count(&format!("{at}.phrases"), value.phrases.len(), MAX_PHRASES);
            if value.phrases.is_empty() {
                check.fault(&format!("{at}.phrases"), Rule::Required);
            }
            for phrase in value.phrases.iter().take(MAX_PHRASES as usize) {
                text(check, &format!("{at}.phrases"), phrase);
            }
            if value.is_said() {
                text(check, &format!("{at}.caption"), &value.caption);
            }
        }
    }
}

/// Text that must be there.
fn text(check: &mut Checker, at: &str, text: &str) {
    if text.trim().is_empty() {
        check.fault(at, Rule::Required);
    }
    check.text(at, text, MAX_CHARACTERS);
}

fn templates(check: &mut Checker, at: &str, templates: &[String]) {
    check.count(at, templates.len(), MAX_PHRASES);
    for template in templates.iter().take(MAX_PHRASES as usize) {
        text(check, at, template);
        if !template.contains(PLACE) {
            let got = template.chars().take(64).collect();
            let expected = "sentence with `{}` where the phrase stands".to_owned();
            check.fault(at, Rule::WrongKind { expected, got });
        }
    }
}

/// Names that can be told apart.
fn distinct<'a>(check: &mut Checker, at: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            let got = name.chars().take(64).collect();
            check.fault(at, Rule::WrongKind { expected: "name that no other has".to_owned(), got });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> FeatureSet {
        serde_json::from_str(include_str!("../../../../assets/features/character.json")).unwrap()
    }

    #[test]
    fn the_shipped_set_is_sound() {
        let set = shipped();
        assert_eq!(set.validate(), Ok(()));
        let names: Vec<&str> = set.groups.iter().map(|group| group.name.as_str()).collect();
        let ordered =
            ["face shape", "eyes", "facial hair", "hair", "clothing", "style", "expression", "background"];
        assert_eq!(names[..8], ordered);
        let face = &set.groups[0];
        assert!(set.sentences(face, &face.values[0]).contains(&"a man, a round face".to_owned()));
    }

    #[test]
    fn every_fault_is_named() {
        let faults = |change: &dyn Fn(&mut FeatureSet)| {
            let mut set = shipped();
            change(&mut set);
            let faults = set.validate().unwrap_err();
            faults.iter().map(|fault| fault.field.clone()).collect::<Vec<_>>()
        };
        assert_eq!(faults(&|set| set.groups.clear()), ["groups"]);
        assert_eq!(faults(&|set| set.unsure_below = f64::NAN), ["unsure_below"]);
        assert_eq!(faults(&|set| set.templates = vec!["a man".into()]), ["templates"]);
        assert_eq!(faults(&|set| set.groups[1].values.truncate(1)), ["groups[1].values"]);
        assert_eq!(faults(&|set| set.groups[1].name = "hair".into()), ["groups"]);
        assert_eq!(faults(&|set| set.groups[0].values[1].phrases.clear()), ["groups[0].values[1].phrases"]);
        let long = |set: &mut FeatureSet| set.groups[0].values[0].phrases = vec!["a".repeat(201)];
        assert_eq!(faults(&long), ["groups[0].values[0].phrases"]);
        let many = |set: &mut FeatureSet| set.groups = vec![set.groups[0].clone(); 65];
        assert!(faults(&many).len() >= 65);
    }
}
