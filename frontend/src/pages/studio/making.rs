//! A picture in the making: its place in the queue, the steps, the latents growing clear, and the ways to stop or try
//! again.

use chapan_api::job::JobStatus;
use leptos::{prelude::*, task::spawn_local};

use super::Order;
use crate::{
    components::{
        icon::icon,
        notice::ErrorNotice,
        picture::Mat,
        progress::{self, ProgressLine},
    },
    i18n::{self, Words, t_string, use_i18n},
    state::{
        announce::Announcer,
        jobs::{Job, Jobs},
        pictures::Pictures,
        toast::Toasts,
    },
};

/// A job that has no picture yet, or never will.
#[component]
pub fn Making(
    /// The job.
    job: Job,
    /// The way to another try.
    order: Order,
) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let state = job.state.clone();
    let view = Signal::derive(move || state.with(|state| state.view.clone()));
    let status = Memo::new(move |_| view.with(|view| view.status));
    let preview = Memo::new(move |_| view.with(|view| view.progress.as_ref()?.preview.clone()));
    let asked = job.asked.clone();
    let prompt =
        Memo::new(move |_| asked.with(|asked| asked.as_ref().map(|a| a.prompt.clone()).unwrap_or_default()));
    let asked = job.asked.clone();
    let size =
        Memo::new(move |_| asked.with(|asked| asked.as_ref().map_or((128, 128), |a| (a.width, a.height))));
    speak(status, view);
    let last_time = move || {
        pictures
            .items()
            .with(|items| items.first().map(|image| format!("{:.1}", image.duration_ms as f64 / 1000.0)))
    };
    let words = move || view.with(|view| progress::words(i18n, view));
    view! {
        {move || match status.get() {
            JobStatus::Failed => {
                let words = Signal::derive(move || {
                    view.with(|view| {
                        view.error
                            .as_ref()
                            .map_or_else(
                                || Words { fact: t_string!(i18n, studio.failed).to_owned(), hint: String::new() },
                                |error| i18n::refusal(i18n, error),
                            )
                    })
                });
                view! { <ErrorNotice words retry=order.generate /> }.into_any()
            }
            JobStatus::Cancelled => {
                view! {
                    <div class="notice" role="status">
                        {icon("stop")}
                        <div class="notice-words">
                            <p class="notice-fact">{move || t_string!(i18n, studio.cancelled)}</p>
                            <p class="notice-hint">{move || t_string!(i18n, studio.cancelled_hint)}</p>
                        </div>
                    </div>
                }
                    .into_any()
            }
            _ => ().into_any(),
        }}
        <Show when=move || !status.get().is_final() || preview.with(Option::is_some)>
        <Mat
            src=preview
            alt=Signal::derive(move || t_string!(i18n, studio.preview_of, prompt = prompt.get()).clone())
            size
            unfinished=Signal::derive(move || !status.get().is_final())
        />
        </Show>
        <div class="caption">
            <Show when=move || !status.get().is_final()>
                <ProgressLine view />
                <div class="caption-row">
                    <p class="caption-now numeric" data-testid="progress-words">{words}</p>
                    {move || {
                        last_time()
                            .map(|seconds| {
                                view! {
                                    <p class="caption-side numeric">
                                        {t_string!(i18n, studio.last_time, seconds = seconds).clone()}
                                    </p>
                                }
                            })
                    }}
                    <CancelButton job=job.clone() />
                </div>
            </Show>
            <p class="caption-prompt">{move || prompt.get()}</p>
        </div>
    }
}

#[component]
fn CancelButton(job: Job) -> impl IntoView {
    let i18n = use_i18n();
    let jobs = expect_context::<Jobs>();
    let toasts = expect_context::<Toasts>();
    let asked = RwSignal::new(false);
    let cancel = move |_| {
        let id = job.id.clone();
        asked.set(true);
        spawn_local(async move {
            if let Err(failure) = jobs.cancel(&id).await {
                toasts.warn(i18n::failure(i18n, &failure).fact);
                asked.try_set(false);
            }
        });
    };
    view! {
        <button
            type="button"
            class="btn"
            aria-keyshortcuts="Escape"
            disabled=move || asked.get()
            on:click=cancel
        >
            {icon("stop")}
            {move || if asked.get() { t_string!(i18n, studio.cancelling) } else { t_string!(i18n, studio.cancel) }}
            " "
            <kbd>"Esc"</kbd>
        </button>
    }
}

/// Tells a screen reader the turns of the story, not every step.
fn speak(status: Memo<JobStatus>, view: Signal<chapan_api::job::JobView>) {
    let i18n = use_i18n();
    let announcer = expect_context::<Announcer>();
    Effect::new(move |_| {
        let _ = status.get();
        announcer.say(view.with_untracked(|view| progress::words(i18n, view)));
    });
    let half = Memo::new(move |_| view.with(progress::part) >= 0.5);
    Effect::new(move |_| {
        if half.get() {
            announcer.say(view.with_untracked(|view| progress::words(i18n, view)));
        }
    });
}
