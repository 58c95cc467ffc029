//! The seed: typed, fixed, thrown anew, copied.

use leptos::prelude::*;

use crate::{
    components::{
        copy_button::CopyButton,
        icon::{icon, icon_of},
        slider::FaultLine,
        tip::Tip,
    },
    i18n::{Says, Words, t_string, use_i18n},
    state::draft::{self, Draft},
};

/// The field of the seed with its lock, dice and copy button.
#[component]
pub fn SeedField(
    /// The draft it belongs to.
    draft: Draft,
    /// What is wrong with it.
    #[prop(into)]
    fault: Signal<Option<Words>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let label: Says = |i18n| t_string!(i18n, studio.seed);
    let lock_tip = move || {
        if draft.seed_fixed.get() {
            t_string!(i18n, studio.seed_is_fixed)
        } else {
            t_string!(i18n, studio.seed_is_free)
        }
    };
    view! {
        <div class="field">
            <div class="field-head">
                <label for="seed">{move || label(i18n)}</label>
                <Tip
                    about=label
                    words=|i18n| t_string!(i18n, studio.seed_tip)
                    lesson="/lesson/same-seed"
                />
                <span class="field-state">{lock_tip}</span>
            </div>
            <div class="seed-row">
                <input
                    id="seed"
                    class="text mono"
                    type="text"
                    inputmode="numeric"
                    autocomplete="off"
                    spellcheck="false"
                    aria-invalid=move || fault.with(Option::is_some).to_string()
                    aria-describedby="seed-fault"
                    prop:value=move || draft.seed.get()
                    on:input=move |event| {
                        draft.seed.set(event_target_value(&event));
                        // Whoever types a seed wants that one.
                        draft.seed_fixed.set(true);
                    }
                />
                <button
                    type="button"
                    class="btn-icon"
                    aria-pressed=move || draft.seed_fixed.get().to_string()
                    aria-label=move || t_string!(i18n, studio.fix_seed)
                    title=lock_tip
                    on:click=move |_| draft.seed_fixed.update(|fixed| *fixed = !*fixed)
                >
                    {icon_of(move || if draft.seed_fixed.get() { "lock" } else { "unlock" })}
                </button>
                <button
                    type="button"
                    class="btn-icon"
                    aria-label=move || t_string!(i18n, studio.new_seed)
                    title=move || t_string!(i18n, studio.new_seed)
                    on:click=move |_| draft.seed.set(draft::roll().to_string())
                >
                    {icon("dice")}
                </button>
                <CopyButton
                    label=|i18n| t_string!(i18n, studio.copy_seed)
                    text=draft.seed
                />
            </div>
            <FaultLine id="seed" fault />
        </div>
    }
}
