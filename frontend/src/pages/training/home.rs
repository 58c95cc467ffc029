//! Where it begins: bring pictures in, or go on with what is there.

use std::time::Duration;

use chapan_api::{
    dataset::DatasetView,
    job::{JobKind, JobStatus, JobView},
    training::TrainingView,
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, components::A, hooks::use_navigate};

use super::bring::Bring;
use crate::{
    api::{self, Failure},
    components::{icon::icon, notice::ErrorNotice, progress},
    i18n::{self, Language, t_string, use_i18n},
    state::connection::Connection,
};

/// How often trainings that go on are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// How many small pictures stand for a dataset.
const SHOWN: usize = 4;

type Loaded<T> = RwSignal<Option<Result<Vec<T>, Failure>>>;

/// The part.
#[component]
pub fn Home() -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let navigate = use_navigate();
    let datasets: Loaded<DatasetView> = RwSignal::new(None);
    let trainings: Loaded<TrainingView> = RwSignal::new(None);
    let load = move || {
        spawn_local(async move {
            let answer = connection.note(api::dataset::list().await);
            datasets.try_set(Some(answer.map(|page| page.items)));
        });
        look(connection, trainings);
    };
    Effect::new(move |_| {
        connection.returns();
        load();
    });
    let failed = move || {
        let of_sets = datasets.with(|list| list.as_ref().and_then(|list| list.as_ref().err().cloned()));
        of_sets.or_else(|| trainings.with(|list| list.as_ref().and_then(|list| list.as_ref().err().cloned())))
    };
    let waits = move || datasets.with(Option::is_none) || trainings.with(Option::is_none);
    let sets = move || datasets.get().and_then(Result::ok).unwrap_or_default();
    let runs = move || trainings.get().and_then(Result::ok).unwrap_or_default();
    let brought = move |view: DatasetView| {
        navigate(&format!("/training?dataset={}", view.id), NavigateOptions::default());
    };
    view! {
        <div class="sheet">
            <header class="sheet-head">
                <h1>{move || t_string!(i18n, frame.training)}</h1>
                <p>{move || t_string!(i18n, training.lead)}</p>
            </header>
            <Bring brought />
            {move || {
                failed()
                    .map(|failure| {
                        view! {
                            <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) retry=move |()| load() />
                        }
                    })
            }}
            <Show when=waits>
                <p class="loading" role="status">{move || t_string!(i18n, frame.loading)}</p>
            </Show>
            <Show when=move || !runs().is_empty()>
                <section aria-labelledby="runs-title">
                    <h2 id="runs-title" class="sheet-part">{move || t_string!(i18n, training.trainings)}</h2>
                    <ul class="runs">
                        {move || runs().into_iter().map(|run| view! { <RunCard run /> }).collect_view()}
                    </ul>
                </section>
            </Show>
            <Show when=move || !sets().is_empty()>
                <section aria-labelledby="sets-title">
                    <h2 id="sets-title" class="sheet-part">{move || t_string!(i18n, training.datasets)}</h2>
                    <ul class="runs">
                        {move || sets().into_iter().map(|set| view! { <SetCard set /> }).collect_view()}
                    </ul>
                </section>
            </Show>
        </div>
    }
}

/// Reads the trainings, and again while one of them goes on.
fn look(connection: Connection, trainings: Loaded<TrainingView>) {
    spawn_local(async move {
        let answer = connection.note(api::training::list().await).map(|page| page.items);
        let goes_on = answer.as_ref().is_ok_and(|runs| runs.iter().any(|run| !run.job.status.is_final()));
        // Nothing is set when the page has gone: then nobody looks any more.
        if trainings.try_set(Some(answer)).is_none() && goes_on {
            set_timeout(
                move || {
                    if trainings.try_with_untracked(|_| ()).is_some() {
                        look(connection, trainings);
                    }
                },
                LOOK_AGAIN,
            );
        }
    });
}

/// Where a job stands, as a badge says it.
pub fn badge(i18n: Language, job: &JobView, paused: bool) -> (&'static str, &'static str, String) {
    let (look, sign) = match job.status {
        JobStatus::Succeeded => ("badge badge-good", "check"),
        JobStatus::Failed => ("badge badge-bad", "alert"),
        JobStatus::Cancelled => ("badge badge-quiet", "stop"),
        JobStatus::Queued if paused => ("badge badge-quiet", "pause"),
        JobStatus::Queued => ("badge badge-quiet", "clock"),
        JobStatus::Running => ("badge badge-now", "play"),
    };
    let words = match job.status {
        JobStatus::Queued if paused => t_string!(i18n, training.paused).to_owned(),
        JobStatus::Running if job.kind == JobKind::Competition => t_string!(i18n, arena.running).to_owned(),
        JobStatus::Running => t_string!(i18n, training.running).to_owned(),
        _ => progress::words(i18n, job),
    };
    (look, sign, words)
}

#[component]
fn RunCard(run: TrainingView) -> impl IntoView {
    let i18n = use_i18n();
    let part = if run.max_train_steps > 0 { run.last_step as f64 / run.max_train_steps as f64 } else { 0.0 };
    let (job, paused) = (run.job.clone(), run.paused);
    let (look, sign, _) = untrack(|| badge(i18n, &job, paused));
    let is_open = !run.job.status.is_final();
    view! {
        <li>
            <A href=format!("/training/{}", run.id) attr:class="card run-card">
                <span class="card-head">
                    <span class="run-name">{run.name.clone()}</span>
                    <span class=look>{icon(sign)} {move || badge(i18n, &job, paused).2}</span>
                </span>
                <span class="run-facts numeric">
                    {move || t_string!(i18n, studio.step_of, step = run.last_step, total = run.max_train_steps)}
                    {run.loss.map(|loss| format!(" · loss {loss:.3}"))}
                </span>
                {is_open
                    .then(|| {
                        view! {
                            <span class="progress" aria-hidden="true">
                                <span class="progress-done" style=("--done", format!("{:.1}%", part * 100.0))></span>
                            </span>
                        }
                    })}
            </A>
        </li>
    }
}

#[component]
fn SetCard(set: DatasetView) -> impl IntoView {
    let i18n = use_i18n();
    let held = set.pictures.iter().filter(|picture| picture.held_out).count();
    let count = set.pictures.len() - held;
    view! {
        <li>
            <A href=format!("/training?dataset={}", set.id) attr:class="card run-card">
                <span class="set-pictures" aria-hidden="true">
                    {set
                        .pictures
                        .iter()
                        .take(SHOWN)
                        .map(|picture| {
                            view! { <img src=api::image::file(&picture.image) alt="" loading="lazy" decoding="async" /> }
                        })
                        .collect_view()}
                </span>
                <span class="run-name">{set.name.clone()}</span>
                <span class="run-facts numeric">
                    {move || t_string!(i18n, training.learnt_and_held, learnt = count, held = held)}
                </span>
            </A>
        </li>
    }
}
