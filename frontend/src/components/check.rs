//! A yes or no, with its one sentence.

use leptos::prelude::*;

use super::tip::Tip;
use crate::i18n::{Says, use_i18n};

/// A labelled box to tick.
#[component]
pub fn Check(
    /// Label.
    label: Says,
    /// The sentence that teaches.
    tip: Says,
    /// The answer.
    value: RwSignal<bool>,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="field tick">
            <label>
                <input
                    type="checkbox"
                    prop:checked=move || value.get()
                    on:change=move |event| value.set(event_target_checked(&event))
                />
                {move || label(i18n)}
            </label>
            <Tip about=label words=tip />
        </div>
    }
}
