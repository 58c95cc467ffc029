//! Weights for words in the prompts: a language of its own, which only CLIP encoders can be told.

use leptos::prelude::*;

use crate::{
    components::{check::Check, icon::icon},
    i18n::{t_string, use_i18n},
    state::{draft::Draft, models::Models},
};

/// Families whose prompts are read by CLIP.
const CLIP_FAMILIES: [&str; 1] = ["sdxl"];

/// The box to tick; a word on why there is none for other encoders.
#[component]
pub fn Weighting(
    /// The draft.
    draft: Draft,
) -> impl IntoView {
    let i18n = use_i18n();
    let models = expect_context::<Models>();
    let family = Memo::new(move |_| models.chosen(&draft.model.get()).map(|model| model.family));
    let can = move || family.with(|family| family.as_deref().is_none_or(reads_with_clip));
    Effect::new(move |_| {
        if !can() {
            draft.weighting.set(false);
        }
    });
    view! {
        <Show
            when=can
            fallback=move || {
                view! { <p class="inspector-note">{icon("info")} {t_string!(i18n, studio.no_weighting)}</p> }
            }
        >
            <Check
                label=|i18n| t_string!(i18n, studio.weighting)
                tip=|i18n| t_string!(i18n, studio.weighting_tip)
                value=draft.weighting
            />
        </Show>
    }
}

fn reads_with_clip(family: &str) -> bool {
    CLIP_FAMILIES.contains(&family)
}
