//! Everything made here, as a strip of small pictures: jobs under way first, then the newest pictures.

use chapan_api::job::{JobStatus, JobView};
use leptos::{ev::KeyboardEvent, prelude::*};
use leptos_router::components::A;
use wasm_bindgen::JsCast;

use super::{icon::icon, progress, record::title};
use crate::{
    i18n::{t_string, use_i18n},
    state::{
        jobs::{Job, Jobs},
        pictures::Pictures,
    },
};

const SHOWN: usize = 40;

/// The film strip. `shown` is the query of the picture or job on the stage, such as `image=…`.
#[component]
pub fn FilmStrip(
    /// What the stage shows now.
    #[prop(into)]
    shown: Signal<String>,
) -> impl IntoView {
    let i18n = use_i18n();
    let jobs = expect_context::<Jobs>();
    let pictures = expect_context::<Pictures>();
    let active = Memo::new(move |_| {
        let mut ids: Vec<_> = jobs.active().into_iter().map(|job| job.id).collect();
        ids.reverse();
        ids
    });
    view! {
        <nav class="strip" aria-label=move || t_string!(i18n, studio.film_strip) on:keydown=move |event| walk(&event)>
            <ul class="strip-row">
                <For each=move || active.get() key=Clone::clone let:id>
                    {jobs.find(&id).map(|job| view! { <JobFrame job shown /> })}
                </For>
                <For
                    each=move || pictures.items().get().into_iter().take(SHOWN)
                    key=|image| image.id.clone()
                    let:image
                >
                    {
                        let place = format!("image={}", image.id);
                        let here = place.clone();
                        let (label, tip) = (title(&image), title(&image));
                        view! {
                            <li>
                                <a
                                    class="frame"
                                    href=format!("/studio?{place}")
                                    aria-current=move || (shown.get() == here).then_some("true")
                                    aria-label=move || label(i18n)
                                    title=move || tip(i18n)
                                >
                                    <img src=image.url.clone() alt="" loading="lazy" decoding="async" />
                                </a>
                            </li>
                        }
                    }
                </For>
            </ul>
            <Show when=move || pictures.items().with(|items| !items.is_empty())>
                <A href="/gallery" attr:class="strip-all">
                    {move || t_string!(i18n, studio.all_pictures)}
                    {icon("right")}
                </A>
            </Show>
        </nav>
    }
}

/// Where a job is shown: pictures are made in the studio, the rest has rooms of its own.
fn room(job: &JobView) -> String {
    if let Some(id) = &job.training {
        format!("/training/{id}")
    } else if let Some(id) = &job.competition {
        format!("/arena/{id}")
    } else if let Some(id) = &job.dataset {
        format!("/training?dataset={id}")
    } else {
        format!("/studio?job={}", job.id)
    }
}

#[component]
fn JobFrame(job: Job, #[prop(into)] shown: Signal<String>) -> impl IntoView {
    let i18n = use_i18n();
    let here = format!("job={}", job.id);
    let state = job.state;
    let place = state.with_untracked(|state| room(&state.view));
    let view = Signal::derive(move || state.with(|state| state.view.clone()));
    let preview =
        Memo::new(move |_| view.with(|view| view.progress.as_ref().and_then(|p| p.preview.clone())));
    let label = move || view.with(|view| progress::words(i18n, view));
    view! {
        <li>
            <a
                class="frame frame-job"
                class:frame-waits=move || view.with(|view| view.status == JobStatus::Queued)
                href=place
                aria-current=move || (shown.get() == here).then_some("true")
                aria-label=label
                title=label
                style=("--done", move || format!("{:.1}%", view.with(progress::part) * 100.0))
            >
                {move || preview.get().map(|src| view! { <img src=src alt="" /> })}
                <span class="frame-step numeric" aria-hidden="true">
                    {move || {
                        view.with(|view| match (&view.progress, view.position) {
                            (Some(progress), _) => format!("{}/{}", progress.step, progress.total_steps),
                            (None, Some(ahead)) => format!("+{}", ahead + 1),
                            (None, None) => "…".to_owned(),
                        })
                    }}
                </span>
            </a>
        </li>
    }
}

/// Arrow keys walk along the strip.
fn walk(event: &KeyboardEvent) {
    let forward = match event.key().as_str() {
        "ArrowRight" => true,
        "ArrowLeft" => false,
        _ => return,
    };
    let Some(frame) = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok()) else {
        return;
    };
    let Ok(Some(item)) = frame.closest("li") else { return };
    let next = if forward { item.next_element_sibling() } else { item.previous_element_sibling() };
    let link = next.and_then(|next| next.first_element_child());
    if let Some(link) = link.and_then(|link| link.dyn_into::<web_sys::HtmlElement>().ok()) {
        event.prevent_default();
        let _ = link.focus();
        link.click();
    }
}
