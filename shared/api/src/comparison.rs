//! The noun `comparison`: contestants' pictures held against references, with every part of the score, its noise and its
//! reasons. A [`ComparisonReport`] is what `comparison_report_<round>.json` holds.

use serde::{Deserialize, Serialize};

use crate::analysis::KeyFeature;

/// How much each part of the score counts; only proportions matter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScoreWeights {
    /// Weight of the CLIP similarity, 0.4 unless changed.
    pub clip_similarity: f64,
    /// Weight of the feature matching, 0.4 unless changed.
    pub feature_matching: f64,
    /// Weight of the structural similarity, 0.2 unless changed.
    pub ssim: f64,
}

impl Default for ScoreWeights {
    fn default() -> Self {
        Self { clip_similarity: 0.4, feature_matching: 0.4, ssim: 0.2 }
    }
}

/// Everything about one comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComparisonReport {
    /// Version of the formula, such as `score_v1`: scores of different versions do not compare.
    pub version: String,
    /// The round of a competition, from 1; absent for a comparison on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// Id of the CLIP that looked. Scores of different CLIPs do not compare.
    pub model: String,
    /// Name of the set of features.
    pub features: String,
    /// How much each part counted.
    pub weights: ScoreWeights,
    /// Which references were scored against.
    pub references: ReferenceSplit,
    /// What the pictures should show.
    pub key_features: Vec<KeyFeature>,
    /// For each key feature the references that a model learned from: what it could know.
    pub evidence: Vec<FeatureEvidence>,
    /// The contestants, in the order in which they were named.
    pub contestants: Vec<Contestant>,
    /// The contestants by their score, best first.
    pub ranking: Vec<Place>,
    /// Whether all contestants have pictures of the same names (the same prompts and seeds), so that differences are taken
    /// picture by picture.
    pub paired: bool,
    /// Where in the pictures the model saw the features; empty unless asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heat_maps: Vec<HeatMap>,
}

/// How references were kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Holdout {
    /// A folder of its own.
    Given,
    /// Every third of them.
    Split,
    /// Fewer than four: each in turn.
    LeaveOneOut,
    /// A single one: it is both, and copies cannot be told.
    None,
}

/// The references.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReferenceSplit {
    /// How they were kept apart.
    pub holdout: Holdout,
    /// Those that a model may learn from; the key features come from them.
    pub training: Vec<String>,
    /// Those that pictures were compared with.
    pub held_out: Vec<String>,
}

/// Which training references carry a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeatureEvidence {
    /// The group.
    pub group: String,
    /// The value.
    pub value: String,
    /// References that surely show it.
    pub carried_by: Vec<String>,
    /// The others.
    pub lacked_by: Vec<String>,
}

/// The word for a part of the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScoreBand {
    /// Similarities below 0.6, SSIM below 0.5.
    Weak,
    /// Similarities of 0.6 to 0.8, SSIM of 0.5 to 0.7.
    Good,
    /// Above.
    VeryClose,
}

/// A mean over pictures and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StandardErrors {
    /// Of `clip_similarity_avg`; all are absent for a single picture.
    pub clip_similarity_avg: Option<f64>,
    /// Of `feature_matching_score`.
    pub feature_matching_score: Option<f64>,
    /// Of `ssim_avg`.
    pub ssim_avg: Option<f64>,
    /// Of `quality_score`.
    pub quality_score: Option<f64>,
}

/// The words for the three parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bands {
    /// Of `clip_similarity_avg`.
    pub clip_similarity: ScoreBand,
    /// Of `feature_matching_score`.
    pub feature_matching: ScoreBand,
    /// Of `ssim_avg`.
    pub ssim: ScoreBand,
}

/// One contestant: a model, a LoRA, a provider or a folder, with its pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contestant {
    /// Its name.
    pub name: String,
    /// Mean cosine of image embeddings with the held-out references.
    pub clip_similarity_avg: f64,
    /// Mean over key features of the probability of the right value within its group.
    pub feature_matching_score: f64,
    /// Mean structural similarity with the held-out references at 256x256.
    pub ssim_avg: f64,
    /// The weighted mean of the three.
    pub quality_score: f64,
    /// How far each may be off: standard errors over the pictures.
    pub standard_errors: StandardErrors,
    /// Words for the parts.
    pub bands: Bands,
    /// Number of pictures that look copied from a training reference; absent where that cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u64>,
    /// Every key feature over all pictures.
    pub features: Vec<FeatureScore>,
    /// Every picture.
    pub pictures: Vec<PictureScore>,
}

/// A key feature over a contestant's pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeatureScore {
    /// The group.
    pub group: String,
    /// The right value.
    pub value: String,
    /// Its mean probability.
    pub probability: f64,
    /// Its mean raw cosine.
    pub cosine: f64,
    /// Share of the pictures where it is the likeliest.
    pub share: f64,
    /// The value that won most often where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub won_instead: Option<String>,
}

/// The score of one picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PictureScore {
    /// The file's name.
    pub file: String,
    /// Mean cosine with the held-out references.
    pub clip_similarity: f64,
    /// Mean probability of the key features.
    pub feature_matching: f64,
    /// Mean structural similarity with the held-out references.
    pub ssim: f64,
    /// The weighted mean of the three.
    pub quality: f64,
    /// How near it is to what a model learned from; absent where copies cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_risk: Option<PictureCopyRisk>,
    /// Every key feature.
    pub features: Vec<FeatureOfPicture>,
}

/// How near a picture is to the references.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PictureCopyRisk {
    /// The nearest training reference.
    pub nearest_training: String,
    /// Cosine with it.
    pub to_training: f64,
    /// Cosine with the nearest held-out reference.
    pub to_held_out: f64,
    /// Whether it is far closer to the first than honest pictures of the character are.
    pub is_copy: bool,
}

/// A key feature in one picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeatureOfPicture {
    /// The group.
    pub group: String,
    /// The right value.
    pub value: String,
    /// Its probability within the group.
    pub probability: f64,
    /// Its raw cosine.
    pub cosine: f64,
    /// The value that won, where another did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub won_instead: Option<String>,
}

/// Where a contestant stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Place {
    /// 1 and the number of those who are ahead beyond the noise; equals share a rank.
    pub rank: u32,
    /// The contestant's name.
    pub contestant: String,
    /// Its `quality_score`.
    pub quality_score: f64,
    /// How far it may be off.
    pub standard_error: Option<f64>,
    /// Those who differ from it by no more than the noise.
    pub tied_with: Vec<String>,
}

/// Where in a picture the model saw a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeatMap {
    /// The contestant.
    pub contestant: String,
    /// The picture's file name.
    pub file: String,
    /// The group.
    pub group: String,
    /// The value.
    pub value: String,
    /// Cells on a side of the square in the picture's middle.
    pub cells: u32,
    /// How much of the cosine with the phrases is lost when a cell is covered, in rows from the top: above 0 the cell speaks for
    /// the value, below 0 against it.
    pub values: Vec<f64>,
}
