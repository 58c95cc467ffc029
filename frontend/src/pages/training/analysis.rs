//! What a CLIP says about the references: groups with their bars, and unsure where it is unsure.

use chapan_api::{
    analysis::{Analysis, GroupMatch, GroupSummary},
    dataset::{UpdateDataset, UpdatePicture},
};
use leptos::prelude::*;

use super::collection::Collection;
use crate::{
    components::{copy_button::CopyButton, icon::icon, progress},
    i18n::{Language, t_string, use_i18n},
};

/// The groups of one picture.
#[component]
pub fn Groups(groups: Vec<GroupMatch>) -> impl IntoView {
    view! {
        <dl class="groups">
            {groups
                .into_iter()
                .map(|group| {
                    let tip = group.values.iter().map(|one| format!("{} {:.0} %", one.value, one.probability * 100.0));
                    let tip = tip.collect::<Vec<_>>().join(", ");
                    view! { <Group name=group.group value=group.top_match confidence=group.confidence unsure=group.unsure tip /> }
                })
                .collect_view()}
        </dl>
    }
}

/// One group: its name, the likeliest value, a bar.
#[component]
fn Group(
    name: String,
    value: String,
    confidence: f64,
    unsure: bool,
    tip: String,
    #[prop(optional, into)] share: Option<String>,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="group" class:group-unsure=unsure title=tip>
            <dt lang="en">{name}</dt>
            <dd>
                <span class="group-value" lang="en">{value}</span>
                {unsure.then(|| view! { <span class="group-doubt">{move || t_string!(i18n, training.unsure)}</span> })}
                <span class="group-bar" aria-hidden="true" style=("--part", format!("{:.1}%", confidence * 100.0))></span>
                <span class="group-number numeric">{format!("{:.0} %", confidence * 100.0)}</span>
                {share.map(|share| view! { <span class="group-share numeric">{share}</span> })}
            </dd>
        </div>
    }
}

/// The part of the page: the button, and what was found over all pictures.
#[component]
pub fn AnalysisPart(set: Collection) -> impl IntoView {
    let i18n = use_i18n();
    let found =
        Memo::new(move |_| set.view.with(|view| view.as_ref().and_then(|view| view.analysis.clone())));
    let count = Memo::new(move |_| set.view.with(|view| view.as_ref().map_or(0, |view| view.pictures.len())));
    view! {
        <section class="look" aria-labelledby="look-title">
            <header class="look-head">
                <div>
                    <h2 id="look-title" class="desk-step">
                        <span class="desk-number" aria-hidden="true">"2"</span>
                        {move || t_string!(i18n, training.look_title)}
                    </h2>
                    <p class="sheet-words">{move || t_string!(i18n, training.look_about)}</p>
                </div>
                <button
                    type="button"
                    class="btn"
                    disabled=move || set.looking.with(Option::is_some) || count.get() == 0
                    on:click=move |_| set.analyse()
                >
                    {icon("zoom")}
                    {move || {
                        if found.with(Option::is_some) {
                            t_string!(i18n, training.look_again)
                        } else {
                            t_string!(i18n, training.look)
                        }
                    }}
                </button>
            </header>
            {move || {
                set.looking
                    .get()
                    .map(|job| {
                        let state = job.state;
                        let view = Signal::derive(move || state.with(|state| state.view.clone()));
                        view! {
                            <div class="look-waits" role="status">
                                <p>{move || view.with(|view| progress::words(i18n, view))}</p>
                                <progress::ProgressLine view />
                            </div>
                        }
                    })
            }}
            {move || found.get().map(|found| view! { <Found set found=*found /> })}
        </section>
    }
}

#[component]
fn Found(set: Collection, found: Analysis) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = set.view.with_untracked(|view| {
        view.as_ref()
            .map_or(0, |view| view.pictures.iter().filter(|picture| picture.analysis.is_some()).count())
    });
    let prompt = found.training_prompt.clone();
    let keys = found.key_features.clone();
    let take_all = move |_| {
        let pictures = set.view.with_untracked(|view| {
            let all = view.iter().flat_map(|view| &view.pictures);
            all.filter_map(|picture| {
                let caption = picture.analysis.as_ref()?.caption.clone();
                let image = picture.image.clone();
                (!caption.is_empty() && caption != picture.caption).then_some(UpdatePicture {
                    image,
                    caption: Some(caption),
                    held_out: None,
                })
            })
            .collect::<Vec<_>>()
        });
        if !pictures.is_empty() {
            set.update(UpdateDataset { pictures, ..UpdateDataset::default() });
        }
    };
    view! {
        <div class="found">
            <div class="found-side">
                <h3>{move || t_string!(i18n, training.key_features)}</h3>
                {if keys.is_empty() {
                    view! { <p class="sheet-words">{move || t_string!(i18n, training.no_key_features)}</p> }.into_any()
                } else {
                    view! {
                        <ul class="found-keys" lang="en">
                            {keys.into_iter().map(|key| view! { <li class="chip">{key.phrase}</li> }).collect_view()}
                        </ul>
                    }
                        .into_any()
                }}
                <h3>{move || t_string!(i18n, training.training_prompt)}</h3>
                <p class="found-prompt">
                    <span lang="en">{prompt.clone()}</span>
                    <CopyButton label=|i18n| t_string!(i18n, gallery.copy_prompt) text=Signal::stored(prompt) />
                </p>
                <button type="button" class="btn" on:click=take_all>
                    {icon("check")}
                    {move || t_string!(i18n, training.take_captions)}
                </button>
                <p class="found-tip">{move || t_string!(i18n, training.captions_tip)}</p>
            </div>
            <dl class="groups">
                {found
                    .groups
                    .into_iter()
                    .map(|group| {
                        let share = share(&group, pictures);
                        let tip = share_words(i18n, &group, pictures);
                        let unsure = group.unsure * 2 >= pictures as u64;
                        view! {
                            <Group
                                name=group.group
                                value=group.top_match
                                confidence=group.confidence
                                unsure
                                tip
                                share
                            />
                        }
                    })
                    .collect_view()}
            </dl>
        </div>
    }
}

/// How many pictures surely show the value.
fn share(group: &GroupSummary, pictures: usize) -> String {
    format!("{}/{pictures}", (group.share * pictures as f64).round())
}

fn share_words(i18n: Language, group: &GroupSummary, pictures: usize) -> String {
    let sure = (group.share * pictures as f64).round();
    untrack(|| t_string!(i18n, training.share_tip, sure = sure, of = pictures, unsure = group.unsure))
}
