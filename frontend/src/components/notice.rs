//! The one way in which a failure is told: what happened, what to do, and a button when trying again may help.

use leptos::prelude::*;

use super::icon::icon;
use crate::i18n::{Words, t_string, use_i18n};

/// A failure, told with its hint.
#[component]
pub fn ErrorNotice(
    /// The fact and the hint.
    #[prop(into)]
    words: Signal<Words>,
    /// Tries again.
    #[prop(optional, into)]
    retry: Option<Callback<()>>,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="notice notice-bad" role="alert">
            {icon("alert")}
            <div class="notice-words">
                <p class="notice-fact">{move || words.get().fact}</p>
                <p class="notice-hint">{move || words.get().hint}</p>
            </div>
            {retry
                .map(|retry| {
                    view! {
                        <button type="button" class="btn" on:click=move |_| retry.run(())>
                            {icon("again")}
                            {move || t_string!(i18n, frame.try_again)}
                        </button>
                    }
                })}
        </div>
    }
}
