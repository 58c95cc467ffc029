//! Which phrase of a closed group fits a picture: softmax over the cosines of embeddings.

use crate::{MetricError, cosine};

/// The logit scale of CLIP after training, `exp(logit_scale)`: a cosine difference of 0.01 becomes a factor of e.
pub const CLIP_LOGIT_SCALE: f64 = 100.0;

/// What a group of phrases says about a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Number of the best phrase.
    pub top_match: usize,
    /// Its probability within the group.
    pub confidence: f64,
    /// Its lead over the next phrase; a small one means "not sure".
    pub margin: f64,
    /// Probability of each phrase; they add up to 1.
    pub probabilities: Vec<f64>,
}

/// Probabilities `softmax(logit_scale * cosine(image, text))` over the texts of one group.
///
/// The probability says how a phrase does against the others of its group, not whether it is true: add phrases for
/// "none of these" where that can happen. Ties go to the earlier phrase.
pub fn zero_shot(image: &[f32], texts: &[&[f32]], logit_scale: f64) -> Result<Verdict, MetricError> {
    let cosines: Vec<f64> = texts.iter().map(|text| cosine(image, text)).collect::<Result<_, _>>()?;
    let greatest = cosines.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Subtracting the greatest first keeps exp() from overflowing.
    let powers: Vec<f64> = cosines.iter().map(|cosine| (logit_scale * (cosine - greatest)).exp()).collect();
    let sum: f64 = powers.iter().sum();
    let probabilities: Vec<f64> = powers.iter().map(|power| power / sum).collect();
    let top_match = cosines.iter().position(|cosine| *cosine == greatest).ok_or(MetricError::Empty)?;
    let confidence = probabilities[top_match];
    let others = probabilities.iter().enumerate().filter(|(index, _)| *index != top_match);
    let margin = confidence - others.map(|(_, p)| *p).fold(0.0, f64::max);
    Ok(Verdict { top_match, confidence, margin, probabilities })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_phrase_wins_and_probabilities_add_up() {
        let verdict =
            zero_shot(&[1.0, 0.2], &[&[0.0, 1.0], &[1.0, 0.0], &[-1.0, 0.0]], CLIP_LOGIT_SCALE).unwrap();
        assert_eq!(verdict.top_match, 1);
        assert!(verdict.confidence > 0.999 && verdict.margin > 0.99);
        assert!((verdict.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn equal_phrases_share() {
        let verdict = zero_shot(&[1.0, 0.0], &[&[2.0, 0.0], &[1.0, 0.0]], 1e6).unwrap();
        assert_eq!((verdict.top_match, verdict.confidence, verdict.margin), (0, 0.5, 0.0));
    }

    #[test]
    fn one_phrase_is_certain_and_none_is_an_error() {
        assert_eq!(zero_shot(&[1.0], &[&[-1.0]], CLIP_LOGIT_SCALE).unwrap().confidence, 1.0);
        assert_eq!(zero_shot(&[1.0], &[], CLIP_LOGIT_SCALE), Err(MetricError::Empty));
    }
}
