//! A second pass at a larger size: the picture is enlarged, and drawn over.

use chapan_api::generation::{Hires, limits};
use leptos::prelude::*;

use crate::{
    components::{
        check::Check,
        fold::Fold,
        icon::icon,
        slider::{Range, Slider},
        upscaler::UpscalerSelect,
    },
    i18n::{Words, t_string, use_i18n},
    state::{
        draft::{Draft, Kind},
        models::Models,
    },
};

const SCALE: Range =
    Range { min: limits::MIN_HIRES_SCALE, max: limits::MAX_HIRES_SCALE, step: 0.1, reset: 2.0 };
const STRENGTH: Range = Range { min: 0.0, max: 1.0, step: 0.05, reset: 0.4 };
const STEPS: Range = Range { min: 0.0, max: 50.0, step: 1.0, reset: 0.0 };

/// Whether, how much larger, and how far from the enlarged picture; not under a mask.
#[component]
pub fn HiresPanel(
    /// The draft.
    draft: Draft,
    /// What is wrong with a field.
    fault: Callback<&'static str, Option<Words>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let models = expect_context::<Models>();
    let of = move |field: &'static str| Signal::derive(move || fault.run(field));
    let larger = move || {
        let hires = Hires { scale: draft.hires_scale.get(), ..Hires::default() };
        hires.size(draft.width.get() as u32, draft.height.get() as u32)
    };
    let brief = move || {
        let (width, height) = larger();
        if draft.hires.get() { format!("{width} × {height}") } else { String::new() }
    };
    view! {
        <Show
            when=move || draft.kind.get() != Kind::Mask
            fallback=move || {
                view! { <p class="inspector-note">{icon("info")} {t_string!(i18n, studio.hires_not_masked)}</p> }
            }
        >
            <Fold name="hires" title=|i18n| t_string!(i18n, studio.hires) brief=Signal::derive(brief)>
                <Show
                    when=move || !models.upscalers().is_empty()
                    fallback=move || {
                        view! { <p class="inspector-note">{icon("info")} {t_string!(i18n, gallery.no_upscaler)}</p> }
                    }
                >
                    <Check
                        label=|i18n| t_string!(i18n, studio.hires_on)
                        tip=|i18n| t_string!(i18n, studio.hires_tip)
                        value=draft.hires
                    />
                    <Show when=move || draft.hires.get()>
                        <Slider
                            id="hires.scale"
                            label=|i18n| t_string!(i18n, studio.hires_scale)
                            tip=|i18n| t_string!(i18n, studio.hires_scale_tip)
                            value=draft.hires_scale
                            range=SCALE
                            fault=of("hires.scale")
                        />
                        <Slider
                            id="hires.strength"
                            label=|i18n| t_string!(i18n, studio.hires_strength)
                            tip=|i18n| t_string!(i18n, studio.hires_strength_tip)
                            value=draft.hires_strength
                            range=STRENGTH
                            fault=of("hires.strength")
                        />
                        <Slider
                            id="hires.steps"
                            label=|i18n| t_string!(i18n, studio.hires_steps)
                            tip=|i18n| t_string!(i18n, studio.hires_steps_tip)
                            value=draft.hires_steps
                            range=STEPS
                            fault=of("hires.steps")
                        />
                        <UpscalerSelect id="hires.upscaler" value=draft.upscaler />
                    </Show>
                </Show>
            </Fold>
        </Show>
    }
}
