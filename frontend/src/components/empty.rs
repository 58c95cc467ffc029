//! What stands where nothing is yet: the ornament, one sentence, one way forward.

use leptos::prelude::*;

use crate::i18n::{Says, use_i18n};

/// An empty place.
#[component]
pub fn Empty(
    /// Headline.
    title: Says,
    /// One sentence.
    words: Says,
    /// The way forward.
    children: Children,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="empty">
            <div class="horn" aria-hidden="true"></div>
            <h2>{move || title(i18n)}</h2>
            <p>{move || words(i18n)}</p>
            <div class="empty-ways">{children()}</div>
        </div>
    }
}
