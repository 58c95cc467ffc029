//! One dataset, made ready: its pictures, what they show, how they will be learnt.

use chapan_api::{
    dataset::UpdateDataset,
    id::DatasetId,
    training::{CreateTraining, Preflight},
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, components::A, hooks::use_navigate};
use std::time::Duration;

use super::{
    analysis::AnalysisPart,
    bring::Bring,
    collection::Collection,
    findings::{Findings, PreflightReport},
    pictures::Pictures,
    settings::{Settings, SettingsForm},
};
use crate::{
    api::{self, Failure},
    components::{icon::icon, notice::ErrorNotice},
    i18n::{self, t_string, use_i18n},
    state::{connection::Connection, models::Models, toast::Toasts},
};

/// How long the settings rest before they are looked at again.
const REST: Duration = Duration::from_millis(600);

/// The part.
#[component]
pub fn Prepare(id: DatasetId) -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let navigate = use_navigate();
    let toasts = expect_context::<Toasts>();
    let wanted = id.clone();
    let set = Collection::of(Signal::stored(Some(id)));
    let settings = Settings::usual();
    let there = Memo::new(move |_| set.view.with(Option::is_some));
    let count = Memo::new(move |_| set.view.with(|view| view.as_ref().map_or(0, |view| view.pictures.len())));
    // A first name for the training: that of its pictures.
    Effect::new(move |_| {
        if let Some(name) = set.view.with(|view| view.as_ref().map(|view| view.name.clone()))
            && settings.name.with_untracked(String::is_empty)
        {
            settings.name.set(name);
        }
    });
    let models = expect_context::<Models>();
    let side = Memo::new(move |_| models.side(&settings.model.get()));
    let request = Memo::new(move |_| {
        let id = set.view.with(|view| view.as_ref().map(|view| view.id.clone()))?;
        Some(settings.request(id, side.get()))
    });
    let faults = Memo::new(move |_| {
        request
            .with(|request| request.as_ref().and_then(|request| request.validate().err()).unwrap_or_default())
    });
    let retry = {
        let wanted = wanted.clone();
        move |()| set.reload(Some(wanted.clone()))
    };
    let remove = move |_| {
        let (id, navigate) = (wanted.clone(), navigate.clone());
        spawn_local(async move {
            match connection.note(api::dataset::delete(&id).await) {
                Ok(()) => {
                    toasts.tell(untrack(|| t_string!(i18n, training.dataset_removed)));
                    navigate("/training", NavigateOptions::default());
                }
                Err(failure) => drop(set.failure.try_set(Some(failure))),
            }
        });
    };
    let rename = move |event| {
        let name = event_target_value(&event).trim().to_owned();
        if !name.is_empty() {
            set.update(UpdateDataset { name: Some(name), ..UpdateDataset::default() });
        }
    };
    view! {
        <div class="sheet sheet-wide">
            <header class="sheet-head desk-head">
                <A href="/training" attr:class="btn-icon" attr:aria-label=move || t_string!(i18n, training.all)>
                    {icon("left")}
                </A>
                <h1>
                    <input
                        class="desk-name"
                        type="text"
                        maxlength="80"
                        aria-label=move || t_string!(i18n, training.dataset_name)
                        prop:value=move || set.view.with(|view| view.as_ref().map(|view| view.name.clone()).unwrap_or_default())
                        on:change=rename
                    />
                </h1>
                <button type="button" class="btn" on:click=remove disabled=move || !there.get()>
                    {icon("trash")}
                    {move || t_string!(i18n, training.remove_dataset)}
                </button>
            </header>
            {move || {
                let retry = retry.clone();
                set.failure
                    .get()
                    .map(|failure| {
                        view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) retry /> }
                    })
            }}
            <Show
                when=move || there.get()
                fallback=move || {
                    set.failure
                        .with(Option::is_none)
                        .then(|| {
                            view! { <p class="loading" role="status">{move || t_string!(i18n, frame.loading)}</p> }
                        })
                }
            >
                <div class="desk">
                    <div class="desk-main">
                        <section aria-labelledby="refs-title">
                            <h2 id="refs-title" class="desk-step">
                                <span class="desk-number" aria-hidden="true">"1"</span>
                                {move || t_string!(i18n, training.references)}
                                <span class="desk-count numeric">{move || count.get()}</span>
                            </h2>
                            <p class="sheet-words">{move || t_string!(i18n, training.references_about)}</p>
                            {move || {
                                let findings = set.view.with(|view| {
                                    view.as_ref().map(|view| view.findings.clone()).unwrap_or_default()
                                });
                                view! { <Findings findings /> }
                            }}
                            <Pictures set />
                            <Bring into=set.id() brought=move |view| set.view.set(Some(view)) />
                        </section>
                        <AnalysisPart set />
                    </div>
                    <aside class="desk-side" aria-labelledby="settings-title">
                        <h2 id="settings-title" class="desk-step">
                            <span class="desk-number" aria-hidden="true">"3"</span>
                            {move || t_string!(i18n, training.settings)}
                        </h2>
                        <SettingsForm set settings side faults />
                        <Start set request faults=Memo::new(move |_| !faults.with(Vec::is_empty)) />
                    </aside>
                </div>
            </Show>
        </div>
    }
}

/// What is found before it begins, and the button.
#[component]
fn Start(set: Collection, request: Memo<Option<CreateTraining>>, faults: Memo<bool>) -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let navigate = use_navigate();
    let found = RwSignal::new(None::<Preflight>);
    let failure = RwSignal::new(None::<Failure>);
    let checking = RwSignal::new(false);
    let starting = RwSignal::new(false);
    let number = StoredValue::new(0_u32);
    let check = move || {
        number.update_value(|number| *number += 1);
        let mine = number.get_value();
        let Some(asked) = request.get_untracked().filter(|_| !faults.get_untracked()) else {
            checking.set(false);
            return;
        };
        checking.set(true);
        let look = move || {
            if number.try_get_value() != Some(mine) {
                return;
            }
            spawn_local(async move {
                let answer = connection.note(api::training::preflight(&asked).await);
                // Whoever typed on meanwhile waits for another answer.
                if number.try_get_value() != Some(mine) {
                    return;
                }
                checking.set(false);
                match answer {
                    Ok(report) => {
                        failure.set(None);
                        found.set(Some(report));
                    }
                    Err(refusal) => failure.set(Some(refusal)),
                }
            });
        };
        set_timeout(look, REST);
    };
    // Other pictures and captions are another training, too.
    let pictures = Memo::new(move |_| {
        set.view.with(|view| {
            view.iter()
                .flat_map(|view| &view.pictures)
                .map(|picture| (picture.image.clone(), picture.caption.clone(), picture.held_out))
                .collect::<Vec<_>>()
        })
    });
    Effect::new(move |_| {
        request.track();
        pictures.track();
        connection.returns();
        check();
    });
    let blocked = move || found.with(|found| found.as_ref().is_none_or(Preflight::is_blocked));
    let begin = move |_| {
        let Some(asked) = request.get_untracked() else { return };
        starting.set(true);
        failure.set(None);
        let navigate = navigate.clone();
        spawn_local(async move {
            match connection.note(api::training::create(&asked).await) {
                Ok(job) => {
                    let place = job.training.map(|id| format!("/training/{id}"));
                    navigate(place.as_deref().unwrap_or("/training"), NavigateOptions::default());
                }
                Err(refusal) => drop(failure.try_set(Some(refusal))),
            }
            starting.try_set(false);
        });
    };
    view! {
        <section class="start" aria-labelledby="start-title">
            <h3 id="start-title">{move || t_string!(i18n, training.before)}</h3>
            {move || {
                failure
                    .get()
                    .map(|failure| {
                        view! {
                            <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) retry=move |()| check() />
                        }
                    })
            }}
            <div class="start-report" class:start-old=move || checking.get() aria-live="polite">
                {move || found.get().map(|found| view! { <PreflightReport found /> })}
            </div>
            <Show when=move || checking.get()>
                <p class="start-waits" role="status">{move || t_string!(i18n, training.checking)}</p>
            </Show>
            <button
                type="button"
                class="btn btn-primary btn-wide"
                disabled=move || starting.get() || checking.get() || faults.get() || blocked()
                on:click=begin
            >
                {icon("play")}
                {move || t_string!(i18n, training.start)}
            </button>
        </section>
    }
}
