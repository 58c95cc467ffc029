//! The noun `analysis`: what a CLIP says about reference pictures, by closed groups of phrases, and the training prompt and
//! captions that follow.

mod features;

use serde::{Deserialize, Serialize};

pub use features::{FeatureGroup, FeatureSet, FeatureValue};

/// The version of an analysis, stored with it.
pub const ANALYSIS_VERSION: &str = "analysis_v1";

/// What reference pictures show, each and together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Analysis {
    /// [`ANALYSIS_VERSION`].
    pub version: String,
    /// Id of the CLIP that looked.
    pub model: String,
    /// Name of the set of features.
    pub features: String,
    /// Every picture, in order of file names.
    pub pictures: Vec<PictureAnalysis>,
    /// Every group over all pictures.
    pub groups: Vec<GroupSummary>,
    /// What makes the character: values that nearly all pictures share.
    pub key_features: Vec<KeyFeature>,
    /// A prompt that says the key features.
    pub training_prompt: String,
}

/// What one picture shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PictureAnalysis {
    /// The file's name.
    pub file: String,
    /// Every group.
    pub groups: Vec<GroupMatch>,
    /// A caption for training: the trigger word, if there is one, and what differs between the pictures. What they all share is
    /// left out, so that the trigger word comes to mean it.
    pub caption: String,
}

/// Which value of a group a picture shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupMatch {
    /// The group.
    pub group: String,
    /// The likeliest value.
    pub top_match: String,
    /// Its probability within the group, 0 to 1.
    pub confidence: f64,
    /// Its lead over the next value, 0 to 1.
    pub margin: f64,
    /// Whether the lead is too small to believe.
    pub unsure: bool,
    /// Every value, in the group's order.
    pub values: Vec<ValueMatch>,
}

impl GroupMatch {
    /// The match of a value.
    pub fn value(&self, name: &str) -> Option<&ValueMatch> {
        self.values.iter().find(|value| value.value == name)
    }

    /// Whether the picture surely shows a value.
    pub fn surely_is(&self, name: &str) -> bool {
        !self.unsure && self.top_match == name
    }
}

/// How well one value fits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ValueMatch {
    /// The value.
    pub value: String,
    /// Its probability within the group: softmax of the cosines times the model's own logit scale.
    pub probability: f64,
    /// The raw cosine of picture and phrases, -1 to 1. It lies in a narrow band and compares only within a group.
    pub cosine: f64,
}

/// A group over all pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupSummary {
    /// The group.
    pub group: String,
    /// The value with the greatest mean probability.
    pub top_match: String,
    /// That mean.
    pub confidence: f64,
    /// Share of the pictures that surely show it, 0 to 1.
    pub share: f64,
    /// Number of pictures where the group is not sure.
    pub unsure: u64,
    /// Mean probability of every value.
    pub values: Vec<MeanProbability>,
}

/// A value's mean over all pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeanProbability {
    /// The value.
    pub value: String,
    /// Mean probability within the group.
    pub probability: f64,
}

/// A value that makes the character.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyFeature {
    /// The group.
    pub group: String,
    /// The value.
    pub value: String,
    /// How captions say it.
    pub phrase: String,
    /// Mean probability over the references.
    pub confidence: f64,
    /// Share of the references that surely show it.
    pub share: f64,
}

impl Analysis {
    /// Sums pictures up: a group is a key feature if at least `set.key_share` of the pictures surely show one value of it.
    /// Captions say the other groups where a picture is sure of them.
    ///
    /// `pictures` hold matches of the set's groups in the set's order; their captions are written here. No pictures, nothing to
    /// sum up: means are 0.
    pub fn of(
        set: &FeatureSet,
        model: String,
        trigger: Option<&str>,
        mut pictures: Vec<PictureAnalysis>,
    ) -> Self {
        let summaries: Vec<GroupSummary> =
            set.groups.iter().enumerate().map(|(index, group)| summary(group, index, &pictures)).collect();
        let mut key_features = Vec::new();
        for (group, summary) in set.groups.iter().zip(&summaries) {
            let value = group.values.iter().find(|value| value.name == summary.top_match);
            if let Some(value) = value.filter(|value| summary.share >= set.key_share && value.is_said()) {
                key_features.push(KeyFeature {
                    group: group.name.clone(),
                    value: value.name.clone(),
                    phrase: value.caption.clone(),
                    confidence: summary.confidence,
                    share: summary.share,
                });
            }
        }
        let is_key = |group: &str| key_features.iter().any(|key| key.group == group);
        for picture in &mut pictures {
            let differing = set
                .groups
                .iter()
                .zip(&picture.groups)
                .filter(|(group, found)| !found.unsure && !is_key(&group.name));
            let said = differing.filter_map(|(group, found)| {
                let value = group.values.iter().find(|value| value.name == found.top_match)?;
                value.is_said().then_some(value.caption.as_str())
            });
            picture.caption = trigger.into_iter().chain(said).collect::<Vec<_>>().join(", ");
        }
        let key = key_features.iter().map(|key| key.phrase.as_str());
        let training_prompt =
            trigger.into_iter().chain([set.subject.as_str()]).chain(key).collect::<Vec<_>>().join(", ");
        Self {
            version: ANALYSIS_VERSION.to_owned(),
            model,
            features: set.name.clone(),
            pictures,
            groups: summaries,
            key_features,
            training_prompt,
        }
    }
}

/// One group over all pictures.
fn summary(group: &FeatureGroup, index: usize, pictures: &[PictureAnalysis]) -> GroupSummary {
    let found: Vec<&GroupMatch> = pictures.iter().filter_map(|picture| picture.groups.get(index)).collect();
    let count = found.len().max(1) as f64;
    let mean = |value: &FeatureValue| {
        let matches = found.iter().filter_map(|found| found.value(&value.name));
        matches.map(|found| found.probability).sum::<f64>() / count
    };
    let values: Vec<MeanProbability> = group
        .values
        .iter()
        .map(|value| MeanProbability { value: value.name.clone(), probability: mean(value) })
        .collect();
    // The first of equals, as within a picture.
    let best = values.iter().rev().max_by(|a, b| a.probability.total_cmp(&b.probability));
    let (top_match, confidence) =
        best.map_or((String::new(), 0.0), |best| (best.value.clone(), best.probability));
    let sure = found.iter().filter(|found| found.surely_is(&top_match)).count();
    GroupSummary {
        group: group.name.clone(),
        share: sure as f64 / count,
        unsure: found.iter().filter(|found| found.unsure).count() as u64,
        top_match,
        confidence,
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> FeatureSet {
        let json = r#"{"name": "test", "subject": "a man", "templates": ["{}"], "unsure_below": 0.2, "key_share": 0.75,
            "groups": [
              {"name": "face", "values": [{"name": "round", "caption": "round face", "phrases": ["a round face"]},
                                          {"name": "long", "caption": "long face", "phrases": ["a long face"]}]},
              {"name": "bag", "values": [{"name": "none", "caption": "", "phrases": ["no bag"]},
                                         {"name": "bag", "caption": "a bag", "phrases": ["a bag"]}]},
              {"name": "mood", "values": [{"name": "sad", "caption": "sad", "phrases": ["sad"]},
                                          {"name": "glad", "caption": "smiling", "phrases": ["smiling"]}]}]}"#;
        let set: FeatureSet = serde_json::from_str(json).unwrap();
        assert_eq!(set.validate(), Ok(()));
        set
    }

    fn picture(set: &FeatureSet, first: [f64; 3]) -> PictureAnalysis {
        let groups = set.groups.iter().zip(first).map(|(group, first)| {
            let probabilities = [first, 1.0 - first];
            let top = usize::from(first < 0.5);
            let margin = (probabilities[top] - probabilities[1 - top]).abs();
            let values = group.values.iter().zip(probabilities).map(|(value, probability)| ValueMatch {
                value: value.name.clone(),
                probability,
                cosine: 0.0,
            });
            GroupMatch {
                group: group.name.clone(),
                top_match: group.values[top].name.clone(),
                confidence: probabilities[top],
                margin,
                unsure: margin < set.unsure_below,
                values: values.collect(),
            }
        });
        PictureAnalysis { file: "a.png".into(), groups: groups.collect(), caption: String::new() }
    }

    #[test]
    fn what_all_share_is_key_and_what_differs_is_the_caption() {
        let set = set();
        let pictures = [[0.9, 0.9, 0.9], [0.95, 0.8, 0.1], [0.9, 0.9, 0.55], [0.55, 0.9, 0.2]];
        let pictures = pictures.map(|first| picture(&set, first)).to_vec();
        let analysis = Analysis::of(&set, "clip".into(), Some("aldar"), pictures);
        // Three of four are sure of the face; nothing to say about no bag; moods differ.
        assert_eq!(analysis.key_features.len(), 1);
        assert_eq!(
            (analysis.key_features[0].value.as_str(), analysis.key_features[0].share),
            ("round", 0.75)
        );
        assert_eq!(analysis.training_prompt, "aldar, a man, round face");
        let captions: Vec<&str> = analysis.pictures.iter().map(|p| p.caption.as_str()).collect();
        assert_eq!(captions, ["aldar, sad", "aldar, smiling", "aldar", "aldar, smiling"]);
        assert_eq!((analysis.groups[0].unsure, analysis.groups[2].unsure), (1, 1));
        assert!((analysis.groups[0].confidence - 0.825).abs() < 1e-12);
    }

    #[test]
    fn no_pictures_and_no_trigger_are_no_fault() {
        let analysis = Analysis::of(&set(), "clip".into(), None, Vec::new());
        assert!(analysis.key_features.is_empty());
        assert_eq!(analysis.training_prompt, "a man");
    }
}
