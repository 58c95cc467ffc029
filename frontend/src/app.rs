//! Puts the page together: what outlives a page, the frame, the routes.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    components::{A, Redirect, Route, Router, Routes},
    path,
};

use crate::{
    components::{icon::icon, picture::Pixels, toast::ToastPlace},
    i18n::{self, LANGUAGES, Locale, t_string, use_i18n},
    pages::not_found::NotFoundPage,
    parts,
    state::{
        announce::Announcer,
        connection::Connection,
        draft::Draft,
        jobs::Jobs,
        mask::MaskDraft,
        models::Models,
        pictures::Pictures,
        theme::{self, Theme},
        toast::Toasts,
    },
};

/// The whole page.
#[component]
pub fn App(
    /// The reader's language, whose texts are there.
    locale: Locale,
) -> impl IntoView {
    i18n::provide(locale);
    theme::provide();
    Pixels::provide();
    Toasts::provide();
    Draft::provide();
    MaskDraft::provide();
    let announcer = Announcer::provide();
    let connection = Connection::provide();
    Models::provide(connection);
    Jobs::provide(connection, Pictures::provide(connection));
    parts::provide();
    view! {
        <Router>
            <div class="app">
                <Masthead />
                <Rail />
                <main class="main" id="main" tabindex="-1">
                    <Routes fallback=NotFoundPage>
                        <Route path=path!("/") view=|| view! { <Redirect path="/studio" /> } />
                        <Route path=path!("/studio") view=|| parts::page(parts::STUDIO) />
                        <Route path=path!("/gallery/:image?") view=|| parts::page(parts::GALLERY) />
                        <Route path=path!("/compare") view=|| parts::page(parts::COMPARE) />
                        <Route path=path!("/lesson/:step?") view=|| parts::page(parts::LESSON) />
                        <Route path=path!("/microscope") view=|| parts::page(parts::MICROSCOPE) />
                        <Route path=path!("/training/:run?") view=|| parts::page(parts::TRAINING) />
                        <Route path=path!("/arena/:run?") view=|| parts::page(parts::ARENA) />
                        <Route path=path!("/models") view=|| parts::page(parts::MODELS) />
                    </Routes>
                </main>
            </div>
            <ToastPlace />
            {parts::in_time(parts::drops)}
            <p class="spoken" aria-live="polite">
                {move || announcer.words()}
            </p>
        </Router>
    }
}

#[component]
fn Masthead() -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    view! {
        <header class="mast">
            <a class="skip" href="#main">
                {move || t_string!(i18n, frame.skip)}
            </a>
            <div class="mast-row">
                <A href="/studio" attr:class="mast-name">
                    <svg class="icon" aria-hidden="true">
                        <use_ href="#icon-mark"></use_>
                    </svg>
                    "Chapan"
                </A>
                <p class="mast-tag">{move || t_string!(i18n, frame.tagline)}</p>
                <div class="mast-tools">
                    <LanguageSwitch />
                    <ThemeSwitch />
                </div>
            </div>
            <div class="horn" aria-hidden="true"></div>
            <div role="status">
                <Show when=move || connection.is_lost()>
                    <p class="lost">
                        {icon("offline")} <strong>{move || t_string!(i18n, frame.server_gone)}</strong>
                        <span>{move || t_string!(i18n, frame.server_gone_hint)}</span>
                    </p>
                </Show>
            </div>
        </header>
    }
}

#[component]
fn Rail() -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <nav class="rail" aria-label=move || t_string!(i18n, frame.rooms)>
            <A href="/lesson">{icon("lesson")} <span>{move || t_string!(i18n, frame.lesson)}</span></A>
            <A href="/studio">{icon("studio")} <span>{move || t_string!(i18n, frame.studio)}</span></A>
            <A href="/training">
                {icon("training")} <span>{move || t_string!(i18n, frame.training)}</span>
            </A>
            <A href="/arena">{icon("arena")} <span>{move || t_string!(i18n, frame.arena)}</span></A>
            <A href="/gallery">
                {icon("gallery")} <span>{move || t_string!(i18n, frame.gallery)}</span>
            </A>
            <A href="/microscope">
                {icon("microscope")} <span>{move || t_string!(i18n, frame.microscope)}</span>
            </A>
            <A href="/models">{icon("models")} <span>{move || t_string!(i18n, frame.models)}</span></A>
        </nav>
    }
}

#[component]
fn LanguageSwitch() -> impl IntoView {
    let i18n = use_i18n();
    let toasts = expect_context::<Toasts>();
    view! {
        <select
            class="select select-quiet"
            aria-label=move || t_string!(i18n, frame.language)
            prop:value=move || i18n::code(i18n.get_locale())
            on:change=move |event| {
                let code = event_target_value(&event);
                spawn_local(async move {
                    if let Err(failure) = i18n::choose(i18n, &code).await {
                        toasts.warn(untrack(|| i18n::failure(i18n, &failure)).fact);
                    }
                });
            }
        >
            {LANGUAGES
                .map(|(_, code, name)| view! { <option value=code lang=code>{name}</option> })
                .collect_view()}
        </select>
    }
}

#[component]
fn ThemeSwitch() -> impl IntoView {
    let i18n = use_i18n();
    let theme = theme::choice();
    let name = move |choice: Theme| match choice {
        Theme::System => t_string!(i18n, frame.theme_system),
        Theme::Light => t_string!(i18n, frame.theme_light),
        Theme::Dark => t_string!(i18n, frame.theme_dark),
    };
    let picture = |choice: Theme| match choice {
        Theme::System => "system",
        Theme::Light => "sun",
        Theme::Dark => "moon",
    };
    view! {
        <div class="switch" role="group" aria-label=move || t_string!(i18n, frame.theme)>
            {Theme::ALL
                .map(|choice| {
                    view! {
                        <button
                            type="button"
                            aria-pressed=move || (theme.get() == choice).to_string()
                            aria-label=move || name(choice)
                            title=move || name(choice)
                            on:click=move |_| theme.set(choice)
                        >
                            {icon(picture(choice))}
                        </button>
                    }
                })
                .collect_view()}
        </div>
    }
}
