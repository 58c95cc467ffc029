//! A number that may be left empty: then what is usual holds.

use leptos::prelude::*;

use super::{slider::FaultLine, tip::Tip};
use crate::i18n::{Says, Words, t_string, use_i18n};

/// A labelled field for such a number; `NaN` while it is empty.
#[component]
pub fn OptionalNumber(
    /// Name of the field, unique on the page.
    id: &'static str,
    /// Label.
    label: Says,
    /// The sentence that teaches.
    tip: Says,
    /// The number.
    value: RwSignal<f64>,
    /// What is usual, where that is known.
    #[prop(into, default = Signal::stored(None))]
    usual: Signal<Option<f64>>,
    /// What is wrong with it.
    #[prop(into)]
    fault: Signal<Option<Words>>,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="field optional">
            <div class="field-head">
                <label for=id>{move || label(i18n)}</label>
                <Tip about=label words=tip />
                <input
                    id=id
                    class="number"
                    type="number"
                    inputmode="decimal"
                    step="any"
                    placeholder=move || {
                        usual.get().map_or_else(|| t_string!(i18n, training.usual).to_owned(), |usual| usual.to_string())
                    }
                    aria-invalid=move || fault.with(Option::is_some).to_string()
                    aria-describedby=format!("{id}-fault")
                    prop:value=move || {
                        let number = value.get_untracked();
                        if number.is_nan() { String::new() } else { number.to_string() }
                    }
                    on:input=move |event| {
                        value.set(event_target::<web_sys::HtmlInputElement>(&event).value_as_number());
                    }
                />
            </div>
            <FaultLine id fault />
        </div>
    }
}
