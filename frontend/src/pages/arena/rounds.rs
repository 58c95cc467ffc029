//! The rounds as a chart: how good the LoRA was, how far that may be off, and the base model beside it.

use chapan_api::{comparison::ComparisonReport, competition::TrainingHistory};
use leptos::prelude::*;

use crate::{
    components::plot::{Entry, Line, Plot, Scale},
    i18n::{t_string, use_i18n},
};

/// The chart and its table of settings.
#[component]
pub fn Rounds(
    /// The story so far.
    history: TrainingHistory,
    /// The reports of its rounds.
    reports: Vec<ComparisonReport>,
) -> impl IntoView {
    let i18n = use_i18n();
    let count = history.rounds.len();
    let own = Line {
        look: "main",
        points: history.rounds.iter().map(|round| (f64::from(round.round), round.quality_score)).collect(),
        errors: history.rounds.iter().map(|round| round.standard_error.unwrap_or(0.0)).collect(),
        dots: true,
    };
    let base = reports.into_iter().filter_map(|report| {
        let place = report.ranking.iter().find(|place| place.contestant == "base")?;
        Some((f64::from(report.round?), place.quality_score, place.standard_error.unwrap_or(0.0)))
    });
    let base: Vec<(f64, f64, f64)> = base.collect();
    let base = Line {
        look: "quiet",
        points: base.iter().map(|(round, value, _)| (*round, *value)).collect(),
        errors: base.iter().map(|(.., error)| *error).collect(),
        dots: true,
    };
    let said =
        own.points.iter().map(|(round, value)| format!("{round}: {value:.2}")).collect::<Vec<_>>().join(", ");
    let across = Scale::numbering(count);
    let best = history.best_round;
    view! {
        <div class="rounds-chart">
        <Plot
            lines=Signal::stored(vec![base, own])
            across=Signal::stored(across)
            across_name=|i18n| t_string!(i18n, arena.round)
            label=Signal::derive(move || t_string!(i18n, arena.rounds_label, values = said))
            key=vec![
                Entry { look: "main", name: |i18n| t_string!(i18n, arena.lora) },
                Entry { look: "quiet", name: |i18n| t_string!(i18n, arena.base) },
            ]
        />
        </div>
        <div class="rounds-scroll" tabindex="0" role="group" aria-label=move || t_string!(i18n, arena.rounds)>
            <table class="rounds-table numeric">
                <thead>
                    <tr>
                        <th scope="col">{move || t_string!(i18n, arena.round)}</th>
                        <th scope="col">{move || t_string!(i18n, arena.quality)}</th>
                        <th scope="col">{move || t_string!(i18n, arena.lead_over_base)}</th>
                        <th scope="col">{move || t_string!(i18n, arena.train_steps)}</th>
                        <th scope="col">{move || t_string!(i18n, training.rate)}</th>
                        <th scope="col">{move || t_string!(i18n, training.rank)}</th>
                    </tr>
                </thead>
                <tbody>
                    {history
                        .rounds
                        .into_iter()
                        .map(|round| {
                            let error = |error: Option<f64>| error.map(|error| format!(" ± {error:.3}")).unwrap_or_default();
                            let is_best = best == Some(round.round);
                            view! {
                                <tr class:rounds-best=is_best>
                                    <th scope="row">
                                        {round.round}
                                        {is_best
                                            .then(|| {
                                                view! {
                                                    <span class="badge badge-good">
                                                        {crate::components::icon::icon("check")}
                                                        {move || t_string!(i18n, arena.best)}
                                                    </span>
                                                }
                                            })}
                                    </th>
                                    <td>{format!("{:.3}{}", round.quality_score, error(round.standard_error))}</td>
                                    <td>{format!("{:+.3}{}", round.lead_over_base, error(round.lead_standard_error))}</td>
                                    <td>{round.settings.max_train_steps}</td>
                                    <td>{format!("{:e}", round.settings.learning_rate)}</td>
                                    <td>{round.settings.rank}</td>
                                </tr>
                            }
                        })
                        .collect_view()}
                </tbody>
            </table>
        </div>
    }
}
