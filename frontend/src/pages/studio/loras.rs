//! The stack of LoRAs: small files that change what a model draws, each with its weight, applied in order.

use chapan_api::{id::ModelId, model::LoraView};
use leptos::prelude::*;

use crate::{
    components::{
        check::Check,
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
    let sorted = Memo::new(move |_| {
        let family = models.chosen(&draft.model.get()).map(|model| model.family);
        Sorted::of(models.loras(), family.as_deref())
    });
    let fitting = Memo::new(move |_| sorted.with(|sorted| sorted.fitting.clone()));
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
                        let list: web_sys::HtmlSelectElement = event_target(&event);
                        let id = list.value();
                        if !id.is_empty() {
                            draft.add_lora(ModelId::new(id), 1.0);
                        }
                        // A choice once made is a row above: the list itself stays on its first line.
                        list.set_value("");
                    }
                >
                    <option value="">{move || t_string!(i18n, studio.add_lora)}</option>
                    {move || {
                        fitting
                            .get()
                            .into_iter()
                            .map(|lora| view! { <option value=lora.id.to_string()>{title(&lora)}</option> })
                            .collect_view()
                    }}
                </select>
            </Show>
            {move || {
                let Sorted { others, families, damaged, .. } = sorted.get();
                let note = |words: String| view! { <p class="inspector-note">{icon("info")} {words}</p> };
                let of_others = (others > 0)
                    .then(|| note(t_string!(i18n, studio.loras_of_others, count = others, families = families.join(", "))));
                let broken = (damaged > 0).then(|| note(t_string!(i18n, studio.loras_damaged, count = damaged)));
                (of_others, broken)
            }}
            <FaultLine id="loras" fault=any />
        </Fold>
    }
}

/// The installed LoRAs, as far as they are of use to a model.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sorted {
    /// Those that can act on it: made for its family, or for none that is known.
    fitting: Vec<LoraView>,
    /// How many were made for others.
    others: usize,
    /// For which.
    families: Vec<String>,
    /// How many cannot be read.
    damaged: usize,
}

impl Sorted {
    fn of(loras: Vec<LoraView>, family: Option<&str>) -> Self {
        let mut sorted = Self::default();
        for lora in loras {
            match &lora.family {
                _ if lora.fault.is_some() => sorted.damaged += 1,
                Some(own) if Some(own.as_str()) != family => {
                    sorted.others += 1;
                    if !sorted.families.contains(own) {
                        sorted.families.push(own.clone());
                    }
                }
                _ => sorted.fitting.push(lora),
            }
        }
        sorted
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
            <Check
                label=|i18n| t_string!(i18n, studio.lora_own_text)
                tip=|i18n| t_string!(i18n, studio.lora_own_text_tip)
                value=lora.has_text_weight
            />
            <Show when=move || lora.has_text_weight.get()>
                <div class="field-head">
                    <span class="field-label">{move || t_string!(i18n, studio.lora_text_weight)}</span>
                    <Number
                        id="lora-text-weight"
                        label=|i18n| t_string!(i18n, studio.lora_text_weight)
                        value=lora.text_weight
                        range=WEIGHT
                        fault=Signal::stored(None)
                    />
                </div>
            </Show>
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lora(id: &str, family: Option<&str>, fault: Option<&str>) -> LoraView {
        LoraView {
            id: ModelId::new(id),
            title: None,
            family: family.map(str::to_owned),
            base: None,
            fault: fault.map(str::to_owned),
            trigger_words: Vec::new(),
            license: None,
            size_bytes: 1,
            sha256: None,
            own: false,
        }
    }

    #[test]
    fn what_is_not_offered_is_counted() {
        let all = vec![
            lora("ink", Some("sdxl"), None),
            lora("unknown", None, None),
            lora("old", Some("sd15"), None),
            lora("older", Some("sd15"), None),
            lora("torn", None, Some("its header is cut off")),
        ];
        let sorted = Sorted::of(all, Some("sdxl"));
        let ids: Vec<&str> = sorted.fitting.iter().map(|lora| lora.id.as_str()).collect();
        assert_eq!(ids, ["ink", "unknown"]);
        assert_eq!((sorted.others, sorted.damaged), (2, 1));
        assert_eq!(sorted.families, ["sd15"]);
    }
}
