//! A number with a slider and a field to type it in; a double click on the slider puts the default back.

use leptos::{html, prelude::*};

use super::tip::Tip;
use crate::i18n::{Language, Says, Words, t_string, use_i18n};

/// What a slider knows of its number.
#[derive(Clone, Copy)]
pub struct Range {
    /// Left end.
    pub min: f64,
    /// Right end of the slider; more can be typed.
    pub max: f64,
    /// Step.
    pub step: f64,
    /// The default.
    pub reset: f64,
}

/// A labelled slider with its typed number.
#[component]
pub fn Slider(
    /// Name of the field, unique on the page.
    #[prop(into)]
    id: String,
    /// Label.
    label: Says,
    /// Which of two such numbers on a page it is, said before the label.
    #[prop(optional_no_strip)]
    which: Option<Says>,
    /// The sentence that teaches.
    tip: Says,
    /// The number.
    value: RwSignal<f64>,
    /// Its range.
    range: Range,
    /// What is wrong with it.
    #[prop(into)]
    fault: Signal<Option<Words>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let words = move || full_label(i18n, which, label);
    let fill = move || {
        let part = (value.get() - range.min) / (range.max - range.min);
        format!("{:.1}%", if part.is_finite() { part.clamp(0.0, 1.0) * 100.0 } else { 0.0 })
    };
    view! {
        <div class="field">
            <div class="field-head">
                <label for=id.clone()>{words}</label>
                <Tip about=label words=tip />
                <Number id=id.clone() label which value range fault />
            </div>
            <input
                class="range"
                type="range"
                min=range.min
                max=range.max
                step=range.step
                aria-label=words
                title=move || t_string!(i18n, frame.double_click_resets)
                style=("--fill", fill)
                prop:value=move || value.get()
                on:input=move |event| value.set(number(&event))
                on:dblclick=move |_| value.set(range.reset)
            />
            <FaultLine id fault />
        </div>
    }
}

/// The typed number by itself. It keeps what is being typed, such as `7.`, while it means the same number.
#[component]
pub fn Number(
    /// Name of the field, unique on the page.
    #[prop(into)]
    id: String,
    /// Label, when no `<label>` names it.
    label: Says,
    /// Which of two such numbers on a page it is, said before the label.
    #[prop(optional_no_strip)]
    which: Option<Says>,
    /// The number.
    value: RwSignal<f64>,
    /// Its range.
    range: Range,
    /// What is wrong with it.
    #[prop(into)]
    fault: Signal<Option<Words>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let described = format!("{id}-fault");
    let field = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        let (number, Some(field)) = (value.get(), field.get()) else { return };
        let typed = field.value_as_number();
        if typed != number && !(typed.is_nan() && number.is_nan()) {
            field.set_value(&number.to_string());
        }
    });
    view! {
        <input
            node_ref=field
            id=id
            class="number"
            type="number"
            inputmode="decimal"
            step=range.step
            aria-label=move || full_label(i18n, which, label)
            aria-invalid=move || fault.with(Option::is_some).to_string()
            aria-describedby=described
            on:input=move |event| value.set(number(&event))
        />
    }
}

fn full_label(i18n: Language, which: Option<Says>, label: Says) -> String {
    which.map_or_else(|| label(i18n).to_owned(), |which| format!("{}: {}", which(i18n), label(i18n)))
}

/// What an input holds, as the browser reads it: `NaN` when it is empty.
fn number(event: &leptos::ev::Event) -> f64 {
    event_target::<web_sys::HtmlInputElement>(event).value_as_number()
}

/// The line under a field that says what is wrong and what to do.
#[component]
pub fn FaultLine(
    /// The field.
    #[prop(into)]
    id: String,
    /// What is wrong.
    #[prop(into)]
    fault: Signal<Option<Words>>,
) -> impl IntoView {
    let id = id + "-fault";
    view! {
        <p class="fault" id=id role="alert">
            {move || {
                fault
                    .get()
                    .map(|words| {
                        view! {
                            {super::icon::icon("alert")}
                            <span>{words.fact} " " <span class="fault-hint">{words.hint}</span></span>
                        }
                    })
            }}
        </p>
    }
}
