//! A labelled choice of one among several.

use leptos::prelude::*;

use super::tip::Tip;
use crate::i18n::{Says, use_i18n};

/// A labelled choice.
#[component]
pub fn Select(
    /// Name of the field, unique on the page.
    id: &'static str,
    /// Label.
    label: Says,
    /// The sentence that teaches.
    tip: Says,
    /// Values with their words.
    #[prop(into)]
    options: Signal<Vec<(String, String)>>,
    /// The chosen value.
    #[prop(into)]
    value: Signal<String>,
    /// Takes the choice.
    #[prop(into)]
    choose: Callback<String>,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="field">
            <div class="field-head">
                <label for=id>{move || label(i18n)}</label>
                <Tip about=label words=tip />
            </div>
            <select
                id=id
                class="select"
                prop:value=move || value.get()
                on:change=move |event| choose.run(event_target_value(&event))
            >
                {move || {
                    options
                        .get()
                        .into_iter()
                        .map(|(name, words)| {
                            let chosen = value.get_untracked() == name;
                            view! { <option value=name selected=chosen>{words}</option> }
                        })
                        .collect_view()
                }}
            </select>
        </div>
    }
}
