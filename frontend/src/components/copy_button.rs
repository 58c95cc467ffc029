//! Copies a text and says so.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};

use super::icon::icon_of;
use crate::{
    i18n::{Says, t_string, use_i18n},
    state::toast::Toasts,
};

const SAID_FOR: Duration = Duration::from_millis(1600);

/// A button that copies.
#[component]
pub fn CopyButton(
    /// What it copies, for its label: "Copy seed".
    label: Says,
    /// The text.
    #[prop(into)]
    text: Signal<String>,
) -> impl IntoView {
    let i18n = use_i18n();
    let toasts = expect_context::<Toasts>();
    let copied = RwSignal::new(false);
    let copy = move |_| {
        let text = text.get_untracked();
        spawn_local(async move {
            let written = window().navigator().clipboard().write_text(&text);
            if wasm_bindgen_futures::JsFuture::from(written).await.is_ok() {
                copied.set(true);
                set_timeout(
                    move || {
                        copied.try_set(false);
                    },
                    SAID_FOR,
                );
            } else {
                toasts.warn(t_string!(i18n, frame.copy_refused));
            }
        });
    };
    view! {
        <button
            type="button"
            class="btn-icon"
            aria-label=move || label(i18n)
            title=move || {
                if copied.get() { t_string!(i18n, frame.copied) } else { label(i18n) }
            }
            on:click=copy
        >
            {icon_of(move || if copied.get() { "check" } else { "copy" })}
        </button>
    }
}
