//! A set of features: read from a file that a user may have edited, embedded once, asked of every picture.

use std::io::Read;
use std::path::Path;

use chapan_api::analysis::{FeatureSet, GroupMatch, ValueMatch};
use chapan_engine::evaluate::Clip;
use chapan_metrics::{cosine, zero_shot};

use super::ComparisonError;

/// The largest file of features in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// Reads a set of features and checks it.
///
/// # Errors
/// A file that cannot be read, is no such JSON, or breaks the rules of [`FeatureSet::validate`].
pub fn read_features(path: &Path) -> Result<FeatureSet, ComparisonError> {
    let refuse = |fault: String| ComparisonError::Features { path: path.to_owned(), fault };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| refuse(format!("{error}\nhint: is the path right, and is it text in UTF-8?")))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(refuse(format!("it has more than {MAX_BYTES} bytes\nhint: choose fewer phrases")));
    }
    let set: FeatureSet = serde_json::from_str(&text).map_err(|error| {
        refuse(format!("{error}\nhint: copy assets/features/character.json and change that"))
    })?;
    set.validate().map_err(|faults| {
        let first = faults.first();
        refuse(first.map_or_else(String::new, |f| format!("{}\nhint: {}", f.message(), f.hint())))
    })?;
    Ok(set)
}

/// A set of features with the embedding of every value.
#[derive(Debug)]
pub struct Phrases {
    set: FeatureSet,
    /// For each group, for each value.
    rows: Vec<Vec<Vec<f32>>>,
    logit_scale: f64,
}

impl Phrases {
    /// Embeds every value: the mean of its sentences' unit vectors, as CLIP's own zero-shot classifiers are made.
    ///
    /// # Errors
    /// What the text tower refuses.
    pub fn embed(clip: &Clip, set: FeatureSet) -> Result<Self, ComparisonError> {
        let mut rows = Vec::new();
        for group in &set.groups {
            let mut values = Vec::new();
            for value in &group.values {
                let sentences = set.sentences(group, value);
                let texts: Vec<&str> = sentences.iter().map(String::as_str).collect();
                values.push(unit_mean(&clip.embed_texts(&texts)?));
            }
            rows.push(values);
        }
        Ok(Self { set, rows, logit_scale: clip.logit_scale() })
    }

    /// The features.
    pub fn set(&self) -> &FeatureSet {
        &self.set
    }

    /// The embedding of a value.
    pub fn row(&self, group: &str, value: &str) -> Option<&[f32]> {
        let index = self.set.groups.iter().position(|known| known.name == group)?;
        let place = self.set.groups[index].values.iter().position(|known| known.name == value)?;
        Some(&self.rows[index][place])
    }

    /// What a picture shows, by its embedding, in the set's order.
    ///
    /// # Errors
    /// An embedding of another CLIP.
    pub fn ask(&self, picture: &[f32]) -> Result<Vec<GroupMatch>, ComparisonError> {
        let groups = self.set.groups.iter().zip(&self.rows);
        groups
            .map(|(group, rows)| {
                let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
                let verdict = zero_shot(picture, &rows, self.logit_scale)?;
                let values = group.values.iter().zip(&rows).zip(&verdict.probabilities);
                let values = values.map(|((value, row), probability)| {
                    let cosine = cosine(picture, row)?;
                    Ok(ValueMatch { value: value.name.clone(), probability: *probability, cosine })
                });
                Ok(GroupMatch {
                    group: group.name.clone(),
                    top_match: group.values[verdict.top_match].name.clone(),
                    confidence: verdict.confidence,
                    margin: verdict.margin,
                    unsure: verdict.margin < self.set.unsure_below,
                    values: values.collect::<Result<_, ComparisonError>>()?,
                })
            })
            .collect()
    }
}

/// The mean of rows, of length 1.
fn unit_mean(rows: &[Vec<f32>]) -> Vec<f32> {
    let width = rows.first().map_or(0, Vec::len);
    let sums = (0..width).map(|column| rows.iter().map(|row| f64::from(row[column])).sum::<f64>());
    let sums: Vec<f64> = sums.collect();
    let length = sums.iter().map(|value| value * value).sum::<f64>().sqrt().max(1e-12);
    sums.iter().map(|value| (value / length) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_features_are_refused_with_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.json");
        let refused = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            let message = read_features(&path).unwrap_err().to_string();
            assert!(message.contains("features.json") && message.contains("hint: "), "{message}");
            message
        };
        assert!(refused(b"{").contains("EOF"));
        refused(&[0xff, 0xfe, 0]);
        let groupless = br#"{"name": "a", "subject": "b", "templates": ["{}"], "unsure_below": 0, "key_share": 1, "groups": []}"#;
        assert!(refused(groupless).contains("groups"));
        refused(&vec![b' '; MAX_BYTES as usize + 2]);
        assert!(read_features(&folder.path().join("none.json")).is_err());
    }

    #[test]
    fn a_mean_of_directions_is_a_direction() {
        assert_eq!(unit_mean(&[vec![1.0, 0.0], vec![0.0, 1.0]]), [0.5_f32.sqrt(); 2]);
    }
}
