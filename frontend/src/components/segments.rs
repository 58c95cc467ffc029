//! A choice of one among a few, all in sight: radio buttons that look like one calm switch.

use leptos::prelude::*;

use super::icon::icon;
use crate::i18n::{Says, use_i18n};

/// One choice: its icon, its shortcut, its word.
#[derive(Clone, Copy)]
pub struct Segment {
    /// Icon, if it has one.
    pub icon: Option<&'static str>,
    /// Key that chooses it, if there is one.
    pub key: Option<&'static str>,
    /// Its word.
    pub label: Says,
}

/// A choice of one among a few, by its place in the list.
#[component]
pub fn Segments(
    /// Name of the choice, unique on the page.
    name: &'static str,
    /// What is chosen.
    label: Says,
    /// The choices.
    segments: Vec<Segment>,
    /// The place of the chosen one.
    #[prop(into)]
    value: Signal<usize>,
    /// Takes the choice.
    #[prop(into)]
    choose: Callback<usize>,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="segments" role="radiogroup" aria-label=move || label(i18n)>
            {segments
                .into_iter()
                .enumerate()
                .map(|(place, segment)| {
                    let title = move || {
                        segment.key.map(|key| format!("{} ({key})", (segment.label)(i18n)))
                    };
                    view! {
                        <label class="segment" class:segment-on=move || value.get() == place title=title>
                            <input
                                type="radio"
                                name=name
                                prop:checked=move || value.get() == place
                                aria-keyshortcuts=segment.key
                                on:change=move |_| choose.run(place)
                            />
                            {segment.icon.map(icon)}
                            <span>{move || (segment.label)(i18n)}</span>
                        </label>
                    }
                })
                .collect_view()}
        </div>
    }
}
