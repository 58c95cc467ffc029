//! A fair contest: which references are held back, who is ahead beyond the noise, and who only copied.

use crate::{MetricError, Summary};

/// From so many references on some are held back for good; with fewer each is held back in turn.
pub const LEAST_TO_HOLD_OUT: usize = 4;
/// Of so many references one is held back.
const HOLD_OUT_EVERY: usize = 3;
/// A lead counts from so many standard errors on: about 95 % of the time chance alone stays below.
pub const NOISE_FACTOR: f64 = 2.0;
/// A picture is far closer to a training picture if its distance is less than this share of the honest distance.
const COPY_SHARE: f64 = 0.5;

/// References to know the character by, and others to score against: scoring against training pictures rewards copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Numbers of the references that a model may learn from.
    pub training: Vec<usize>,
    /// Numbers of those that pictures are compared with.
    pub held_out: Vec<usize>,
}

/// Splits references, numbered in a fixed order.
///
/// Every third is held back where there are at least four; with two or three each is held back once (leave one out), and
/// scores are means over the folds; a single one is both, so that a copy cannot be told. No references, no folds.
pub fn folds(count: usize) -> Vec<Fold> {
    match count {
        0 => Vec::new(),
        1 => vec![Fold { training: vec![0], held_out: vec![0] }],
        _ if count < LEAST_TO_HOLD_OUT => (0..count)
            .map(|out| Fold {
                training: (0..count).filter(|index| *index != out).collect(),
                held_out: vec![out],
            })
            .collect(),
        _ => {
            let (held_out, training) =
                (0..count).partition(|index| index % HOLD_OUT_EVERY == HOLD_OUT_EVERY - 1);
            vec![Fold { training, held_out }]
        }
    }
}

/// The lead of one contestant over another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lead {
    /// Difference of the means.
    pub mean: f64,
    /// Its standard error; absent where a contestant has a single picture.
    pub standard_error: Option<f64>,
}

impl Lead {
    /// The lead of `a` over `b` by the scores of their pictures.
    ///
    /// `paired` says that the pictures of both have the same prompts and seeds in the same order: then the differences of the
    /// pairs are summed up, and what a seed does to both does not count as noise. Otherwise `sqrt(SE_a^2 + SE_b^2)`.
    ///
    /// # Errors
    /// No scores.
    pub fn of(a: &[f64], b: &[f64], paired: bool) -> Result<Self, MetricError> {
        if paired && a.len() == b.len() {
            let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
            let Summary { mean, standard_error, .. } = Summary::of(&differences)?;
            return Ok(Self { mean, standard_error });
        }
        let (a, b) = (Summary::of(a)?, Summary::of(b)?);
        let both = a.standard_error.zip(b.standard_error);
        Ok(Self { mean: a.mean - b.mean, standard_error: both.map(|(a, b)| a.hypot(b)) })
    }

    /// Whether the lead, to either side, is more than chance would make it. A single picture proves nothing.
    pub fn is_beyond_noise(&self) -> bool {
        self.standard_error.is_some_and(|error| self.mean.abs() > NOISE_FACTOR * error)
    }
}

/// Where a contestant stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The contestant's number.
    pub contestant: usize,
    /// 1 and the number of those who are ahead beyond the noise.
    pub rank: usize,
    /// Those who differ from it by no more than the noise.
    pub tied_with: Vec<usize>,
}

/// Ranks contestants by the scores of their pictures, best mean first; a difference within the noise is a tie.
///
/// # Errors
/// A contestant without scores.
pub fn rank(contestants: &[Vec<f64>], paired: bool) -> Result<Vec<Place>, MetricError> {
    let means: Vec<f64> =
        contestants.iter().map(|scores| Ok(Summary::of(scores)?.mean)).collect::<Result<_, MetricError>>()?;
    let mut order: Vec<usize> = (0..contestants.len()).collect();
    order.sort_by(|a, b| means[*b].total_cmp(&means[*a]));
    let mut places = Vec::new();
    for contestant in order {
        let mut place = Place { contestant, rank: 1, tied_with: Vec::new() };
        for other in (0..contestants.len()).filter(|other| *other != contestant) {
            let lead = Lead::of(&contestants[other], &contestants[contestant], paired)?;
            if !lead.is_beyond_noise() {
                place.tied_with.push(other);
            } else if lead.mean > 0.0 {
                place.rank += 1;
            }
        }
        places.push(place);
    }
    Ok(places)
}

/// How near a picture is to what a model learned from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CopyRisk {
    /// Number of the nearest training picture.
    pub nearest: usize,
    /// Cosine with it.
    pub to_training: f64,
    /// Cosine with the nearest held-out picture.
    pub to_held_out: f64,
    /// Whether it is far closer than honest pictures are.
    pub is_copy: bool,
}

impl CopyRisk {
    /// Judges a picture by its cosines with training and held-out pictures.
    ///
    /// `honest` are the cosines of held-out pictures with their own nearest training pictures: so near come pictures of
    /// the same character that copy nothing. A picture is a copy if its distance `1 - cosine` from a training picture is
    /// less than half of the least honest distance, and less than half of its distance from every held-out picture.
    /// `None` where there is nothing to judge by.
    pub fn of(training: &[f64], held_out: &[f64], honest: &[f64]) -> Option<Self> {
        let greatest = |values: &[f64]| values.iter().copied().max_by(f64::total_cmp);
        let (to_training, to_held_out, honest) =
            (greatest(training)?, greatest(held_out)?, greatest(honest)?);
        let nearest = training.iter().position(|value| *value == to_training)?;
        let distance = 1.0 - to_training;
        let is_copy = distance < COPY_SHARE * (1.0 - honest) && distance < COPY_SHARE * (1.0 - to_held_out);
        Some(Self { nearest, to_training, to_held_out, is_copy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_references_are_held_out_in_turn_and_more_for_good() {
        assert!(folds(0).is_empty());
        assert_eq!(folds(1), [Fold { training: vec![0], held_out: vec![0] }]);
        let three = folds(3);
        assert_eq!(three.len(), 3);
        assert_eq!(three[1], Fold { training: vec![0, 2], held_out: vec![1] });
        for count in 4..30 {
            let [Fold { training, held_out }] = <[Fold; 1]>::try_from(folds(count)).unwrap();
            assert!(!held_out.is_empty() && training.len() > held_out.len(), "{count}");
            let mut all: Vec<usize> = training.into_iter().chain(held_out).collect();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_lead_within_the_noise_is_a_tie() {
        // Means 0.5, 0.52 and 0.9; the spread of the first two is far larger than their difference.
        let scores = vec![vec![0.3, 0.7, 0.5], vec![0.32, 0.72, 0.52], vec![0.9, 0.91, 0.89]];
        let places = rank(&scores, false).unwrap();
        assert_eq!(places.iter().map(|place| place.contestant).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!(places.iter().map(|place| place.rank).collect::<Vec<_>>(), [1, 2, 2]);
        assert_eq!(places[1].tied_with, [0]);
        // The same seeds: every pair differs by 0.02, and that is no noise.
        let places = rank(&scores, true).unwrap();
        assert_eq!(places.iter().map(|place| place.rank).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn one_picture_proves_nothing() {
        let places = rank(&[vec![0.1], vec![0.9]], false).unwrap();
        assert_eq!((places[0].contestant, places[0].rank, places[1].rank), (1, 1, 1));
        assert!(rank(&[vec![], vec![0.9]], false).is_err());
        let equal = Lead::of(&[0.5, 0.5], &[0.5, 0.5], false).unwrap();
        assert!(!equal.is_beyond_noise());
    }

    #[test]
    fn a_copy_is_nearer_than_honest_pictures_are() {
        let honest = [0.80, 0.85];
        assert!(CopyRisk::of(&[0.5, 0.99], &[0.8], &honest).unwrap().is_copy);
        assert_eq!(CopyRisk::of(&[0.5, 0.99], &[0.8], &honest).unwrap().nearest, 1);
        assert!(!CopyRisk::of(&[0.5, 0.86], &[0.8], &honest).unwrap().is_copy);
        // As near to held-out pictures: it shows the character, not one picture.
        assert!(!CopyRisk::of(&[0.99], &[0.985], &honest).unwrap().is_copy);
        assert_eq!(CopyRisk::of(&[], &[0.9], &honest), None);
        assert_eq!(CopyRisk::of(&[0.9], &[0.9], &[]), None);
    }
}
