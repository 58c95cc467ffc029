//! Two pictures side by side, made on demand and compared as soon as both are there. Their jobs are in the address, so
//! a reload loses nothing.

use chapan_api::{
    generation::CreateGeneration,
    id::JobId,
    job::JobStatus,
    lesson::{Check, Step},
    validation::FieldError,
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};

use super::verdict::Verdict;
use crate::{
    api::Failure,
    components::{
        icon::icon,
        notice::ErrorNotice,
        picture::Mat,
        progress::{self, ProgressLine},
        slider::FaultLine,
    },
    i18n::{self, Says, t_string, use_i18n},
    state::{
        draft::Draft,
        jobs::{Job, Jobs},
        pictures::Pictures,
    },
};

/// The experiment of a step.
#[component]
pub fn Experiment(
    /// The step.
    step: Step,
    /// The step after it.
    next: Option<Step>,
    /// Takes the step's id once its check is passed.
    finish: Callback<String>,
) -> impl IntoView {
    let i18n = use_i18n();
    let jobs = expect_context::<Jobs>();
    let navigate = use_navigate();
    let query = use_query_map();
    let first = Draft::new(&step.start, true);
    let second = Draft::new(&step.start, true);
    let two_seeds = matches!(step.check, Check::DifferentSeed { .. });
    if two_seeds {
        second.seed.set((step.start.seed.unwrap_or_default() + 1).to_string());
    }
    let ids = ["first", "second"]
        .map(|name| Memo::new(move |_| query.with(|query| query.get(name).map(JobId::new))));
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let attempted = RwSignal::new(false);
    let place = format!("/lesson/{}", step.id);
    let knows = |knob: &str| step.knobs.iter().any(|known| known == knob);
    let draw = Callback::new(move |()| {
        second.prompt.set(first.prompt.get_untracked());
        if !two_seeds {
            second.seed.set(first.seed.get_untracked());
        }
        attempted.set(true);
        if untrack(|| !first.faults().is_empty() || !second.faults().is_empty()) {
            return;
        }
        let requests: [CreateGeneration; 2] = untrack(|| [first.request(), second.request()]);
        let (navigate, place) = (navigate.clone(), place.clone());
        sending.set(true);
        failure.set(None);
        spawn_local(async move {
            let [a, b] = requests;
            let made = async { Ok((jobs.submit(a).await?, jobs.submit(b).await?)) };
            match made.await {
                Ok((a, b)) => {
                    let options = NavigateOptions { scroll: false, ..Default::default() };
                    navigate(&format!("{place}?first={}&second={}", a.id, b.id), options);
                }
                Err(refusal) => {
                    failure.try_set(Some(refusal));
                }
            }
            sending.try_set(false);
        });
    });
    let fault = move |draft: Draft, field: &'static str| {
        Signal::derive(move || {
            let found: Option<FieldError> = draft.faults().into_iter().find(|fault| fault.field == field);
            found.filter(|_| attempted.get() || field != "prompt").map(|found| i18n::fault(i18n, &found))
        })
    };
    let seed = move |draft: Draft, id: &'static str, label: Says| {
        let fault = fault(draft, "seed");
        view! {
            <div class="field lesson-seed">
                <label for=id>{move || label(i18n)}</label>
                <input
                    id=id
                    class="text mono"
                    type="text"
                    inputmode="numeric"
                    autocomplete="off"
                    aria-invalid=move || fault.with(Option::is_some).to_string()
                    aria-describedby=format!("{id}-fault")
                    prop:value=move || draft.seed.get()
                    on:input=move |event| draft.seed.set(event_target_value(&event))
                />
                <FaultLine id fault />
            </div>
        }
        .into_any()
    };
    let prompt_fault = fault(first, "prompt");
    view! {
        <form
            class="lesson-knobs"
            novalidate
            aria-label=move || t_string!(i18n, lesson.knobs)
            on:submit=move |event| {
                event.prevent_default();
                draw.run(());
            }
        >
            {knows("prompt")
                .then(|| {
                    view! {
                        <div class="field lesson-prompt">
                            <label for="lesson-prompt">{move || t_string!(i18n, studio.prompt)}</label>
                            <textarea
                                id="lesson-prompt"
                                class="text"
                                rows="1"
                                aria-describedby="lesson-prompt-fault"
                                prop:value=move || first.prompt.get()
                                on:input=move |event| first.prompt.set(event_target_value(&event))
                            ></textarea>
                            <FaultLine id="lesson-prompt" fault=prompt_fault />
                        </div>
                    }
                })}
            {seed(
                first,
                "seed-first",
                if two_seeds {
                    |i18n| t_string!(i18n, lesson.first_seed)
                } else {
                    |i18n| t_string!(i18n, studio.seed)
                },
            )}
            {two_seeds.then(|| seed(second, "seed-second", |i18n| t_string!(i18n, lesson.second_seed)))}
            <button type="submit" class="btn btn-primary" disabled=move || sending.get()>
                {move || if two_seeds { t_string!(i18n, lesson.draw_both) } else { t_string!(i18n, lesson.draw_twice) }}
            </button>
        </form>
        {move || {
            failure
                .get()
                .map(|failure| view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) retry=draw /> })
        }}
        <div class="pair">
            <Half id=ids[0] label=|i18n| t_string!(i18n, lesson.first) />
            <Half id=ids[1] label=|i18n| t_string!(i18n, lesson.second) />
        </div>
        <Verdict ids check=step.check next passed=move || finish.run(step.id.clone()) />
    }
}

/// One of the two pictures, from its job.
#[component]
fn Half(id: Memo<Option<JobId>>, label: Says) -> impl IntoView {
    let i18n = use_i18n();
    let jobs = expect_context::<Jobs>();
    let failure = RwSignal::new(None::<Failure>);
    // A job of an earlier visit is not on this page yet.
    Effect::new(move |_| {
        failure.set(None);
        if let Some(id) = id.get()
            && untrack(|| jobs.find(&id)).is_none()
        {
            spawn_local(async move {
                failure.try_set(jobs.fetch(&id).await.err());
            });
        }
    });
    let job = move || id.get().and_then(|id| jobs.find(&id));
    let known = Memo::new(move |_| job().map(|job| job.id));
    view! {
        <figure class="half">
            {move || match known.get().and_then(|id| untrack(|| jobs.find(&id))) {
                Some(job) => view! { <HalfJob job label /> }.into_any(),
                None => {
                    view! {
                        <Mat src=Signal::stored(None::<String>) alt=Signal::derive(move || label(i18n).to_owned()) size=Signal::stored((128, 128)) />
                        <figcaption>{move || label(i18n)}</figcaption>
                    }
                        .into_any()
                }
            }}
            {move || {
                failure
                    .get()
                    .map(|failure| view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> })
            }}
        </figure>
    }
}

#[component]
fn HalfJob(job: Job, label: Says) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let state = job.state.clone();
    let view = Signal::derive(move || state.with(|state| state.view.clone()));
    let status = Memo::new(move |_| view.with(|view| view.status));
    let src = Memo::new(move |_| {
        view.with(|view| match &view.image {
            Some(id) => pictures.find(id).map(|image| image.url),
            None => view.progress.as_ref().and_then(|progress| progress.preview.clone()),
        })
    });
    let asked = job.asked.clone();
    let asked = Memo::new(move |_| asked.get());
    let size = Memo::new(move |_| asked.with(|a| a.as_ref().map_or((128, 128), |a| (a.width, a.height))));
    let seed =
        move || asked.with(|asked| asked.as_ref().and_then(|asked| asked.seed)).map(|seed| seed.to_string());
    view! {
        <Mat src alt=Signal::derive(move || label(i18n).to_owned()) size unfinished=Signal::derive(move || !status.get().is_final()) />
        <figcaption>
            <span>{move || label(i18n)}</span>
            <span class="numeric">{move || t_string!(i18n, studio.seed)} " " <code>{seed}</code></span>
            <span class="half-state numeric" class:spoken=move || status.get() == JobStatus::Succeeded>
                {move || status.get().eq(&JobStatus::Failed).then(|| icon("alert"))}
                {move || view.with(|view| progress::words(i18n, view))}
            </span>
        </figcaption>
        <Show when=move || !status.get().is_final()>
            <ProgressLine view />
        </Show>
    }
}
