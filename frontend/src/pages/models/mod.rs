//! The models: what is installed, how large it is, what it was made for.

mod downloads;
mod loras;

use chapan_api::model::ModelView;
use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::use_navigate};

use crate::{
    components::{icon::icon, notice::ErrorNotice},
    i18n::{self, Says, t_string, use_i18n},
    pages::studio::schedulers,
    state::{draft::Draft, models::Models},
};

/// The page.
#[component]
pub fn ModelsPage() -> impl IntoView {
    let i18n = use_i18n();
    let models = expect_context::<Models>();
    Effect::new(move |_| document().set_title(&format!("{} · Chapan", t_string!(i18n, frame.models))));
    view! {
        <div class="sheet">
            <header class="sheet-head">
                <h1>{move || t_string!(i18n, frame.models)}</h1>
                <p>{move || t_string!(i18n, models.about)}</p>
            </header>
            {move || match models.list() {
                None => {
                    view! { <div class="loading" role="status">{t_string!(i18n, frame.loading)}</div> }.into_any()
                }
                Some(Err(failure)) => {
                    view! {
                        <ErrorNotice
                            words=Signal::derive(move || i18n::failure(i18n, &failure))
                            retry=move |()| models.load()
                        />
                    }
                        .into_any()
                }
                Some(Ok(list)) if list.is_empty() => {
                    view! { <p class="sheet-words">{t_string!(i18n, models.none)}</p> }.into_any()
                }
                Some(Ok(list)) => {
                    view! {
                        <ul class="models">
                            {list.into_iter().map(|model| view! { <Card model /> }).collect_view()}
                        </ul>
                    }
                        .into_any()
                }
            }}
            <p class="sheet-words">{move || t_string!(i18n, models.add)}</p>
            <loras::SmallFiles />
            <downloads::DownloadsPart />
        </div>
    }
}

#[component]
fn Card(model: ModelView) -> impl IntoView {
    let i18n = use_i18n();
    let draft = expect_context::<Draft>();
    let navigate = use_navigate();
    let chosen = model.clone();
    let mut rows = vec![
        row(|i18n| t_string!(i18n, models.family), model.family.to_uppercase()),
        row(|i18n| t_string!(i18n, models.made_for), format!("{0} × {0}", model.default_side)),
        row(|i18n| t_string!(i18n, models.weights), bytes(model.size_bytes)),
        row(|i18n| t_string!(i18n, models.precision), model.precision.clone()),
        row(|i18n| t_string!(i18n, models.memory), bytes(model.memory_bytes)),
        row(|i18n| t_string!(i18n, studio.scheduler), schedulers::name(&model.default_scheduler).to_owned()),
    ];
    if let Some(license) = &model.license {
        rows.push(row(|i18n| t_string!(i18n, models.license), license.clone()));
    }
    if let Some(hash) = &model.sha256 {
        let short = hash.chars().take(16).collect();
        rows.push(row(|_| "SHA-256", short));
    }
    view! {
        <li class="card">
            <div class="card-head">
                <h2>{model.id.to_string()}</h2>
                {model
                    .loaded
                    .then(|| {
                        view! {
                            <span class="badge badge-good">
                                {icon("check")} {move || t_string!(i18n, models.in_memory)}
                            </span>
                        }
                    })}
            </div>
            {model
                .inpainting
                .then(|| {
                    view! { <p class="inspector-note">{icon("mask")} {move || t_string!(i18n, models.inpainting)}</p> }
                })}
            <dl class="record-rows">{rows}</dl>
            <button
                type="button"
                class="btn"
                on:click=move |_| {
                    draft.choose(&chosen);
                    navigate("/studio", NavigateOptions::default());
                }
            >
                {icon("studio")}
                {move || t_string!(i18n, models.draw_with)}
            </button>
        </li>
    }
}

/// A fact of a card.
fn row(name: Says, value: String) -> AnyView {
    let i18n = use_i18n();
    view! {
        <div class="record-row">
            <dt>{move || name(i18n)}</dt>
            <dd class="numeric">{value}</dd>
        </div>
    }
    .into_any()
}

/// A number of bytes as people say it.
pub fn bytes(count: u64) -> String {
    let mega = count as f64 / 1e6;
    if mega >= 1000.0 { format!("{:.1} GB", mega / 1000.0) } else { format!("{mega:.1} MB") }
}
