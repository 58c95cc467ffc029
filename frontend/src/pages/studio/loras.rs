//! The stack of LoRAs: small files that change what a model draws, each with its weight, applied in order.

use chapan_api::{id::ModelId, model::LoraView};
use leptos::prelude::*;

use crate::{
    components::{
        fold::Fold,
        icon::icon,
        slider::{FaultLine, Number, Range},
    },
    i18n::{Words, t_string, use_i18n},
    state::{
        draft::{Draft, Lora},
        models::Models,
    },
};

/// What the slider offers; more can be typed.
const WEIGHT: Range = Range { min: -1.0, max: 2.0, step: 0.05, reset: 1.0 };

/// The stack.
#[component]
pub fn LoraStack(
    /// The draft.
    draft: Draft,
    /// What is wrong with a field.
    fault: Callback<&'static str, Option<Words>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let models = expect_context::<Models>();
    // Only those that were made for the chosen model's family can act on it.
    let fitting = Memo::new(move |_| {
        let family = models.chosen(&draft.model.get()).map(|model| model.family);
        let fits = |lora: &LoraView| lora.family.is_none() || lora.family == family;
        models.loras().into_iter().filter(fits).collect::<Vec<_>>()
    });
    let brief = Signal::derive(move || {
        draft.loras.with(|loras| if loras.is_empty() { String::new() } else { loras.len().to_string() })
    });
    let any = Signal::derive(move || fault.run("loras"));
    view! {
        <Fold name="loras" title=|_| "LoRA" brief>
            <ul class="loras">
                <For each=move || draft.loras.get() key=|lora| lora.number let:lora>
                    <LoraRow draft lora fitting />
                </For>
            </ul>
            <Show
                when=move || fitting.with(|loras| !loras.is_empty())
                fallback=move || view! { <p class="inspector-note">{icon("info")} {t_string!(i18n, studio.no_loras)}</p> }
            >
                <select
                    class="select"
                    aria-label=move || t_string!(i18n, studio.add_lora)
                    prop:value=""
                    on:change=move |event| {
                        let id = event_target_value(&event);
                        if !id.is_empty() {
                            draft.add_lora(ModelId::new(id), 1.0);
                        }
                    }
                >
                    // A choice once made is a row above: the list itself stays on its first line.
                    {move || {
                        draft.loras.track();
                        view! { <option value="" selected>{t_string!(i18n, studio.add_lora)}</option> }
                    }}
                    {move || {
                        fitting
                            .get()
                            .into_iter()
                            .map(|lora| view! { <option value=lora.id.to_string()>{title(&lora)}</option> })
                            .collect_view()
                    }}
                </select>
            </Show>
            <FaultLine id="loras" fault=any />
        </Fold>
    }
}

#[component]
fn LoraRow(draft: Draft, lora: Lora, fitting: Memo<Vec<LoraView>>) -> impl IntoView {
    let i18n = use_i18n();
    let id = lora.model.get_value();
    let known = fitting.with_untracked(|loras| loras.iter().find(|known| known.id == id).cloned());
    let words = known.as_ref().map(|lora| lora.trigger_words.clone()).unwrap_or_default();
    let name = known.as_ref().map_or_else(|| id.to_string(), title);
    let label = name.clone();
    let number = lora.number;
    let shift = move |forward: bool| {
        draft.loras.update(|loras| {
            let Some(here) = loras.iter().position(|lora| lora.number == number) else { return };
            let there = if forward { here + 1 } else { here.wrapping_sub(1) };
            if there < loras.len() {
                loras.swap(here, there);
            }
        });
    };
    let add_word = move |word: &str| {
        draft.prompt.update(|prompt| {
            let gap = if prompt.trim().is_empty() { "" } else { ", " };
            *prompt = format!("{}{gap}{word}", prompt.trim_end().trim_end_matches(','));
        });
    };
    view! {
        <li class="lora">
            <div class="lora-head">
                <strong>{name}</strong>
                <Number
                    id="lora-weight"
                    label=|i18n| t_string!(i18n, studio.lora_weight)
                    value=lora.weight
                    range=WEIGHT
                    fault=Signal::stored(None)
                />
                <button
                    type="button"
                    class="btn-icon"
                    aria-label=move || t_string!(i18n, studio.lora_up)
                    title=move || t_string!(i18n, studio.lora_up)
                    on:click=move |_| shift(false)
                >
                    {icon("up")}
                </button>
                <button
                    type="button"
                    class="btn-icon"
                    aria-label=move || t_string!(i18n, studio.remove_lora)
                    title=move || t_string!(i18n, studio.remove_lora)
                    on:click=move |_| draft.loras.update(|loras| loras.retain(|lora| lora.number != number))
                >
                    {icon("close")}
                </button>
            </div>
            <input
                class="range"
                type="range"
                min=WEIGHT.min
                max=WEIGHT.max
                step=WEIGHT.step
                aria-label=label
                style=("--fill", move || format!("{:.1}%", (lora.weight.get() + 1.0).clamp(0.0, 3.0) / 3.0 * 100.0))
                prop:value=move || lora.weight.get()
                on:input=move |event| lora.weight.set(event_target_value(&event).parse().unwrap_or(1.0))
                on:dblclick=move |_| lora.weight.set(WEIGHT.reset)
            />
            <div class="lora-words">
                {words
                    .into_iter()
                    .map(|word| {
                        let added = word.clone();
                        view! {
                            <button
                                type="button"
                                class="chip"
                                lang="en"
                                title=move || t_string!(i18n, studio.trigger_tip)
                                on:click=move |_| add_word(&added)
                            >
                                {word}
                            </button>
                        }
                    })
                    .collect_view()}
            </div>
        </li>
    }
}

fn title(lora: &LoraView) -> String {
    lora.title.clone().unwrap_or_else(|| lora.id.to_string())
}
