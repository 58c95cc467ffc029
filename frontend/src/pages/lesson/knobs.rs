//! The knobs of a step: only those of its idea.

use chapan_api::generation::limits;
use leptos::prelude::*;

use crate::{
    components::slider::{FaultLine, Range, Slider},
    i18n::{Says, Words, t_string, use_i18n},
    state::draft::Draft,
};

const STEPS: Range = Range { min: 1.0, max: 50.0, step: 1.0, reset: 20.0 };
const GUIDANCE: Range = Range { min: 0.0, max: 15.0, step: 0.5, reset: 5.0 };
const STRENGTH: Range = Range { min: 0.0, max: 1.0, step: 0.05, reset: limits::DEFAULT_STRENGTH };
const WEIGHT: Range = Range { min: -1.0, max: 2.0, step: 0.05, reset: 1.0 };

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
        return slider(name, draft, id, label, which, fault);
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

/// A number of a draft with its slider.
fn slider(
    name: &str,
    draft: Draft,
    id: String,
    label: Says,
    which: Option<Says>,
    fault: Signal<Option<Words>>,
) -> AnyView {
    let (value, range, tip): (_, _, Says) = match name {
        "num_inference_steps" => (draft.steps, STEPS, |i18n| t_string!(i18n, studio.steps_tip)),
        "guidance_scale" => (draft.guidance, GUIDANCE, |i18n| t_string!(i18n, studio.guidance_tip)),
        "loras" => match draft.loras.with_untracked(|loras| loras.first().map(|lora| lora.weight)) {
            Some(weight) => (weight, WEIGHT, |i18n| t_string!(i18n, lesson.lora_weight_tip)),
            None => return ().into_any(),
        },
        _ => (draft.strength, STRENGTH, |i18n| t_string!(i18n, studio.strength_tip)),
    };
    view! { <Slider id label which tip value range fault /> }.into_any()
}
