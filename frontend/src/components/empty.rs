//! What stands where nothing is yet: the ornament, one sentence, one way forward.

use leptos::prelude::*;

/// An empty place.
#[component]
pub fn Empty(
    /// Headline.
    #[prop(into)]
    title: Signal<String>,
    /// One sentence.
    #[prop(into)]
    words: Signal<String>,
    /// The way forward.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="empty">
            <div class="horn" aria-hidden="true"></div>
            <h2>{move || title.get()}</h2>
            <p>{move || words.get()}</p>
            <div class="empty-ways">{children()}</div>
        </div>
    }
}
