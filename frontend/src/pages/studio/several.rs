//! More than one picture at once, and small turns of the noise around a good seed.

use chapan_api::generation::limits;
use leptos::prelude::*;

use crate::{
    components::{
        fold::Fold,
        slider::{FaultLine, Range, Slider},
        tip::Tip,
    },
    i18n::{Says, Words, t_string, use_i18n},
    state::draft::Draft,
};

const COUNT: Range = Range { min: 1.0, max: limits::MAX_IMAGES as f64, step: 1.0, reset: 1.0 };
const VARIATION: Range = Range { min: 0.0, max: 1.0, step: 0.05, reset: 0.0 };

/// How many pictures, and how far each is turned away from its seed.
#[component]
pub fn Several(
    /// The draft.
    draft: Draft,
    /// What is wrong with a field.
    fault: Callback<&'static str, Option<Words>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let of = move |field: &'static str| Signal::derive(move || fault.run(field));
    let seed_fault = of("variation_seed");
    let brief = move || {
        let (count, turned) = (draft.count.get(), draft.variation.get());
        if turned == 0.0 { format!("× {count}") } else { format!("× {count} · {turned}") }
    };
    let seed: Says = |i18n| t_string!(i18n, studio.variation_seed);
    view! {
        <Fold name="several" title=|i18n| t_string!(i18n, studio.several) brief=Signal::derive(brief)>
            <Slider
                id="num_images_per_prompt"
                label=|i18n| t_string!(i18n, studio.count)
                tip=|i18n| t_string!(i18n, studio.count_tip)
                value=draft.count
                range=COUNT
                fault=of("num_images_per_prompt")
            />
            <Slider
                id="variation_strength"
                label=|i18n| t_string!(i18n, studio.variation)
                tip=|i18n| t_string!(i18n, studio.variation_tip)
                value=draft.variation
                range=VARIATION
                fault=of("variation_strength")
            />
            <Show when=move || draft.variation.get() != 0.0>
                <div class="field">
                    <div class="field-head">
                        <label for="variation_seed">{move || seed(i18n)}</label>
                        <Tip about=seed words=|i18n| t_string!(i18n, studio.variation_seed_tip) />
                    </div>
                    <input
                        id="variation_seed"
                        class="text mono"
                        type="text"
                        inputmode="numeric"
                        autocomplete="off"
                        placeholder=move || t_string!(i18n, studio.seed_is_free)
                        prop:value=move || draft.variation_seed.get()
                        on:input=move |event| draft.variation_seed.set(event_target_value(&event))
                    />
                    <FaultLine id="variation_seed" fault=seed_fault />
                </div>
            </Show>
        </Fold>
    }
}
