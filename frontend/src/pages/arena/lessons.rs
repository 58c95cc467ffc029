//! What a round taught: what was decided, and recommendations as cards, with the one change that was made.

use chapan_api::competition::{Change, Decision, Feedback, Priority, Recommendation};
use leptos::prelude::*;

use crate::{
    components::icon::icon,
    i18n::{self, Language, t_string, use_i18n},
};

/// Why it went on, or ended.
fn decided(i18n: Language, decision: Decision) -> &'static str {
    match decision {
        Decision::Continue => t_string!(i18n, arena.goes_on),
        Decision::GapClosed => t_string!(i18n, arena.gap_closed),
        Decision::LastRound => t_string!(i18n, arena.last_round),
        Decision::NoGain => t_string!(i18n, arena.no_gain),
        Decision::NoChange => t_string!(i18n, arena.no_change),
    }
}

fn changed(i18n: Language, change: &Change) -> String {
    match change {
        Change::Steps { from, to } => format!("{}: {from} → {to}", t_string!(i18n, training.steps)),
        Change::LearningRate { from, to } => format!("{}: {from:e} → {to:e}", t_string!(i18n, training.rate)),
        Change::Rank { from, to } => format!("{}: {from} → {to}", t_string!(i18n, training.rank)),
        Change::Emphasise { phrase, .. } => t_string!(i18n, arena.emphasise, phrase = phrase),
    }
}

/// The feedback of a round.
#[component]
pub fn Lessons(
    /// What the round taught.
    feedback: Feedback,
) -> impl IntoView {
    let i18n = use_i18n();
    let decision = feedback.decision;
    let applied = StoredValue::new(feedback.applied.clone());
    let none = feedback.recommendations.is_empty();
    view! {
        <p class="lessons-decision">
            {icon(if decision == Decision::Continue { "again" } else { "check" })}
            <span>
                {move || decided(i18n, decision)}
                {move || {
                    applied
                        .with_value(|change| {
                            change
                                .as_ref()
                                .map(|change| {
                                    view! {
                                        " "
                                        <strong class="numeric">
                                            {t_string!(i18n, arena.change_made, change = changed(i18n, change))}
                                        </strong>
                                    }
                                })
                        })
                }}
            </span>
        </p>
        {none.then(|| view! { <p class="sheet-words">{move || t_string!(i18n, arena.nothing_to_say)}</p> })}
        <ul class="lessons">
            {feedback
                .recommendations
                .into_iter()
                .map(|one| {
                    let is_made = applied.with_value(|applied| applied.is_some() && *applied == one.change);
                    view! { <Card one is_made /> }
                })
                .collect_view()}
        </ul>
    }
}

#[component]
fn Card(one: Recommendation, is_made: bool) -> impl IntoView {
    let i18n = use_i18n();
    let area = one.area.clone();
    let area = move || match area.as_str() {
        "training" => t_string!(i18n, arena.area_training).to_owned(),
        "features" => t_string!(i18n, arena.area_features).to_owned(),
        "references" => t_string!(i18n, arena.area_references).to_owned(),
        other => other.to_owned(),
    };
    let (look, priority) = match one.priority {
        Priority::High => ("lesson-card lesson-high", 0),
        Priority::Medium => ("lesson-card", 1),
        Priority::Low => ("lesson-card", 2),
    };
    let priority = move || match priority {
        0 => t_string!(i18n, arena.priority_high),
        1 => t_string!(i18n, arena.priority_medium),
        _ => t_string!(i18n, arena.priority_low),
    };
    let message = move || {
        let code = i18n::code(i18n.get_locale());
        one.message.get(code).or_else(|| one.message.get("en")).cloned().unwrap_or_default()
    };
    let change = one.change.clone();
    view! {
        <li class=look>
            <p class="lesson-kind">
                <span>{area}</span>
                <span>{priority}</span>
            </p>
            <p>{message}</p>
            {change
                .map(|change| view! { <p class="lesson-change numeric">{move || changed(i18n, &change)}</p> })}
            {is_made
                .then(|| {
                    view! {
                        <p class="badge badge-good">{icon("check")} {move || t_string!(i18n, arena.made_next)}</p>
                    }
                })}
        </li>
    }
}
