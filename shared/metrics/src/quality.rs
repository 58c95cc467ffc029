//! The score that ranks contestants, version `score_v1`: `0.4 clip + 0.4 features + 0.2 ssim`, and its words.

use crate::MetricError;

/// The version of the formula, stored with every score: scores of different versions do not compare.
pub const SCORE_VERSION: &str = "score_v1";

/// The three parts of the score, each from 0 (nothing alike) to 1 (the same); cosines can fall below 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Mean cosine of image embeddings against the references.
    pub clip_similarity: f64,
    /// How well the picture matches the phrases of the key features.
    pub feature_matching: f64,
    /// Mean structural similarity at 256x256.
    pub ssim: f64,
}

/// How much each part counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityWeights {
    /// Weight of the CLIP similarity.
    pub clip_similarity: f64,
    /// Weight of the feature matching.
    pub feature_matching: f64,
    /// Weight of the structural similarity.
    pub ssim: f64,
}

impl Default for QualityWeights {
    fn default() -> Self {
        Self { clip_similarity: 0.4, feature_matching: 0.4, ssim: 0.2 }
    }
}

/// A word for a part of the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    /// Below the lower bound.
    Weak,
    /// From the lower bound up to and including the upper one.
    Good,
    /// Above the upper bound.
    VeryClose,
}

impl Band {
    /// The band of a CLIP similarity or a feature matching: above 0.8 very close, from 0.6 good.
    pub fn of_similarity(value: f64) -> Self {
        Self::between(value, 0.6, 0.8)
    }

    /// The band of a structural similarity: above 0.7 very close, from 0.5 good.
    pub fn of_ssim(value: f64) -> Self {
        Self::between(value, 0.5, 0.7)
    }

    fn between(value: f64, lower: f64, upper: f64) -> Self {
        if value > upper {
            Self::VeryClose
        } else if value >= lower {
            Self::Good
        } else {
            Self::Weak
        }
    }
}

impl Quality {
    /// The weighted mean of the parts. Weights need not add up to 1: they are divided by their sum.
    pub fn score(&self, weights: &QualityWeights) -> Result<f64, MetricError> {
        let parts = [self.clip_similarity, self.feature_matching, self.ssim];
        let weights = [weights.clip_similarity, weights.feature_matching, weights.ssim];
        let sum: f64 = weights.iter().sum();
        if weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0) || sum <= 0.0 {
            return Err(MetricError::BadWeights(weights));
        }
        Ok(parts.iter().zip(weights).map(|(part, weight)| part * weight).sum::<f64>() / sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: Quality = Quality { clip_similarity: 0.9, feature_matching: 0.5, ssim: 0.25 };

    #[test]
    fn the_formula_is_as_ordered() {
        // 0.4 * 0.9 + 0.4 * 0.5 + 0.2 * 0.25
        assert!((PARTS.score(&QualityWeights::default()).unwrap() - 0.61).abs() < 1e-12);
    }

    #[test]
    fn only_proportions_of_weights_count() {
        let weights = QualityWeights { clip_similarity: 4.0, feature_matching: 4.0, ssim: 2.0 };
        assert!((PARTS.score(&weights).unwrap() - 0.61).abs() < 1e-12);
        let only_clip = QualityWeights { clip_similarity: 1.0, feature_matching: 0.0, ssim: 0.0 };
        assert_eq!(PARTS.score(&only_clip), Ok(0.9));
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            let weights = QualityWeights { ssim: bad, ..QualityWeights::default() };
            assert!(matches!(PARTS.score(&weights), Err(MetricError::BadWeights(_))));
        }
        let nothing = QualityWeights { clip_similarity: 0.0, feature_matching: 0.0, ssim: 0.0 };
        assert!(PARTS.score(&nothing).is_err());
    }

    #[test]
    fn bounds_of_bands_belong_to_good() {
        let words = [0.59, 0.6, 0.8, 0.81].map(Band::of_similarity);
        assert_eq!(words, [Band::Weak, Band::Good, Band::Good, Band::VeryClose]);
        let words = [0.49, 0.5, 0.7, 0.71].map(Band::of_ssim);
        assert_eq!(words, [Band::Weak, Band::Good, Band::Good, Band::VeryClose]);
        assert_eq!(Band::of_similarity(f64::NAN), Band::Weak);
    }
}
