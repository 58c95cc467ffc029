//! Why a picture has its score: every key feature with its probability and what won instead, where the CLIP saw it, which
//! references carry it, and whether the picture looks copied.

use chapan_api::comparison::{ComparisonReport, FeatureOfPicture, HeatMap};
use leptos::prelude::*;

use super::{bracket::Address, called, live::Pick, order::picture_path, scores::Bar};
use crate::{
    components::{icon::icon, picture::Pixels},
    i18n::{t_string, use_i18n},
};

/// The reasons of one picture.
#[component]
pub fn Why(
    /// The report that it stands in.
    report: ComparisonReport,
    /// The picture.
    pick: Pick,
    /// Where files lie.
    address: Address,
    /// Closes the part.
    #[prop(into)]
    close: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let pixels = expect_context::<Pixels>();
    let Pick { contestant: whose, file } = pick;
    let contestant = report.contestants.iter().find(|one| one.name == whose);
    let picture =
        contestant.and_then(|one| one.pictures.iter().find(|picture| picture.file == file).cloned());
    let Some(picture) = picture else { return ().into_any() };
    let maps: Vec<HeatMap> =
        report.heat_maps.iter().filter(|map| map.contestant == whose && map.file == file).cloned().collect();
    let has_maps = !maps.is_empty();
    let looked_at = RwSignal::new(maps.first().map(|map| (map.group.clone(), map.value.clone())));
    let maps = StoredValue::new(maps);
    let map = Memo::new(move |_| {
        let (group, value) = looked_at.get()?;
        maps.with_value(|maps| maps.iter().find(|map| map.group == group && map.value == value).cloned())
    });
    let name = StoredValue::new(whose.clone());
    let src = address.run(picture_path(&whose, &file));
    let report = StoredValue::new(report);
    let evidence = move |group: &str, value: &str| {
        report.with_value(|report| {
            let found = report.evidence.iter().find(|one| one.group == group && one.value == value)?;
            Some((found.carried_by.clone(), found.lacked_by.clone()))
        })
    };
    let risk = picture.copy_risk.clone();
    let parts = [
        (t_string!(i18n, arena.clip_similarity), picture.clip_similarity),
        (t_string!(i18n, arena.feature_matching), picture.feature_matching),
        (t_string!(i18n, arena.ssim), picture.ssim),
    ];
    view! {
        <section class="why" aria-labelledby="why-title" tabindex="-1">
            <header class="why-head">
                <h3 id="why-title">
                    {move || {
                        let name = name.with_value(|name| called(i18n, name));
                        t_string!(i18n, arena.why_title, name = name, quality = format!("{:.2}", picture.quality))
                    }}
                </h3>
                <button
                    type="button"
                    class="btn-icon"
                    aria-label=move || t_string!(i18n, frame.close)
                    on:click=move |_| close.run(())
                >
                    {icon("close")}
                </button>
            </header>
            <div class="why-body">
                <div class="why-side">
                    <div class="why-picture">
                        <img class:pixelated=move || pixels.shown() src=src alt=file.clone() />
                        {move || map.get().map(|map| view! { <Heat map /> })}
                    </div>
                    <Show when=move || map.with(Option::is_some)>
                        <p class="why-key">
                            <span class="why-for">{move || t_string!(i18n, arena.speaks_for)}</span>
                            <span class="why-against">{move || t_string!(i18n, arena.speaks_against)}</span>
                        </p>
                    </Show>
                    <dl class="record-rows">
                        {parts
                            .into_iter()
                            .map(|(name, value)| {
                                view! {
                                    <div class="record-row">
                                        <dt>{name}</dt>
                                        <dd class="numeric">{format!("{value:.3}")}</dd>
                                    </div>
                                }
                            })
                            .collect_view()}
                    </dl>
                    {risk
                        .map(|risk| {
                            let words = move || {
                                let (near, far) = (format!("{:.2}", risk.to_training), format!("{:.2}", risk.to_held_out));
                                if risk.is_copy {
                                    t_string!(i18n, arena.is_copy, file = risk.nearest_training, near = near, far = far)
                                } else {
                                    t_string!(i18n, arena.is_no_copy, file = risk.nearest_training, near = near, far = far)
                                }
                            };
                            view! {
                                <p class="score-note" class:score-copies=risk.is_copy>
                                    {icon(if risk.is_copy { "alert" } else { "info" })} {words}
                                </p>
                            }
                        })}
                </div>
                <ul class="why-features">
                    {picture
                        .features
                        .into_iter()
                        .map(|feature| {
                            let carried = evidence(&feature.group, &feature.value);
                            view! { <Feature feature carried looked_at has_maps /> }
                        })
                        .collect_view()}
                </ul>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Feature(
    feature: FeatureOfPicture,
    carried: Option<(Vec<String>, Vec<String>)>,
    looked_at: RwSignal<Option<(String, String)>>,
    has_maps: bool,
) -> impl IntoView {
    let i18n = use_i18n();
    let right = feature.won_instead.is_none();
    let key = StoredValue::new((feature.group.clone(), feature.value.clone()));
    let said = StoredValue::new(feature.value.clone());
    let probability = feature.probability;
    view! {
        <li class="why-feature" class:why-missed=!right>
            <div class="why-line">
                {icon(if right { "check" } else { "close" })}
                <span class="why-group" lang="en">{feature.group.clone()}</span>
                <strong lang="en">{feature.value.clone()}</strong>
                {has_maps
                    .then(|| {
                        view! {
                            <button
                                type="button"
                                class="btn-icon why-where"
                                aria-pressed=move || {
                                    looked_at.with(|at| key.with_value(|key| at.as_ref() == Some(key))).to_string()
                                }
                                aria-label=move || t_string!(i18n, arena.where_seen, value = said.get_value())
                                title=move || t_string!(i18n, arena.where_seen, value = said.get_value())
                                on:click=move |_| looked_at.set(Some(key.get_value()))
                            >
                                {icon("heat")}
                            </button>
                        }
                    })}
            </div>
            <div class="why-bar">
                <Bar
                    value=probability
                    error=None
                    small=true
                    label=Signal::derive(move || format!("{} {:.0} %", said.get_value(), probability * 100.0))
                />
                <span class="numeric">{format!("{:.0} %", probability * 100.0)}</span>
            </div>
            {feature
                .won_instead
                .map(|won| {
                    view! { <p class="why-won">{move || t_string!(i18n, arena.won_instead, value = won)}</p> }
                })}
            {carried
                .map(|(carried, lacked)| {
                    let of = carried.len() + lacked.len();
                    let list = carried.join(", ");
                    view! {
                        <p class="why-carried" title=list>
                            {move || t_string!(i18n, arena.carried_by, count = carried.len(), of = of)}
                        </p>
                    }
                })}
        </li>
    }
}

/// The map over the square in the picture's middle: cells that speak for the value, and against it.
#[component]
fn Heat(map: HeatMap) -> impl IntoView {
    let i18n = use_i18n();
    let most = map.values.iter().map(|value| value.abs()).fold(1e-9, f64::max);
    let label = format!("{}: {}", map.group, map.value);
    view! {
        <div
            class="heat"
            role="img"
            aria-label=move || t_string!(i18n, arena.heat_label, value = label)
            style=("--cells", map.cells.to_string())
        >
            {map
                .values
                .iter()
                .map(|value| {
                    let strength = format!("{:.2}", (value.abs() / most).powf(0.8) * 0.8);
                    view! { <span class:heat-against=*value < 0.0 style=("--strength", strength)></span> }
                })
                .collect_view()}
        </div>
    }
}
