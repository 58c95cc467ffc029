//! A part of a form that can be folded away, and says in one line what is set inside while it is.

use leptos::{html, prelude::*};

use super::icon::icon;
use crate::{
    i18n::{Says, use_i18n},
    state::memory,
};

/// A part that folds; it stays as the person left it.
#[component]
pub fn Fold(
    /// Name under which the browser keeps whether it is open.
    name: &'static str,
    /// Headline.
    title: Says,
    /// What is set inside, in a few words.
    #[prop(into)]
    brief: Signal<String>,
    /// What is inside.
    children: Children,
) -> impl IntoView {
    let i18n = use_i18n();
    let details = NodeRef::<html::Details>::new();
    let kept = format!("chapan.fold.{name}");
    let open = memory::get(&kept).is_some();
    let toggled = move |_| {
        if let Some(details) = details.get_untracked() {
            if details.open() { memory::set(&kept, "open") } else { memory::remove(&kept) }
        }
    };
    view! {
        <details class="fold" id=format!("fold-{name}") node_ref=details open=open on:toggle=toggled>
            <summary class="fold-head">
                {icon("right")}
                <span class="fold-title">{move || title(i18n)}</span>
                <span class="fold-brief numeric" aria-hidden="true">{move || brief.get()}</span>
            </summary>
            <div class="fold-inside">{children()}</div>
        </details>
    }
}
