//! The inspector: every parameter of the next picture, each with its one sentence, and the one primary action.

use chapan_api::{
    generation::SCHEDULERS,
    image::{ImageKind, ImageView},
    validation::Rule,
};
use leptos::{prelude::*, task::spawn_local};

use super::{Order, kind::KindSwitch, later, schedulers, seed::SeedField, size::SizeField};
use crate::{
    api,
    components::{
        fold::Fold,
        icon::icon_of,
        prompt_check::Checked,
        select::Select,
        slider::{FaultLine, Range, Slider},
        tip::Tip,
    },
    i18n::{self, Says, Words, t_string, use_i18n},
    parts,
    state::{
        connection::Connection,
        draft::{Draft, Kind},
        mask::MaskDraft,
        models::Models,
        pictures::Pictures,
    },
};

const STEPS: Range = Range { min: 1.0, max: 50.0, step: 1.0, reset: 20.0 };
const GUIDANCE: Range = Range { min: 0.0, max: 15.0, step: 0.5, reset: 5.0 };

/// The inspector; on a phone a sheet that opens upwards.
#[component]
pub fn Inspector(
    /// The way to a picture.
    order: Order,
) -> impl IntoView {
    let i18n = use_i18n();
    let draft = expect_context::<Draft>();
    let models = expect_context::<Models>();
    let masks = expect_context::<MaskDraft>();
    let open = RwSignal::new(false);
    let brought = RwSignal::new(None::<ImageView>);
    let faults = Memo::new(move |_| draft.faults(masks.picture().is_some()));
    let find = Callback::new(move |field: &'static str| {
        let found = faults.with(|faults| faults.iter().find(|fault| fault.field == field).cloned())?;
        // What is still empty is no fault before somebody asks for a picture.
        let early = found.rule == Rule::Required && !order.attempted.get();
        (!early).then(|| i18n::fault(i18n, &found))
    });
    let fault = move |field: &'static str| Signal::derive(move || find.run(field));
    let model = Memo::new(move |_| models.chosen(&draft.model.get()));
    let only_masks = Signal::derive(move || model.with(|m| m.as_ref().is_some_and(|m| m.inpainting)));
    let side = Signal::derive(move || model.with(|m| m.as_ref().map_or(128, |m| m.default_side)));
    let brief = move || {
        format!(
            "{} · {} · {} × {}",
            draft.steps.get(),
            draft.guidance.get(),
            draft.width.get(),
            draft.height.get()
        )
    };
    // A file dropped anywhere here tells how it was made.
    let (pictures, connection) = (expect_context::<Pictures>(), expect_context::<Connection>());
    let bring = move |file: web_sys::Blob| {
        spawn_local(async move {
            match connection.note(api::image::upload(&file, ImageKind::Upload).await) {
                Ok(view) => {
                    pictures.add(view.clone());
                    brought.try_set(Some(view));
                }
                Err(refusal) => {
                    order.failure.try_set(Some(refusal));
                }
            }
        });
    };
    // The first visit takes the size that the model was made for.
    Effect::new(move |_| {
        if let Some(model) = model.get()
            && !draft.was_kept.get_value()
        {
            draft.was_kept.set_value(true);
            draft.choose(&model);
        }
    });
    view! {
        <form
            class="inspector"
            class:inspector-open=move || open.get()
            aria-label=move || t_string!(i18n, studio.settings)
            novalidate
            on:submit=move |event| {
                event.prevent_default();
                order.generate.run(());
            }
            on:dragover=move |event| event.prevent_default()
            on:drop=move |event| {
                event.prevent_default();
                if let Some(file) = event.data_transfer().and_then(|data| data.files()?.get(0)) {
                    bring(file.into());
                }
            }
        >
            <div class="inspector-scroll">
                <PromptField draft fault=fault("prompt") />
                <div class="inspector-more" id="more-settings">
                    <KindSwitch draft only_masks />
                    {move || {
                        brought
                            .get()
                            .map(|image| {
                                let close = Callback::new(move |()| brought.set(None));
                                parts::piece(move || later::imported(image.clone(), draft, close))
                            })
                    }}
                    <Show when=move || draft.kind.get() != Kind::Text>
                        {parts::piece(move || later::begin(draft, side, brought, find))}
                    </Show>
                    <SeedField draft fault=fault("seed") />
                    <Fold name="settings" title=|i18n| t_string!(i18n, studio.fine) brief=Signal::derive(brief)>
                        <NegativeField draft fault=fault("negative_prompt") />
                        <Slider
                            id="num_inference_steps"
                            label=|i18n| t_string!(i18n, studio.steps)
                            tip=|i18n| t_string!(i18n, studio.steps_tip)
                            value=draft.steps
                            range=STEPS
                            fault=fault("num_inference_steps")
                        />
                        <Slider
                            id="guidance_scale"
                            label=|i18n| t_string!(i18n, studio.guidance)
                            tip=|i18n| t_string!(i18n, studio.guidance_tip)
                            value=draft.guidance
                            range=GUIDANCE
                            fault=fault("guidance_scale")
                        />
                        {parts::in_time(move || later::weighting(draft))}
                        <SizeField draft side width_fault=fault("width") height_fault=fault("height") />
                        <Show when=move || draft.kind.get() == Kind::Mask>
                            {parts::piece(move || later::mask_settings(draft, find))}
                        </Show>
                        <Choices draft />
                    </Fold>
                    {parts::in_time(move || later::more(draft, order, find))}
                </div>
            </div>
            <div class="inspector-foot">
                <button
                    type="button"
                    class="btn inspector-toggle"
                    aria-expanded=move || open.get().to_string()
                    aria-controls="more-settings"
                    aria-label=move || t_string!(i18n, studio.more_settings)
                    on:click=move |_| open.update(|open| *open = !*open)
                >
                    {icon_of(move || if open.get() { "close" } else { "sliders" })}
                </button>
                <button type="submit" class="btn btn-primary btn-wide">
                    <span>{move || t_string!(i18n, studio.generate)}</span>
                    <kbd aria-hidden="true">{shortcut()}</kbd>
                </button>
            </div>
        </form>
    }
}

/// The shortcut as this machine writes it.
fn shortcut() -> &'static str {
    let platform = window().navigator().platform().unwrap_or_default();
    if platform.starts_with("Mac") || platform.starts_with("iP") { "⌘ Enter" } else { "Ctrl Enter" }
}

#[component]
fn PromptField(draft: Draft, #[prop(into)] fault: Signal<Option<Words>>) -> impl IntoView {
    let i18n = use_i18n();
    let models = expect_context::<Models>();
    let model = Signal::derive(move || {
        models.chosen(&draft.model.get()).map(|model| model.id.to_string()).unwrap_or_default()
    });
    let (prompt, negative_prompt) = (draft.prompt, draft.negative_prompt);
    let checked = Checked { prompt, negative_prompt, model, weighting: draft.weighting };
    let label: Says = |i18n| t_string!(i18n, studio.prompt);
    view! {
        <div class="field">
            <div class="field-head">
                <label for="prompt">{move || label(i18n)}</label>
                <Tip about=label words=|i18n| t_string!(i18n, studio.prompt_tip) />
            </div>
            <textarea
                id="prompt"
                class="text prompt"
                rows="3"
                placeholder=move || t_string!(i18n, studio.prompt_placeholder)
                aria-invalid=move || fault.with(Option::is_some).to_string()
                aria-describedby="prompt-fault"
                prop:value=move || draft.prompt.get()
                on:input=move |event| draft.prompt.set(event_target_value(&event))
            ></textarea>
            <FaultLine id="prompt" fault />
            {parts::in_time(move || later::prompt_check(checked))}
        </div>
    }
}

#[component]
fn NegativeField(draft: Draft, #[prop(into)] fault: Signal<Option<Words>>) -> impl IntoView {
    let i18n = use_i18n();
    let label: Says = |i18n| t_string!(i18n, studio.negative_prompt);
    view! {
        <div class="field">
            <div class="field-head">
                <label for="negative_prompt">{move || label(i18n)}</label>
                <Tip
                    about=label
                    words=|i18n| t_string!(i18n, studio.negative_prompt_tip)
                />
            </div>
            <textarea
                id="negative_prompt"
                class="text"
                rows="1"
                placeholder=move || t_string!(i18n, studio.negative_prompt_placeholder)
                aria-invalid=move || fault.with(Option::is_some).to_string()
                aria-describedby="negative_prompt-fault"
                prop:value=move || draft.negative_prompt.get()
                on:input=move |event| draft.negative_prompt.set(event_target_value(&event))
            ></textarea>
            <FaultLine id="negative_prompt" fault />
        </div>
    }
}

#[component]
fn Choices(draft: Draft) -> impl IntoView {
    let i18n = use_i18n();
    let models = expect_context::<Models>();
    let chosen_model = Memo::new(move |_| {
        let chosen = draft.model.get();
        if chosen.is_empty() {
            models.known().first().map(|m| m.id.to_string()).unwrap_or_default()
        } else {
            chosen
        }
    });
    let scheduler_options = Signal::derive(move || {
        let known = models.known();
        let own = known
            .iter()
            .find(|model| model.id.as_str() == chosen_model.get())
            .map(|model| schedulers::name(&model.default_scheduler).to_owned())
            .unwrap_or_default();
        let first = (String::new(), t_string!(i18n, studio.models_own, name = own).clone());
        let rest = SCHEDULERS.iter().map(|id| ((*id).to_owned(), schedulers::name(id).to_owned()));
        std::iter::once(first).chain(rest).collect::<Vec<_>>()
    });
    let model_options = Signal::derive(move || {
        models.known().iter().map(|m| (m.id.to_string(), m.id.to_string())).collect::<Vec<_>>()
    });
    view! {
        <Select
            id="scheduler"
            label=|i18n| t_string!(i18n, studio.scheduler)
            tip=|i18n| t_string!(i18n, studio.scheduler_tip)
            options=scheduler_options
            value=draft.scheduler
            choose=move |name| draft.scheduler.set(name)
        />
        <Select
            id="model"
            label=|i18n| t_string!(i18n, studio.model)
            tip=|i18n| t_string!(i18n, studio.model_tip)
            options=model_options
            value=chosen_model
            choose=move |id: String| {
                if let Some(model) = models.known().iter().find(|model| model.id.as_str() == id) {
                    draft.choose(model);
                }
            }
        />
    }
}
