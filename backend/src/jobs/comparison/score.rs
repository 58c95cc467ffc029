//! Contestants against references: `score_v1` with its parts, its noise, its ranks and its reasons.

use std::collections::BTreeMap;

use chapan_api::analysis::{Analysis, GroupMatch, KeyFeature};
use chapan_api::comparison::{
    Bands, ComparisonReport, Contestant, FeatureEvidence, FeatureOfPicture, FeatureScore, Holdout,
    PictureCopyRisk, PictureScore, Place, ReferenceSplit, ScoreBand, ScoreWeights, StandardErrors,
};
use chapan_metrics::contest::LEAST_TO_HOLD_OUT;
use chapan_metrics::quality::SCORE_VERSION;
use chapan_metrics::{Band, CopyRisk, Fold, Quality, QualityWeights, Summary, cosine, folds, rank};

use super::{ComparisonError, Phrases, Seen, analyse};

/// References, and which of them a model may learn from.
#[derive(Debug)]
pub struct References {
    seen: Vec<Seen>,
    folds: Vec<Fold>,
    holdout: Holdout,
}

impl References {
    /// Splits references as [`folds`] does.
    pub fn split(seen: Vec<Seen>) -> Self {
        let holdout = match seen.len() {
            ..=1 => Holdout::None,
            count if count < LEAST_TO_HOLD_OUT => Holdout::LeaveOneOut,
            _ => Holdout::Split,
        };
        Self { folds: folds(seen.len()), holdout, seen }
    }

    /// References that were split by hand.
    pub fn given(training: Vec<Seen>, held_out: Vec<Seen>) -> Self {
        let (from, to) = (training.len(), training.len() + held_out.len());
        let fold = Fold { training: (0..from).collect(), held_out: (from..to).collect() };
        Self {
            seen: training.into_iter().chain(held_out).collect(),
            folds: vec![fold],
            holdout: Holdout::Given,
        }
    }

    /// Those that a model may learn from; with leave-one-out all of them, each in some fold.
    pub fn training(&self) -> Vec<Seen> {
        self.pick(|fold| &fold.training)
    }

    /// Those that pictures are compared with.
    pub fn held_out(&self) -> Vec<Seen> {
        self.pick(|fold| &fold.held_out)
    }

    /// How they were kept apart.
    pub fn holdout(&self) -> Holdout {
        self.holdout
    }

    fn pick(&self, side: impl Fn(&Fold) -> &Vec<usize>) -> Vec<Seen> {
        let is_in = |index: usize| self.folds.iter().any(|fold| side(fold).contains(&index));
        let picked = self.seen.iter().enumerate().filter(|(index, _)| is_in(*index));
        picked.map(|(_, seen)| seen.clone()).collect()
    }

    fn describe(&self) -> ReferenceSplit {
        let names = |seen: Vec<Seen>| seen.into_iter().map(|seen| seen.file).collect();
        ReferenceSplit {
            holdout: self.holdout,
            training: names(self.training()),
            held_out: names(self.held_out()),
        }
    }

    /// How near a picture is to training references, by the worst of all folds.
    fn copy_risk(&self, cosines: &[f64], between: &[Vec<f64>]) -> Option<PictureCopyRisk> {
        if self.holdout == Holdout::None {
            return None;
        }
        let pick = |from: &[f64], of: &[usize]| of.iter().map(|index| from[*index]).collect::<Vec<_>>();
        let risks = self.folds.iter().filter_map(|fold| {
            let nearest = |index: &usize| {
                let training = pick(&between[*index], &fold.training);
                training.into_iter().max_by(f64::total_cmp)
            };
            let honest: Vec<f64> = fold.held_out.iter().filter_map(nearest).collect();
            let risk = CopyRisk::of(&pick(cosines, &fold.training), &pick(cosines, &fold.held_out), &honest)?;
            Some(PictureCopyRisk {
                nearest_training: self.seen[fold.training[risk.nearest]].file.clone(),
                to_training: risk.to_training,
                to_held_out: risk.to_held_out,
                is_copy: risk.is_copy,
            })
        });
        risks.max_by(|a, b| {
            (a.is_copy, a.to_training)
                .partial_cmp(&(b.is_copy, b.to_training))
                .unwrap_or(std::cmp::Ordering::Equal)
        })
    }
}

/// A contestant's pictures.
#[derive(Debug)]
pub struct ContestantPictures {
    /// Its name.
    pub name: String,
    /// What it drew.
    pub pictures: Vec<Seen>,
}

/// What a comparison is made by.
#[derive(Debug)]
pub struct Contest<'a> {
    /// The CLIP's id.
    pub model: &'a str,
    /// The features.
    pub phrases: &'a Phrases,
    /// How much each part counts.
    pub weights: ScoreWeights,
    /// The round of a competition.
    pub round: Option<u32>,
}

/// Scores and ranks contestants.
///
/// # Errors
/// No contestants, references without a common feature, weights that cannot be used.
pub fn compare(
    contest: &Contest<'_>,
    references: &References,
    contestants: &[ContestantPictures],
) -> Result<ComparisonReport, ComparisonError> {
    if contestants.is_empty() {
        return Err(ComparisonError::NoContestants);
    }
    let analysis = analyse(contest.phrases, &references.training(), contest.model, None)?;
    if analysis.key_features.is_empty() {
        return Err(ComparisonError::NoKeyFeatures { features: analysis.features });
    }
    let between = cosines_between(&references.seen, &references.seen)?;
    let judge = Judge { contest, references, key_features: &analysis.key_features, between };
    let scored = contestants
        .iter()
        .map(|contestant| judge.contestant(contestant))
        .collect::<Result<Vec<_>, ComparisonError>>()?;
    let names = |index: usize| contestants[index].pictures.iter().map(|seen| seen.file.as_str());
    let paired = contestants.len() > 1 && (1..contestants.len()).all(|other| names(other).eq(names(0)));
    Ok(ComparisonReport {
        version: SCORE_VERSION.to_owned(),
        round: contest.round,
        model: contest.model.to_owned(),
        features: analysis.features.clone(),
        weights: contest.weights,
        references: references.describe(),
        evidence: evidence(&analysis),
        ranking: ranking(&scored, paired)?,
        key_features: analysis.key_features,
        contestants: scored,
        paired,
        heat_maps: Vec::new(),
    })
}

/// Cosines of each of `from` with each of `to`.
fn cosines_between(from: &[Seen], to: &[Seen]) -> Result<Vec<Vec<f64>>, ComparisonError> {
    let row = |seen: &Seen| {
        to.iter().map(|other| Ok(cosine(&seen.embedding, &other.embedding)?)).collect::<Result<Vec<_>, _>>()
    };
    from.iter().map(row).collect()
}

fn evidence(analysis: &Analysis) -> Vec<FeatureEvidence> {
    let of = |key: &KeyFeature| {
        let carries = |groups: &[GroupMatch]| {
            groups.iter().any(|found| found.group == key.group && found.surely_is(&key.value))
        };
        let (carried, lacked): (Vec<_>, Vec<_>) =
            analysis.pictures.iter().partition(|picture| carries(&picture.groups));
        let names = |pictures: Vec<&chapan_api::analysis::PictureAnalysis>| {
            pictures.into_iter().map(|picture| picture.file.clone()).collect()
        };
        FeatureEvidence {
            group: key.group.clone(),
            value: key.value.clone(),
            carried_by: names(carried),
            lacked_by: names(lacked),
        }
    };
    analysis.key_features.iter().map(of).collect()
}

fn ranking(contestants: &[Contestant], paired: bool) -> Result<Vec<Place>, ComparisonError> {
    let scores: Vec<Vec<f64>> = contestants
        .iter()
        .map(|contestant| contestant.pictures.iter().map(|picture| picture.quality).collect())
        .collect();
    let name = |index: usize| contestants[index].name.clone();
    let place = |place: chapan_metrics::Place| Place {
        rank: u32::try_from(place.rank).unwrap_or(u32::MAX),
        contestant: name(place.contestant),
        quality_score: contestants[place.contestant].quality_score,
        standard_error: contestants[place.contestant].standard_errors.quality_score,
        tied_with: place.tied_with.into_iter().map(name).collect(),
    };
    Ok(rank(&scores, paired)?.into_iter().map(place).collect())
}

/// Scores pictures.
struct Judge<'a> {
    contest: &'a Contest<'a>,
    references: &'a References,
    key_features: &'a [KeyFeature],
    /// Cosines of the references with each other.
    between: Vec<Vec<f64>>,
}

impl Judge<'_> {
    fn contestant(&self, contestant: &ContestantPictures) -> Result<Contestant, ComparisonError> {
        let pictures: Vec<PictureScore> =
            contestant.pictures.iter().map(|seen| self.picture(seen)).collect::<Result<_, _>>()?;
        let summary = |part: fn(&PictureScore) -> f64| {
            Ok::<_, ComparisonError>(Summary::of(&pictures.iter().map(part).collect::<Vec<_>>())?)
        };
        let clip = summary(|picture| picture.clip_similarity)?;
        let matching = summary(|picture| picture.feature_matching)?;
        let ssim = summary(|picture| picture.ssim)?;
        let quality = summary(|picture| picture.quality)?;
        let risks: Vec<&PictureCopyRisk> =
            pictures.iter().filter_map(|picture| picture.copy_risk.as_ref()).collect();
        Ok(Contestant {
            name: contestant.name.clone(),
            clip_similarity_avg: clip.mean,
            feature_matching_score: matching.mean,
            ssim_avg: ssim.mean,
            quality_score: quality.mean,
            standard_errors: StandardErrors {
                clip_similarity_avg: clip.standard_error,
                feature_matching_score: matching.standard_error,
                ssim_avg: ssim.standard_error,
                quality_score: quality.standard_error,
            },
            bands: Bands {
                clip_similarity: word(Band::of_similarity(clip.mean)),
                feature_matching: word(Band::of_similarity(matching.mean)),
                ssim: word(Band::of_ssim(ssim.mean)),
            },
            copies: (!risks.is_empty()).then(|| risks.iter().filter(|risk| risk.is_copy).count() as u64),
            features: (0..self.key_features.len()).map(|index| self.feature(index, &pictures)).collect(),
            pictures,
        })
    }

    /// A key feature over pictures.
    fn feature(&self, index: usize, pictures: &[PictureScore]) -> FeatureScore {
        let key = &self.key_features[index];
        let count = pictures.len() as f64;
        let each = || pictures.iter().map(|picture| &picture.features[index]);
        let mut winners: BTreeMap<&str, usize> = BTreeMap::new();
        for winner in each().filter_map(|feature| feature.won_instead.as_deref()) {
            *winners.entry(winner).or_default() += 1;
        }
        let right = each().filter(|feature| feature.won_instead.is_none()).count();
        FeatureScore {
            group: key.group.clone(),
            value: key.value.clone(),
            probability: each().map(|feature| feature.probability).sum::<f64>() / count,
            cosine: each().map(|feature| feature.cosine).sum::<f64>() / count,
            share: right as f64 / count,
            won_instead: winners.into_iter().max_by_key(|(_, times)| *times).map(|(name, _)| name.to_owned()),
        }
    }

    fn picture(&self, seen: &Seen) -> Result<PictureScore, ComparisonError> {
        let groups = self.contest.phrases.ask(&seen.embedding)?;
        let features: Vec<FeatureOfPicture> = self
            .key_features
            .iter()
            .filter_map(|key| {
                let group = groups.iter().find(|group| group.group == key.group)?;
                let value = group.value(&key.value)?;
                Some(FeatureOfPicture {
                    group: key.group.clone(),
                    value: key.value.clone(),
                    probability: value.probability,
                    cosine: value.cosine,
                    won_instead: (group.top_match != key.value).then(|| group.top_match.clone()),
                })
            })
            .collect();
        let cosines = cosines_between(std::slice::from_ref(seen), &self.references.seen)?.concat();
        let held_out: Vec<&usize> = self.references.folds.iter().flat_map(|fold| &fold.held_out).collect();
        let mut alike = Vec::with_capacity(held_out.len());
        for index in &held_out {
            alike.push(seen.picture.ssim(&self.references.seen[**index].picture)?);
        }
        let mean = |values: &[f64]| Ok::<_, ComparisonError>(Summary::of(values)?.mean);
        let parts = Quality {
            clip_similarity: mean(&held_out.iter().map(|index| cosines[**index]).collect::<Vec<_>>())?,
            feature_matching: mean(&features.iter().map(|feature| feature.probability).collect::<Vec<_>>())?,
            ssim: mean(&alike)?,
        };
        let ScoreWeights { clip_similarity, feature_matching, ssim } = self.contest.weights;
        let quality = parts.score(&QualityWeights { clip_similarity, feature_matching, ssim })?;
        Ok(PictureScore {
            file: seen.file.clone(),
            clip_similarity: parts.clip_similarity,
            feature_matching: parts.feature_matching,
            ssim: parts.ssim,
            quality,
            copy_risk: self.references.copy_risk(&cosines, &self.between),
            features,
        })
    }
}

fn word(band: Band) -> ScoreBand {
    match band {
        Band::Weak => ScoreBand::Weak,
        Band::Good => ScoreBand::Good,
        Band::VeryClose => ScoreBand::VeryClose,
    }
}
