//! One sentence that teaches, beside a control: shown on hover, on focus and on touch.

use leptos::prelude::*;
use leptos_router::components::A;

use crate::i18n::{Says, t_string, use_i18n};

/// A question mark that answers.
#[component]
pub fn Tip(
    /// The control it explains.
    about: Says,
    /// The sentence.
    words: Says,
    /// The lesson step that shows it.
    #[prop(optional)]
    lesson: Option<&'static str>,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <span class="tip">
            <button
                type="button"
                class="tip-mark"
                aria-label=move || t_string!(i18n, frame.what_is, name = about(i18n))
            >
                "?"
            </button>
            <span class="tip-words" role="tooltip">
                {move || words(i18n)}
                {lesson
                    .map(|path| {
                        view! {
                            " "
                            <A href=path>{move || t_string!(i18n, frame.see_lesson)}</A>
                        }
                    })}
            </span>
        </span>
    }
}
