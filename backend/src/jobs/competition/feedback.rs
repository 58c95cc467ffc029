//! From a report to recommendations and a decision. Rules in one place, each with its reason; messages are data.

use std::collections::BTreeMap;

use chapan_api::comparison::{ComparisonReport, Contestant};
use chapan_api::competition::{
    COMPETITION_VERSION, Change, Decision, Feedback, Priority, Recommendation, RoundSettings,
};
use chapan_metrics::contest::Lead;

/// Messages by code and language, with `{numbers}`.
const MESSAGES: &str = include_str!("../../../../assets/feedback/messages.json");
/// A key feature below this mean probability is weak: the lower bound of "good".
const WEAK: f64 = 0.6;
/// A held-out loss this far above its least says that the pictures are learnt by heart.
const OVERFIT: f64 = 1.02;
/// Fewer steps teach nothing, more ranks are not read by every program.
const LEAST_STEPS: u64 = 20;
const MOST_RANK: u64 = 128;
/// How many references are usual.
const USUAL_REFERENCES: usize = 10;

/// What a round has to learn from.
#[derive(Debug)]
pub(super) struct Lesson<'a> {
    /// The round, from 1.
    pub round: u32,
    /// The most rounds.
    pub iterations: u32,
    /// How far the LoRA may be behind.
    pub score_gap: f64,
    /// The scores of everybody.
    pub report: &'a ComparisonReport,
    /// The LoRA's name in it, and those of the rounds before, latest last.
    pub own: &'a str,
    /// See `own`.
    pub earlier: &'a [String],
    /// Settings of every round so far, the latest last.
    pub settings: &'a [RoundSettings],
    /// Held-out losses by step.
    pub losses: &'a [(u64, f64)],
}

/// The feedback of a round.
pub(super) fn learn(lesson: &Lesson<'_>) -> Feedback {
    let find = |name: &str| lesson.report.contestants.iter().find(|one| one.name == name);
    let own = find(lesson.own);
    let competitors = lesson
        .report
        .contestants
        .iter()
        .filter(|one| one.name != lesson.own && !lesson.earlier.contains(&one.name));
    let best = competitors.max_by(|a, b| a.quality_score.total_cmp(&b.quality_score));
    let score_gap = best.zip(own).map_or(0.0, |(best, own)| best.quality_score - own.quality_score);
    let mut recommendations = own.map_or_else(Vec::new, |own| recommend(lesson, own));
    recommendations.sort_by_key(|recommendation| recommendation.priority);
    let needs_improvement = score_gap > lesson.score_gap;
    let tried = |change: &Change| {
        lesson.settings.last().is_none_or(|last| lesson.settings.contains(&last.with(change)))
    };
    let mut changes = recommendations.iter().filter_map(|recommendation| recommendation.change.as_ref());
    let next = changes.find(|change| !tried(change)).cloned();
    let decision = if !needs_improvement {
        Decision::GapClosed
    } else if lesson.round >= lesson.iterations {
        Decision::LastRound
    } else if !gained(lesson) {
        Decision::NoGain
    } else if next.is_none() {
        Decision::NoChange
    } else {
        Decision::Continue
    };
    Feedback {
        version: COMPETITION_VERSION.to_owned(),
        round: lesson.round,
        needs_improvement,
        score_gap,
        best_competitor: best.map_or_else(String::new, |best| best.name.clone()),
        recommendations,
        applied: next.filter(|_| decision == Decision::Continue),
        decision,
    }
}

/// Whether one of the last two rounds was better than the one before it, beyond the noise. True while there are too few.
fn gained(lesson: &Lesson<'_>) -> bool {
    let mut names: Vec<&str> = lesson.earlier.iter().map(String::as_str).collect();
    names.push(lesson.own);
    let scores = |name: &str| {
        let found = lesson.report.contestants.iter().find(|one| one.name == name)?;
        Some(found.pictures.iter().map(|picture| picture.quality).collect::<Vec<f64>>())
    };
    let Some(last) = names.len().checked_sub(3).map(|from| &names[from..]) else { return true };
    last.windows(2).any(|pair| {
        let leads = scores(pair[1])
            .zip(scores(pair[0]))
            .and_then(|(after, before)| Lead::of(&after, &before, true).ok());
        leads.is_some_and(|lead| lead.mean > 0.0 && lead.is_beyond_noise())
    })
}

fn recommend(lesson: &Lesson<'_>, own: &Contestant) -> Vec<Recommendation> {
    let Some(settings) = lesson.settings.last() else { return Vec::new() };
    let mut found = Vec::new();
    let steps = settings.max_train_steps;
    let of_steps = |to: u64| Change::Steps { from: steps, to: to.max(LEAST_STEPS) };
    // Learnt by heart: fewer steps, whether the loss or the pictures say so.
    if let Some(copies) = own.copies.filter(|copies| *copies > 0) {
        let to = (steps / 2).max(LEAST_STEPS);
        let words = [("count", copies.to_string()), ("of", own.pictures.len().to_string())];
        let words = words.into_iter().chain([("from", steps.to_string()), ("to", to.to_string())]);
        found.push(recommendation("training", "copies", words, Priority::High, Some(of_steps(to))));
    }
    if let Some((best, to)) = overfitted(lesson.losses) {
        let words = [("best", best.to_string()), ("from", steps.to_string()), ("to", to.to_string())];
        found.push(recommendation("training", "overfitted", words, Priority::High, Some(of_steps(to))));
    } else if still_falling(lesson.losses) {
        let to = steps.saturating_mul(2).max(LEAST_STEPS);
        let words = [("from", steps.to_string()), ("to", to.to_string())];
        found.push(recommendation("training", "longer", words, Priority::Medium, Some(of_steps(to))));
    }
    // A feature that the references show and the pictures do not; or that the references lack.
    let mut weak: Vec<_> = own.features.iter().filter(|feature| feature.probability < WEAK).collect();
    weak.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    for feature in weak {
        let keys = &lesson.report.key_features;
        let key = keys.iter().find(|key| key.group == feature.group && key.value == feature.value);
        let Some(phrase) = key.map(|key| key.phrase.clone()) else { continue };
        let evidence = lesson.report.evidence.iter().find(|evidence| evidence.group == feature.group);
        let (carried, of) = evidence.map_or((0, 0), |evidence| {
            (evidence.carried_by.len(), evidence.carried_by.len() + evidence.lacked_by.len())
        });
        if 2 * carried < of {
            let words = [("count", carried.to_string()), ("of", of.to_string()), ("phrase", phrase.clone())];
            found.push(recommendation("references", "lacking_references", words, Priority::Medium, None));
        }
        let percent = format!("{:.0}", feature.probability * 100.0);
        let words = [("phrase", phrase.clone()), ("probability", percent)];
        let change = Change::Emphasise { group: feature.group.clone(), phrase };
        found.push(recommendation("features", "weak_feature", words, Priority::High, Some(change)));
    }
    let references = lesson.report.references.training.len();
    if references < USUAL_REFERENCES {
        let words = [("count", references.to_string())];
        found.push(recommendation("references", "few_references", words, Priority::Low, None));
    }
    let (rate, gentler) = (settings.learning_rate, settings.learning_rate / 2.0);
    let words = [("from", format!("{rate:e}")), ("to", format!("{gentler:e}"))];
    let change = Change::LearningRate { from: rate, to: gentler };
    found.push(recommendation("training", "gentler", words, Priority::Low, Some(change)));
    if settings.rank < MOST_RANK {
        let (from, to) = (settings.rank, (settings.rank * 2).min(MOST_RANK));
        let words = [("from", from.to_string()), ("to", to.to_string())];
        found.push(recommendation(
            "training",
            "larger",
            words,
            Priority::Low,
            Some(Change::Rank { from, to }),
        ));
    }
    found
}

/// The step of the least held-out loss and how many steps to train, if the loss rose after it.
fn overfitted(losses: &[(u64, f64)]) -> Option<(u64, u64)> {
    let (_, last) = *losses.last()?;
    let (step, least) = losses.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))?;
    (last > least * OVERFIT && step > 0).then_some((step, step.max(LEAST_STEPS)))
}

/// Whether the last held-out loss is the least.
fn still_falling(losses: &[(u64, f64)]) -> bool {
    let Some(((_, last), before)) = losses.split_last() else { return false };
    before.iter().all(|(_, loss)| last < loss) && !before.is_empty()
}

fn recommendation<'a>(
    area: &str,
    code: &str,
    words: impl IntoIterator<Item = (&'a str, String)>,
    priority: Priority,
    change: Option<Change>,
) -> Recommendation {
    let all: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(MESSAGES).unwrap_or_default();
    let mut message = all.get(code).cloned().unwrap_or_default();
    for (word, value) in words {
        for text in message.values_mut() {
            *text = text.replace(&format!("{{{word}}}"), &value);
        }
    }
    Recommendation { area: area.to_owned(), message, priority, change }
}

#[cfg(test)]
#[path = "feedback_tests.rs"]
mod tests;
