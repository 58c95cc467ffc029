//! Models on their way from the hub: a field to ask for one, and how far the others are.

use std::time::Duration;

use chapan_api::{
    download::{CreateDownload, DownloadStatus, DownloadView},
    error::{ErrorBody, ErrorCode},
    id::DownloadId,
    user::Role,
};
use leptos::{ev::SubmitEvent, prelude::*, task::spawn_local};

use super::bytes;
use crate::{
    api::{self, Failure},
    components::{icon::icon, notice::ErrorNotice},
    i18n::{self, Language, Locale, Says, Words, t_string, use_i18n},
    state::{connection::Connection, models::Models},
};

/// How often a running download is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(700);

/// The list, read anew while something runs.
#[derive(Clone, Copy)]
struct Downloads {
    list: RwSignal<Vec<DownloadView>>,
    failure: RwSignal<Option<Failure>>,
    looking: StoredValue<bool>,
    connection: Connection,
    models: Models,
}

impl Downloads {
    fn load(self) {
        if self.looking.try_get_value() != Some(false) {
            return;
        }
        self.looking.set_value(true);
        spawn_local(async move {
            let answer = self.connection.note(api::download::list().await);
            // Nobody looks any more: the page has gone.
            if self.looking.try_set_value(false).is_some() {
                return;
            }
            let Ok(list) = answer else { return };
            let running = |view: &&DownloadView| view.status == DownloadStatus::Running;
            let arrived = |view: &&DownloadView| view.status == DownloadStatus::Succeeded;
            let before = self.list.with_untracked(|list| list.iter().filter(arrived).count());
            if list.iter().filter(arrived).count() > before {
                self.models.load();
            }
            if list.iter().any(|view| running(&view)) {
                set_timeout(move || self.load(), LOOK_AGAIN);
            }
            self.list.set(list);
        });
    }

    fn start(self, wish: CreateDownload) {
        self.failure.set(None);
        spawn_local(async move {
            match self.connection.note(api::download::create(&wish).await) {
                Ok(_) => self.load(),
                Err(failure) => self.failure.set(Some(failure)),
            }
        });
    }

    fn act(self, done: impl Future<Output = Result<(), Failure>> + 'static) {
        spawn_local(async move {
            if let Err(failure) = self.connection.note(done.await) {
                self.failure.set(Some(failure));
            }
            self.load();
        });
    }
}

/// The part of the page that fetches models. Those who do not look after the server see what is on its way.
#[component]
pub fn DownloadsPart() -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let downloads = Downloads {
        list: RwSignal::new(Vec::new()),
        failure: RwSignal::new(None),
        looking: StoredValue::new(false),
        connection,
        models: expect_context::<Models>(),
    };
    let may_fetch = RwSignal::new(false);
    Effect::new(move |_| {
        connection.returns();
        downloads.load();
        spawn_local(async move {
            if let Ok(me) = api::user::me().await {
                may_fetch.try_set(me.roles.contains(&Role::Admin));
            }
        });
    });
    view! {
        <section class="downloads" aria-labelledby="downloads-title">
            <h2 id="downloads-title">{move || t_string!(i18n, models.fetch)}</h2>
            <p class="sheet-words">{move || t_string!(i18n, models.fetch_about)}</p>
            {move || may_fetch.get().then(|| view! { <Wish downloads /> })}
            {move || {
                downloads
                    .failure
                    .get()
                    .map(|failure| {
                        view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> }
                    })
            }}
            <ul class="download-list">
                <For
                    each=move || downloads.list.with(|list| list.iter().map(|view| view.id.clone()).collect::<Vec<_>>())
                    key=DownloadId::clone
                    children=move |id| view! { <Row id downloads may_act=may_fetch /> }
                />
            </ul>
        </section>
    }
}

#[component]
fn Wish(downloads: Downloads) -> impl IntoView {
    let i18n = use_i18n();
    let repo = RwSignal::new(String::new());
    let file = RwSignal::new(String::new());
    let full = RwSignal::new(false);
    let send = move |event: SubmitEvent| {
        event.prevent_default();
        let file = file.get_untracked().trim().to_owned();
        downloads.start(CreateDownload {
            repo: repo.get_untracked().trim().to_owned(),
            revision: None,
            file: (!file.is_empty()).then_some(file),
            full_precision: full.get_untracked(),
        });
    };
    view! {
        <form class="wish" on:submit=send>
            <div class="field">
                <label for="wish-repo">{move || t_string!(i18n, models.repo)}</label>
                <input
                    id="wish-repo"
                    class="text mono"
                    type="text"
                    autocomplete="off"
                    spellcheck="false"
                    autocapitalize="off"
                    placeholder="stabilityai/stable-diffusion-xl-base-1.0"
                    prop:value=move || repo.get()
                    on:input=move |event| repo.set(event_target_value(&event))
                />
            </div>
            <div class="field">
                <label for="wish-file">{move || t_string!(i18n, models.one_file)}</label>
                <input
                    id="wish-file"
                    class="text mono"
                    type="text"
                    autocomplete="off"
                    spellcheck="false"
                    autocapitalize="off"
                    placeholder="lora.safetensors"
                    prop:value=move || file.get()
                    on:input=move |event| file.set(event_target_value(&event))
                />
            </div>
            <label class="wish-check">
                <input
                    type="checkbox"
                    prop:checked=move || full.get()
                    on:change=move |event| full.set(event_target_checked(&event))
                />
                {move || t_string!(i18n, models.full_precision)}
            </label>
            <button type="submit" class="btn btn-primary" disabled=move || repo.with(|repo| repo.trim().is_empty())>
                {icon("download")}
                {move || t_string!(i18n, models.fetch_it)}
            </button>
        </form>
    }
}

#[component]
fn Row(id: DownloadId, downloads: Downloads, may_act: RwSignal<bool>) -> impl IntoView {
    let i18n = use_i18n();
    let wanted = id.clone();
    let view =
        Memo::new(move |_| downloads.list.with(|list| list.iter().find(|view| view.id == wanted).cloned()));
    let of = move |read: fn(&DownloadView) -> String| {
        move || view.with(|view| view.as_ref().map(read).unwrap_or_default())
    };
    let part = Memo::new(move |_| {
        view.with(|view| match view {
            Some(view) if view.total_bytes > 0 => {
                (1000.0 * view.done_bytes as f64 / view.total_bytes as f64).round() / 10.0
            }
            _ => 0.0,
        })
    });
    let status = Memo::new(move |_| view.with(|view| view.as_ref().map(|view| view.status)));
    let error = Memo::new(move |_| view.with(|view| view.as_ref().and_then(|view| view.error.clone())));
    let button = move |name: &'static str, does: fn(Downloads, DownloadView), says: Says| {
        view! {
            <button
                type="button"
                class="btn"
                on:click=move |_| {
                    if let Some(view) = view.get_untracked() {
                        does(downloads, view);
                    }
                }
            >
                {icon(name)}
                {move || says(i18n)}
            </button>
        }
        .into_any()
    };
    let remove = move |says: Says| {
        button(
            "trash",
            |downloads, view| downloads.act(async move { api::download::delete(&view.id).await }),
            says,
        )
    };
    let buttons = move || match status.get().filter(|_| may_act.get())? {
        DownloadStatus::Running => Some(vec![button(
            "stop",
            |downloads, view| downloads.act(async move { api::download::stop(&view.id).await }),
            |i18n| t_string!(i18n, models.stop),
        )]),
        DownloadStatus::Succeeded => Some(vec![remove(|i18n| t_string!(i18n, models.clear))]),
        DownloadStatus::Paused | DownloadStatus::Failed => Some(vec![
            button(
                "again",
                |downloads, view| downloads.start(view.wanted),
                |i18n| t_string!(i18n, models.go_on),
            ),
            remove(|i18n| t_string!(i18n, models.discard)),
        ]),
    };
    view! {
        <li class="card download">
            <div class="card-head">
                <h3 class="mono">{of(|view| view.wanted.repo.clone())}</h3>
                <span class="numeric">
                    {move || view.with(|view| view.as_ref().map(|view| words(i18n, view)))}
                </span>
            </div>
            <p class="download-file mono">
                {of(|view| view.file.clone().or_else(|| view.wanted.file.clone()).unwrap_or_default())}
            </p>
            <div
                class="progress"
                role="progressbar"
                aria-label=move || t_string!(i18n, models.progress)
                aria-valuemin="0"
                aria-valuemax="100"
                aria-valuenow=move || part.get().round().to_string()
            >
                <div class="progress-done" style=("--done", move || format!("{}%", part.get()))></div>
            </div>
            {move || {
                error
                    .get()
                    .map(|error| view! { <ErrorNotice words=Signal::derive(move || fault(i18n, &error)) /> })
            }}
            <div class="download-buttons">{buttons}</div>
        </li>
    }
}

fn words(i18n: Language, view: &DownloadView) -> String {
    let amount = match view.total_bytes {
        0 => bytes(view.done_bytes),
        total => format!("{} / {}", bytes(view.done_bytes), bytes(total)),
    };
    match view.status {
        DownloadStatus::Running => amount,
        DownloadStatus::Paused => format!("{} · {amount}", t_string!(i18n, models.paused)),
        DownloadStatus::Failed => t_string!(i18n, models.failed).to_owned(),
        DownloadStatus::Succeeded => t_string!(i18n, models.installed).to_owned(),
    }
}

/// Words for a download that failed: the general ones, but for codes that mean something of their own here.
fn fault(i18n: Language, body: &ErrorBody) -> Words {
    if i18n.get_locale() == Locale::en {
        return i18n::refusal(i18n, body);
    }
    let (fact, hint) = match body.code {
        ErrorCode::NotFound => (t_string!(i18n, models.not_there), t_string!(i18n, models.not_there_hint)),
        ErrorCode::Forbidden => (t_string!(i18n, models.gated), t_string!(i18n, models.gated_hint)),
        ErrorCode::UnknownModel => (t_string!(i18n, models.unusable), t_string!(i18n, models.unusable_hint)),
        ErrorCode::Unavailable => (t_string!(i18n, models.cut), t_string!(i18n, models.cut_hint)),
        _ => return i18n::refusal(i18n, body),
    };
    Words { fact: fact.to_owned(), hint: hint.to_owned() }
}
