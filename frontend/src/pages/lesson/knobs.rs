//! The knobs of a step: only those of its idea.

use leptos::prelude::*;

use crate::{
    components::slider::FaultLine,
    i18n::{Says, Words, t_string, use_i18n},
    state::draft::Draft,
};

/// The field `name` of a draft, named as in the request. The id tells two knobs of one page apart; where there are two,
/// `which` is the word before the label.
pub fn knob(
    name: &str,
    draft: Draft,
    id: String,
    which: Option<Says>,
    fault: Signal<Option<Words>>,
) -> AnyView {
    let i18n = use_i18n();
    let label: Says = match name {
        "prompt" => |i18n| t_string!(i18n, studio.prompt),
        "seed" => |i18n| t_string!(i18n, studio.seed),
        "num_inference_steps" => |i18n| t_string!(i18n, studio.steps),
        "guidance_scale" => |i18n| t_string!(i18n, studio.guidance),
        "strength" => |i18n| t_string!(i18n, studio.strength),
        "loras" => |i18n| t_string!(i18n, lesson.lora_weight),
        _ => return ().into_any(),
    };
    let words = move || match which {
        Some(which) => format!("{}: {}", which(i18n), label(i18n)),
        None => label(i18n).to_owned(),
    };
    let described = format!("{id}-fault");
    let invalid = move || fault.with(Option::is_some).to_string();
    let field = if name == "prompt" {
        view! {
            <textarea
                id=id.clone()
                class="text"
                rows="1"
                aria-invalid=invalid
                aria-describedby=described
                prop:value=move || draft.prompt.get()
                on:input=move |event| draft.prompt.set(event_target_value(&event))
            ></textarea>
        }
        .into_any()
    } else if name == "seed" {
        view! {
            <input
                id=id.clone()
                class="text mono"
                type="text"
                inputmode="numeric"
                autocomplete="off"
                aria-invalid=invalid
                aria-describedby=described
                prop:value=move || draft.seed.get()
                on:input=move |event| draft.seed.set(event_target_value(&event))
            />
        }
        .into_any()
    } else {
        let value = match name {
            "num_inference_steps" => draft.steps,
            "guidance_scale" => draft.guidance,
            "loras" => match draft.loras.with_untracked(|loras| loras.first().map(|lora| lora.weight)) {
                Some(weight) => weight,
                None => return ().into_any(),
            },
            _ => draft.strength,
        };
        view! {
            <input
                id=id.clone()
                class="text"
                type="number"
                step="any"
                aria-invalid=invalid
                aria-describedby=described
                prop:value=value.get_untracked()
                on:input=move |event| value.set(event_target_value(&event).parse().unwrap_or(f64::NAN))
            />
        }
        .into_any()
    };
    let wide = name == "prompt";
    view! {
        <div class="field" class:lesson-prompt=wide class:lesson-seed=!wide>
            <label for=id.clone()>{words}</label>
            {field}
            <FaultLine id fault />
        </div>
    }
    .into_any()
}
