//! Rules of feedback, each with a report that calls for it.

use chapan_api::analysis::KeyFeature;
use chapan_api::comparison::{
    Bands, FeatureEvidence, FeatureScore, Holdout, PictureScore, ReferenceSplit, ScoreBand, ScoreWeights,
    StandardErrors,
};

use super::*;

fn contestant(name: &str, scores: &[f64], topknot: f64) -> Contestant {
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let picture = |(index, quality): (usize, &f64)| PictureScore {
        file: format!("{index}.png"),
        clip_similarity: *quality,
        feature_matching: *quality,
        ssim: *quality,
        quality: *quality,
        copy_risk: None,
        features: Vec::new(),
    };
    Contestant {
        name: name.to_owned(),
        clip_similarity_avg: mean,
        feature_matching_score: mean,
        ssim_avg: mean,
        quality_score: mean,
        standard_errors: StandardErrors {
            clip_similarity_avg: None,
            feature_matching_score: None,
            ssim_avg: None,
            quality_score: None,
        },
        bands: Bands {
            clip_similarity: ScoreBand::Good,
            feature_matching: ScoreBand::Good,
            ssim: ScoreBand::Good,
        },
        copies: Some(0),
        features: vec![FeatureScore {
            group: "hair".into(),
            value: "topknot".into(),
            probability: topknot,
            cosine: 0.2,
            share: 0.5,
            won_instead: None,
        }],
        pictures: scores.iter().enumerate().map(picture).collect(),
    }
}

fn report(contestants: Vec<Contestant>, carried: usize) -> ComparisonReport {
    let names = |count: usize| (0..count).map(|index| format!("{index}.png")).collect::<Vec<_>>();
    let key = KeyFeature {
        group: "hair".into(),
        value: "topknot".into(),
        phrase: "topknot".into(),
        confidence: 0.9,
        share: 1.0,
    };
    ComparisonReport {
        version: "score_v1".into(),
        round: Some(1),
        model: "clip".into(),
        features: "test".into(),
        weights: ScoreWeights::default(),
        references: ReferenceSplit { holdout: Holdout::Given, training: names(12), held_out: names(3) },
        key_features: vec![key],
        evidence: vec![FeatureEvidence {
            group: "hair".into(),
            value: "topknot".into(),
            carried_by: names(carried),
            lacked_by: names(12 - carried),
        }],
        contestants,
        ranking: Vec::new(),
        paired: true,
        heat_maps: Vec::new(),
    }
}

fn settings(steps: u64) -> RoundSettings {
    RoundSettings { max_train_steps: steps, learning_rate: 1e-3, rank: 16, emphasised: Vec::new() }
}

fn feedback(report: &ComparisonReport, settings: &[RoundSettings], losses: &[(u64, f64)]) -> Feedback {
    let earlier: Vec<String> = (1..settings.len()).map(|round| format!("round-{round}")).collect();
    let own = format!("round-{}", settings.len());
    learn(&Lesson {
        round: settings.len() as u32,
        iterations: 5,
        score_gap: 0.05,
        report,
        own: &own,
        earlier: &earlier,
        settings,
        losses,
    })
}

#[test]
fn a_lora_that_leads_needs_nothing() {
    let report =
        report(vec![contestant("base", &[0.3, 0.4], 0.1), contestant("round-1", &[0.8, 0.7], 0.9)], 12);
    let feedback = feedback(&report, &[settings(100)], &[]);
    assert_eq!((feedback.needs_improvement, feedback.decision), (false, Decision::GapClosed));
    assert!((feedback.score_gap + 0.4).abs() < 1e-12 && feedback.best_competitor == "base");
    assert_eq!(feedback.applied, None);
}

#[test]
fn the_most_important_change_is_made_and_no_other() {
    let behind = || vec![contestant("other", &[0.9, 0.9], 0.9), contestant("round-1", &[0.4, 0.5], 0.2)];
    // Learnt by heart: the loss was least at step 40.
    let heart = feedback(&report(behind(), 12), &[settings(100)], &[(0, 0.5), (40, 0.3), (100, 0.4)]);
    assert_eq!(heart.decision, Decision::Continue);
    assert_eq!(heart.applied, Some(Change::Steps { from: 100, to: 40 }));
    // Still falling: the weak feature goes first, longer training stands behind it.
    let falling = feedback(&report(behind(), 12), &[settings(100)], &[(0, 0.5), (50, 0.4), (100, 0.3)]);
    assert!(matches!(falling.applied, Some(Change::Emphasise { .. })));
    assert!(falling.recommendations.iter().any(|r| r.change == Some(Change::Steps { from: 100, to: 200 })));
    let mut copied = report(behind(), 12);
    copied.contestants[1].copies = Some(2);
    let copied = feedback(&copied, &[settings(100)], &[]);
    assert_eq!(copied.applied, Some(Change::Steps { from: 100, to: 50 }));
}

#[test]
fn what_only_a_person_can_do_is_said_and_not_applied() {
    let contestants = vec![contestant("other", &[0.9], 0.9), contestant("round-1", &[0.4], 0.2)];
    let feedback = feedback(&report(contestants, 3), &[settings(100)], &[]);
    let lacking = feedback.recommendations.iter().find(|r| r.area == "references").unwrap();
    assert_eq!(lacking.change, None);
    assert!(lacking.message["en"].contains("3 of 12"), "{lacking:?}");
}

#[test]
fn two_rounds_without_gain_are_the_last() {
    let rounds = |second: [f64; 3], third: [f64; 3]| {
        report(
            vec![
                contestant("other", &[0.9, 0.9, 0.9], 0.9),
                contestant("round-1", &[0.4, 0.5, 0.6], 0.9),
                contestant("round-2", &second, 0.9),
                contestant("round-3", &third, 0.9),
            ],
            12,
        )
    };
    let tried = [settings(100), settings(50), settings(25)];
    let still = rounds([0.41, 0.48, 0.61], [0.40, 0.50, 0.60]);
    assert_eq!(feedback(&still, &tried, &[]).decision, Decision::NoGain);
    let better = rounds([0.41, 0.48, 0.61], [0.51, 0.58, 0.71]);
    assert_eq!(feedback(&better, &tried, &[]).decision, Decision::Continue);
}

#[test]
fn settings_that_were_tried_are_not_tried_again() {
    let contestants = vec![
        contestant("other", &[0.9, 0.9], 0.9),
        contestant("round-1", &[0.4, 0.5], 0.9),
        contestant("round-2", &[0.5, 0.6], 0.9),
    ];
    let mut report = report(contestants, 12);
    report.contestants[2].copies = Some(1);
    // Half of 100 is 50, which round 1 had.
    let feedback = feedback(&report, &[settings(50), settings(100)], &[]);
    assert_eq!(feedback.applied, Some(Change::LearningRate { from: 1e-3, to: 5e-4 }));
}

#[test]
fn every_message_is_said_in_three_languages() {
    let all: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(MESSAGES).unwrap();
    assert!(all.len() >= 8);
    for (code, languages) in &all {
        assert_eq!(languages.keys().collect::<Vec<_>>(), ["en", "kk", "ru"], "{code}");
        let places = |text: &str| {
            let mut places: Vec<String> = text
                .split('{')
                .skip(1)
                .filter_map(|rest| rest.split('}').next().map(str::to_owned))
                .collect();
            places.sort();
            places
        };
        let first = places(&languages["en"]);
        assert!(languages.values().all(|text| places(text) == first), "{code}");
    }
}
