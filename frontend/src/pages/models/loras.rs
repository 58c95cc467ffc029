//! The installed LoRAs and upscalers: what each was made for, the words that call it, the way to use it.

use chapan_api::{
    id::ModelId,
    model::{LoraView, UpscalerView},
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use super::{bytes, row};
use crate::{
    api,
    components::icon::icon,
    i18n::{self, t_string, use_i18n},
    state::{draft::Draft, models::Models, toast::Toasts},
};

/// Both lists; each is shown where there is something in it, the LoRAs always say how to get one.
#[component]
pub fn SmallFiles() -> impl IntoView {
    let i18n = use_i18n();
    let models = expect_context::<Models>();
    let loras = move || models.loras();
    let upscalers = move || models.upscalers();
    view! {
        <section aria-labelledby="loras">
            <h2 id="loras" class="sheet-part">"LoRA"</h2>
            <p class="sheet-words">{move || t_string!(i18n, models.loras_about)}</p>
            <ul class="models">
                {move || loras().into_iter().map(|lora| view! { <Lora lora /> }).collect_view()}
            </ul>
        </section>
        <Show when=move || !upscalers().is_empty()>
            <section aria-labelledby="upscalers">
                <h2 id="upscalers" class="sheet-part">{move || t_string!(i18n, models.upscalers)}</h2>
                <ul class="models">
                    {move || upscalers().into_iter().map(|upscaler| view! { <Upscaler upscaler /> }).collect_view()}
                </ul>
            </section>
        </Show>
    }
}

#[component]
fn Lora(lora: LoraView) -> impl IntoView {
    let i18n = use_i18n();
    let draft = expect_context::<Draft>();
    let navigate = use_navigate();
    let id = lora.id.clone();
    let mut rows = Vec::new();
    if let Some(family) = &lora.family {
        rows.push(row(|i18n| t_string!(i18n, models.family), family.to_uppercase()));
    }
    if let Some(base) = &lora.base {
        rows.push(row(|i18n| t_string!(i18n, models.made_for), base.clone()));
    }
    rows.push(row(|i18n| t_string!(i18n, models.weights), bytes(lora.size_bytes)));
    if let Some(license) = &lora.license {
        rows.push(row(|i18n| t_string!(i18n, models.license), license.clone()));
    }
    if let Some(hash) = &lora.sha256 {
        rows.push(row(|_| "SHA-256", hash.chars().take(16).collect()));
    }
    let usable = lora.fault.is_none();
    let toasts = expect_context::<Toasts>();
    let models = expect_context::<Models>();
    let own = lora.own.then(|| StoredValue::new(lora.id.clone()));
    let remove = move |id: StoredValue<ModelId>| {
        spawn_local(async move {
            match api::model::delete_lora(&id.get_value()).await {
                Ok(()) => {
                    toasts.tell(untrack(|| t_string!(i18n, training.removed)));
                    models.load();
                }
                Err(failure) => toasts.warn(untrack(|| i18n::failure(i18n, &failure)).fact),
            }
        });
    };
    let words = lora.trigger_words.clone();
    view! {
        <li class="card">
            <div class="card-head">
                <h3>{lora.title.clone().unwrap_or_else(|| lora.id.to_string())}</h3>
            </div>
            {lora
                .fault
                .map(|fault| {
                    view! {
                        <p class="fault" lang="en">
                            {icon("alert")} <span>{fault}</span>
                        </p>
                    }
                })}
            <dl class="record-rows">{rows}</dl>
            {(!words.is_empty())
                .then(|| {
                    view! {
                        <p class="lora-words">
                            <span>{move || t_string!(i18n, models.trigger_words)}</span>
                            {words.into_iter().map(|word| view! { <code class="chip" lang="en">{word}</code> }).collect_view()}
                        </p>
                    }
                })}
            {usable
                .then(|| {
                    view! {
                        <button
                            type="button"
                            class="btn"
                            on:click=move |_| {
                                draft.add_lora(id.clone(), 1.0);
                                navigate("/studio?new", NavigateOptions::default());
                            }
                        >
                            {icon("studio")}
                            {move || t_string!(i18n, models.draw_with)}
                        </button>
                    }
                })}
            {own
                .map(|id| {
                    view! {
                        <button type="button" class="btn" on:click=move |_| remove(id)>
                            {icon("trash")}
                            {move || t_string!(i18n, training.remove)}
                        </button>
                    }
                })}
        </li>
    }
}

#[component]
fn Upscaler(upscaler: UpscalerView) -> impl IntoView {
    let mut rows = vec![row(|i18n| t_string!(i18n, models.weights), bytes(upscaler.size_bytes))];
    if let Some(hash) = &upscaler.sha256 {
        rows.push(row(|_| "SHA-256", hash.chars().take(16).collect()));
    }
    view! {
        <li class="card">
            <div class="card-head">
                <h3>{upscaler.id.to_string()}</h3>
            </div>
            <dl class="record-rows">{rows}</dl>
        </li>
    }
}
