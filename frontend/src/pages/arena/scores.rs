//! Scores as bars with whiskers: the quality of each contestant, and the three parts it is made of.

use chapan_api::{
    comparison::{ComparisonReport, Contestant, Place, ScoreBand},
    competition::VoteTally,
};
use leptos::prelude::*;

use super::{called, order::whisker};
use crate::{
    components::icon::icon,
    i18n::{Language, Says, t_string, use_i18n},
};

/// What a band is called.
fn band(i18n: Language, band: ScoreBand) -> &'static str {
    match band {
        ScoreBand::Weak => t_string!(i18n, lesson.weak),
        ScoreBand::Good => t_string!(i18n, lesson.moderate),
        ScoreBand::VeryClose => t_string!(i18n, lesson.very_close),
    }
}

/// A bar from 0 to 1 with its whisker.
#[component]
pub fn Bar(
    /// The value.
    value: f64,
    /// How far it may be off.
    error: Option<f64>,
    /// What it is, for who does not see it.
    #[prop(into)]
    label: Signal<String>,
    /// Whether it is a small one.
    #[prop(optional)]
    small: bool,
) -> impl IntoView {
    let (low, high) = whisker(value, error);
    let part = |at: f64| format!("{:.2}%", at * 100.0);
    view! {
        <span
            class="bar"
            class:bar-small=small
            role="img"
            aria-label=move || label.get()
            style=("--at", part(value.clamp(0.0, 1.0)))
            style=("--low", part(low))
            style=("--high", part(high))
        >
            <span class="bar-fill"></span>
            {error.is_some().then(|| view! { <span class="bar-whisker"></span> })}
        </span>
    }
}

/// All contestants, best first.
#[component]
pub fn Scores(
    /// The report of a round.
    report: ComparisonReport,
    /// What people chose.
    votes: Signal<Vec<VoteTally>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let ComparisonReport { ranking, contestants, .. } = report;
    let rows: Vec<(Place, Contestant)> = ranking
        .into_iter()
        .filter_map(|place| {
            let contestant = contestants.iter().find(|one| one.name == place.contestant)?.clone();
            Some((place, contestant))
        })
        .collect();
    view! {
        <ol class="scores">
            {rows
                .into_iter()
                .map(|(place, contestant)| view! { <Score place contestant votes /> })
                .collect_view()}
        </ol>
        <p class="scores-key">
            <span class="scores-axis numeric" aria-hidden="true">
                <span>"0"</span>
                <span>"0.5"</span>
                <span>"1"</span>
            </span>
            {move || t_string!(i18n, arena.bars_key)}
        </p>
    }
}

#[component]
fn Score(place: Place, contestant: Contestant, votes: Signal<Vec<VoteTally>>) -> impl IntoView {
    let i18n = use_i18n();
    let name = StoredValue::new(contestant.name.clone());
    let said = move || name.with_value(|name| called(i18n, name));
    let (quality, error) = (place.quality_score, place.standard_error);
    let number = move |value: f64, error: Option<f64>| match error {
        Some(error) => format!("{value:.3} ± {error:.3}"),
        None => format!("{value:.3}"),
    };
    let ties = place.tied_with.clone();
    let copies = contestant.copies.unwrap_or(0);
    let of = contestant.pictures.len();
    let errors = contestant.standard_errors;
    let parts: [(Says, f64, Option<f64>, ScoreBand); 3] = [
        (
            |i18n| t_string!(i18n, arena.clip_similarity),
            contestant.clip_similarity_avg,
            errors.clip_similarity_avg,
            contestant.bands.clip_similarity,
        ),
        (
            |i18n| t_string!(i18n, arena.feature_matching),
            contestant.feature_matching_score,
            errors.feature_matching_score,
            contestant.bands.feature_matching,
        ),
        (|i18n| t_string!(i18n, arena.ssim), contestant.ssim_avg, errors.ssim_avg, contestant.bands.ssim),
    ];
    let tally = move || {
        votes.with(|votes| name.with_value(|name| votes.iter().find(|one| one.contestant == *name).cloned()))
    };
    view! {
        <li class="score">
            <div class="score-head">
                <span class="score-rank numeric">{place.rank}</span>
                <h3 class="score-name">{said}</h3>
                <span class="score-number numeric">{number(quality, error)}</span>
            </div>
            <Bar
                value=quality
                error
                label=Signal::derive(move || {
                    format!("{}: {} {}", said(), t_string!(i18n, arena.quality), number(quality, error))
                })
            />
            {(!ties.is_empty())
                .then(|| {
                    view! {
                        <p class="score-note">
                            {icon("swap")}
                            {move || {
                                let names = ties.iter().map(|name| called(i18n, name)).collect::<Vec<_>>().join(", ");
                                t_string!(i18n, arena.tie_with, names = names)
                            }}
                        </p>
                    }
                })}
            {(copies > 0)
                .then(|| {
                    view! {
                        <p class="score-note score-copies">
                            {icon("alert")} {move || t_string!(i18n, arena.copies, count = copies, of = of)}
                        </p>
                    }
                })}
            <dl class="score-parts">
                {parts
                    .into_iter()
                    .map(|(part, value, error, is)| {
                        view! {
                            <div class="score-part">
                                <dt>{move || part(i18n)}</dt>
                                <dd>
                                    <Bar
                                        value
                                        error
                                        small=true
                                        label=Signal::derive(move || format!("{} {}", part(i18n), number(value, error)))
                                    />
                                    <span class="numeric">{format!("{value:.2}")}</span>
                                    <span class="score-band">{move || band(i18n, is)}</span>
                                </dd>
                            </div>
                        }
                    })
                    .collect_view()}
            </dl>
            {move || {
                tally()
                    .map(|tally| {
                        view! {
                            <p class="score-votes numeric">
                                {icon("vote")}
                                {t_string!(
                                    i18n,
                                    arena.tally,
                                    wins = tally.wins,
                                    losses = tally.losses,
                                    ties = tally.ties,
                                    bound = format!("{:.2}", tally.lower_bound),
                                )}
                            </p>
                        }
                    })
            }}
        </li>
    }
}
