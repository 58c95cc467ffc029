//! The bracket: what everybody drew for the same prompt and seed, under each other. A picture opens its reasons.

use chapan_api::comparison::{ComparisonReport, PictureScore};
use leptos::prelude::*;

use super::{
    called,
    live::Pick,
    order::{Row, picture_path, rows},
};
use crate::{
    components::{
        icon::icon,
        segments::{Segment, Segments},
    },
    i18n::{Says, t_string, use_i18n},
};

/// Where the file of a picture lies.
pub type Address = Callback<String, String>;

/// Names of the switch between prompts; there are at most four.
const PROMPTS: [Says; 4] = [|_| "1", |_| "2", |_| "3", |_| "4"];

/// The pictures of a round.
#[component]
pub fn Bracket(
    /// The report of the round.
    report: ComparisonReport,
    /// What everybody drew.
    prompts: Vec<String>,
    /// The seeds, the same for all.
    seeds: Vec<u64>,
    /// Where files lie.
    address: Address,
    /// The picture that is looked at.
    pick: RwSignal<Option<Pick>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let prompt = RwSignal::new(0_usize);
    let several = prompts.len() > 1;
    let segments: Vec<Segment> = PROMPTS
        .into_iter()
        .take(prompts.len())
        .map(|label| Segment { icon: None, key: None, label })
        .collect();
    let prompts = StoredValue::new(prompts);
    let heads = seeds.clone();
    let report = StoredValue::new(report);
    let seeds = StoredValue::new(seeds);
    view! {
        <div class="bracket">
            <div class="bracket-prompt">
                {several
                    .then(|| {
                        view! {
                            <Segments
                                name="arena-prompt"
                                label=|i18n| t_string!(i18n, arena.prompts)
                                segments
                                value=prompt
                                choose=move |place| prompt.set(place)
                            />
                        }
                    })}
                <p lang="en">{move || prompts.with_value(|prompts| prompts.get(prompt.get()).cloned())}</p>
            </div>
            <div class="bracket-scroll" tabindex="0" role="group" aria-label=move || t_string!(i18n, arena.bracket)>
                <table class="bracket-table">
                    <thead>
                        <tr>
                            <th scope="col">{move || t_string!(i18n, arena.contestant)}</th>
                            {heads
                                .into_iter()
                                .map(|seed| {
                                    view! {
                                        <th scope="col" class="numeric">
                                            {move || t_string!(i18n, studio.seed)} " " {seed}
                                        </th>
                                    }
                                })
                                .collect_view()}
                        </tr>
                    </thead>
                    <tbody>
                        {move || {
                            let all = report.with_value(|report| {
                                seeds.with_value(|seeds| rows(report, prompt.get(), seeds))
                            });
                            all.into_iter().map(|row| view! { <OneRow row address pick /> }).collect_view()
                        }}
                    </tbody>
                </table>
            </div>
        </div>
    }
}

#[component]
fn OneRow(row: Row, address: Address, pick: RwSignal<Option<Pick>>) -> impl IntoView {
    let i18n = use_i18n();
    let name = StoredValue::new(row.contestant.clone());
    view! {
        <tr>
            <th scope="row">
                <span class="score-rank numeric">{row.rank}</span>
                <span>{move || name.with_value(|name| called(i18n, name))}</span>
            </th>
            {row
                .pictures
                .into_iter()
                .map(|picture| match picture {
                    Some(picture) => view! { <Cell name picture address pick /> }.into_any(),
                    None => view! { <td></td> }.into_any(),
                })
                .collect_view()}
        </tr>
    }
}

#[component]
fn Cell(
    name: StoredValue<String>,
    picture: PictureScore,
    address: Address,
    pick: RwSignal<Option<Pick>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let is_copy = picture.copy_risk.as_ref().is_some_and(|risk| risk.is_copy);
    let quality = format!("{:.2}", picture.quality);
    let said = quality.clone();
    let own = Pick { contestant: name.get_value(), file: picture.file.clone() };
    let opened = own.clone();
    view! {
        <td>
            <button
                type="button"
                class="bracket-picture"
                aria-pressed=move || pick.with(|pick| pick.as_ref() == Some(&own)).to_string()
                aria-label=move || {
                    let name = name.with_value(|name| called(i18n, name));
                    t_string!(i18n, arena.why_of, name = name, quality = said)
                }
                on:click=move |_| pick.set(Some(opened.clone()))
            >
                <img
                    src=address.run(picture_path(&name.get_value(), &picture.file))
                    alt=""
                    loading="lazy"
                    decoding="async"
                />
                <span class="bracket-number numeric" aria-hidden="true">
                    {is_copy.then(|| icon("alert"))} {quality}
                </span>
            </button>
        </td>
    }
}
