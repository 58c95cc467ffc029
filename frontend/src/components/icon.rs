//! Icons from the one sprite, `style/icons.svg`, which `start.js` puts into the page: they are there when the server is not. Always beside a word or on a labelled button, so never spoken.

use leptos::prelude::*;

/// An icon by its name in the sprite.
pub fn icon(name: &'static str) -> AnyView {
    view! {
        <svg class="icon" aria-hidden="true" focusable="false">
            <use_ href=format!("#icon-{name}")></use_>
        </svg>
    }
    .into_any()
}

/// An icon that changes.
pub fn icon_of(name: impl Fn() -> &'static str + Send + Sync + 'static) -> AnyView {
    view! {
        <svg class="icon" aria-hidden="true" focusable="false">
            <use_ href=move || format!("#icon-{}", name())></use_>
        </svg>
    }
    .into_any()
}
