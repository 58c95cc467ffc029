//! One training: how it goes, what can be wished for meanwhile, and what came of it.

use std::time::Duration;

use chapan_api::{
    id::TrainingId,
    job::{JobStatus, JobView},
    training::{TrainingView, TrainingWish},
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, components::A, hooks::use_navigate};

use super::{
    duration,
    home::badge,
    outcome::{Asked, Finished},
    samples::{Address, Samples},
    watch::Curves,
};
use crate::{
    api::{self, Failure, stream::Stream},
    components::{icon::icon, notice::ErrorNotice},
    i18n::{self, Language, t_string, use_i18n},
    state::{
        announce::Announcer,
        connection::Connection,
        course::{Course, time_left_ms},
        models::Models,
        toast::Toasts,
    },
};

/// How often a training that goes on is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(1500);

/// A training as the page knows it.
#[derive(Clone, Copy)]
pub struct Run {
    id: StoredValue<TrainingId>,
    /// As the server has it.
    pub view: RwSignal<Option<TrainingView>>,
    /// What happened so far.
    pub course: RwSignal<Course>,
    failure: RwSignal<Option<Failure>>,
    /// Where it stood when it was first seen to run, and now: step and time.
    pace: RwSignal<Option<[(u64, f64); 2]>>,
    stream: StoredValue<Option<Stream>, LocalStorage>,
    looking: StoredValue<bool>,
    /// Whether another look is due already.
    due: StoredValue<bool>,
    /// Whether its last event has been read.
    whole: StoredValue<bool>,
    i18n: Language,
    connection: Connection,
    models: Models,
    announcer: Announcer,
}

impl Run {
    /// Reads where it stands, and again while it goes on.
    fn look(self) {
        if self.looking.try_get_value() != Some(false) {
            return;
        }
        self.looking.set_value(true);
        spawn_local(async move {
            let Some(id) = self.id.try_get_value() else { return };
            let answer = self.connection.note(api::training::get(&id).await);
            // Nobody looks any more: the page has gone.
            if self.looking.try_set_value(false).is_some() {
                return;
            }
            match answer {
                Ok(view) => {
                    self.take(view);
                    self.follow();
                }
                Err(refusal) => self.failure.set(Some(refusal)),
            }
        });
    }

    fn take(self, view: TrainingView) {
        let before = self.view.with_untracked(|view| view.as_ref().map(|view| view.job.status));
        let status = view.job.status;
        let now = (view.last_step, js_sys::Date::now());
        self.pace.update(|pace| match (status, pace.as_mut()) {
            (JobStatus::Running, Some(pace)) => pace[1] = now,
            (JobStatus::Running, None) => *pace = Some([now, now]),
            _ => *pace = None,
        });
        self.failure.set(None);
        self.view.set(Some(view));
        if status.is_final() {
            if before.is_some_and(|before| !before.is_final()) && status == JobStatus::Succeeded {
                // Its LoRA stands among the others now.
                self.models.load();
                self.announcer.say(untrack(|| t_string!(self.i18n, training.finished)));
            }
        } else if !self.due.get_value() {
            self.due.set_value(true);
            let again = move || {
                if self.due.try_set_value(false).is_none() {
                    self.look();
                }
            };
            set_timeout(again, LOOK_AGAIN);
        }
    }

    fn is_final(self) -> Option<bool> {
        self.view.try_with_untracked(|view| view.as_ref().is_some_and(|view| view.job.status.is_final()))
    }

    /// Follows its events from the first; what came before is told again and changes nothing.
    fn follow(self) {
        let open = self.stream.try_with_value(Option::is_some);
        let (Some(false), Some(id)) = (open, self.id.try_get_value()) else { return };
        if self.whole.get_value() {
            return;
        }
        let stream = api::training::follow(&id, move |event| {
            if let Some(event) = event {
                self.course.try_update(|course| course.apply(event));
                return;
            }
            // The last event has come, or the line is lost: a new look decides. A stream cannot be dropped from within.
            let end = move || {
                self.stream.try_update_value(|stream| *stream = None);
                self.whole.try_set_value(self.is_final() == Some(true));
                self.look();
            };
            set_timeout(end, Duration::from_millis(100));
        });
        self.stream.set_value(stream);
    }

    fn wish(self, wish: TrainingWish) {
        let id = self.id.get_value();
        spawn_local(async move {
            match self.connection.note(api::training::wish(&id, wish).await) {
                Ok(view) => {
                    if self.view.try_with_untracked(|_| ()).is_some() {
                        // A failed one that goes on tells more.
                        self.whole.set_value(false);
                        self.take(view);
                        self.follow();
                    }
                }
                Err(refusal) => drop(self.failure.try_set(Some(refusal))),
            }
        });
    }

    fn cancel(self) {
        let job = self.view.with_untracked(|view| view.as_ref().map(|view| view.job.id.clone()));
        let Some(job) = job else { return };
        spawn_local(async move {
            if let Err(refusal) = self.connection.note(api::job::cancel(&job).await) {
                self.failure.try_set(Some(refusal));
            }
            self.look();
        });
    }

    fn job(self) -> Option<JobView> {
        self.view.with(|view| view.as_ref().map(|view| view.job.clone()))
    }
}

/// The part.
#[component]
pub fn RunPart(id: TrainingId) -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let run = Run {
        id: StoredValue::new(id.clone()),
        view: RwSignal::new(None),
        course: RwSignal::new(Course::default()),
        failure: RwSignal::new(None),
        pace: RwSignal::new(None),
        stream: StoredValue::new_local(None),
        looking: StoredValue::new(false),
        due: StoredValue::new(false),
        whole: StoredValue::new(false),
        i18n,
        connection,
        models: expect_context(),
        announcer: expect_context(),
    };
    Effect::new(move |_| {
        connection.returns();
        run.look();
    });
    let address: Address = Callback::new(move |file: String| api::training::file(&id, &file));
    let side = Signal::derive(move || {
        run.view.with(|view| view.as_ref().and_then(|view| view.parameters.resolution).unwrap_or(128))
    });
    let there = Memo::new(move |_| run.view.with(Option::is_some));
    let done = Memo::new(move |_| run.job().is_some_and(|job| job.status == JobStatus::Succeeded));
    let begun = Memo::new(move |_| run.course.with(|course| course.total > 0));
    view! {
        <div class="sheet sheet-wide">
            {move || {
                run.failure
                    .get()
                    .map(|failure| {
                        view! {
                            <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) retry=move |()| run.look() />
                        }
                    })
            }}
            <Show
                when=move || there.get()
                fallback=move || {
                    run.failure
                        .with(Option::is_none)
                        .then(|| {
                            view! { <p class="loading" role="status">{move || t_string!(i18n, frame.loading)}</p> }
                        })
                }
            >
                <Head run />
                <Failed run />
                <Show when=move || done.get()>
                    <Finished run address side />
                </Show>
                <div class="watch">
                    <section class="watch-curves" aria-labelledby="curves-title">
                        <h2 id="curves-title">{move || t_string!(i18n, training.loss)}</h2>
                        <Figures run />
                        <Show
                            when=move || begun.get()
                            fallback=move || {
                                view! { <p class="sheet-words">{move || t_string!(i18n, training.not_begun)}</p> }
                            }
                        >
                            <Curves course=run.course />
                        </Show>
                    </section>
                    <section class="watch-samples" aria-labelledby="samples-title">
                        <h2 id="samples-title">{move || t_string!(i18n, training.samples)}</h2>
                        <Samples course=run.course address side />
                    </section>
                </div>
                <Asked run />
            </Show>
        </div>
    }
}

/// Name, state, and the wishes.
#[component]
fn Head(run: Run) -> impl IntoView {
    let i18n = use_i18n();
    let view = move || run.view.get();
    let name = move || view().map(|view| view.name).unwrap_or_default();
    let status =
        Memo::new(move |_| run.view.with(|view| view.as_ref().map(|view| (view.job.status, view.paused))));
    let is_open = move || status.get().is_some_and(|(status, _)| !status.is_final());
    let is_running = move || status.get().is_some_and(|(status, _)| status == JobStatus::Running);
    let is_paused = move || status.get().is_some_and(|(status, paused)| paused && !status.is_final());
    let toasts = expect_context::<Toasts>();
    let navigate = use_navigate();
    let remove = StoredValue::new(move || {
        let (id, navigate) = (run.id.get_value(), navigate.clone());
        spawn_local(async move {
            match run.connection.note(api::training::delete(&id).await) {
                Ok(()) => {
                    toasts.tell(untrack(|| t_string!(i18n, training.removed)));
                    navigate("/training", NavigateOptions::default());
                }
                Err(refusal) => drop(run.failure.try_set(Some(refusal))),
            }
        });
    });
    let part = Memo::new(move |_| {
        run.view.with(|view| {
            let view = view.as_ref()?;
            let step = view.last_step.max(run.course.with(Course::step));
            Some((step as f64 * 1000.0 / view.max_train_steps.max(1) as f64).round() / 10.0)
        })
    });
    view! {
        <header class="sheet-head desk-head">
            <A href="/training" attr:class="btn-icon" attr:aria-label=move || t_string!(i18n, training.all)>
                {icon("left")}
            </A>
            <h1>{name}</h1>
            {move || {
                run.view
                    .with(|view| view.as_ref().map(|view| badge(i18n, &view.job, view.paused)))
                    .map(|(look, sign, words)| {
                        view! {
                            <span class=look role="status">
                                {icon(sign)} {words}
                            </span>
                        }
                    })
            }}
            <Show when=move || status.get().is_some_and(|(status, _)| status.is_final())>
                <div class="desk-tools">
                    <button type="button" class="btn" on:click=move |_| remove.with_value(|remove| remove())>
                        {icon("trash")}
                        {move || t_string!(i18n, training.remove)}
                    </button>
                </div>
            </Show>
            <Show when=is_open>
                <div class="desk-tools">
                    <button
                        type="button"
                        class="btn"
                        disabled=move || !is_running()
                        title=move || t_string!(i18n, training.sample_now_tip)
                        on:click=move |_| run.wish(TrainingWish::Sample)
                    >
                        {icon("image")}
                        {move || t_string!(i18n, training.sample_now)}
                    </button>
                    <button
                        type="button"
                        class="btn"
                        disabled=move || !is_running()
                        title=move || t_string!(i18n, training.save_now_tip)
                        on:click=move |_| run.wish(TrainingWish::Save)
                    >
                        {icon("save")}
                        {move || t_string!(i18n, training.save_now)}
                    </button>
                    <Show
                        when=is_paused
                        fallback=move || {
                            view! {
                                <button type="button" class="btn" on:click=move |_| run.wish(TrainingWish::Pause)>
                                    {icon("pause")}
                                    {move || t_string!(i18n, training.pause)}
                                </button>
                            }
                        }
                    >
                        <button type="button" class="btn" on:click=move |_| run.wish(TrainingWish::Resume)>
                            {icon("play")}
                            {move || t_string!(i18n, training.resume)}
                        </button>
                    </Show>
                    <button type="button" class="btn" on:click=move |_| run.cancel()>
                        {icon("stop")}
                        {move || t_string!(i18n, training.cancel)}
                    </button>
                </div>
            </Show>
        </header>
        <Show when=is_open>
            <div
                class="progress watch-progress"
                class:progress-waits=move || !is_running()
                role="progressbar"
                aria-label=move || t_string!(i18n, studio.progress)
                aria-valuemin="0"
                aria-valuemax="100"
                aria-valuenow=move || part.get().unwrap_or_default().round().to_string()
            >
                <div class="progress-done" style=("--done", move || format!("{}%", part.get().unwrap_or_default()))></div>
            </div>
        </Show>
    }
}

/// Why it failed, and that what was kept is kept.
#[component]
fn Failed(run: Run) -> impl IntoView {
    let i18n = use_i18n();
    let error = Memo::new(move |_| run.job().and_then(|job| job.error));
    move || {
        error.get().map(|error| {
            let words = Signal::derive(move || i18n::refusal(i18n, &error));
            let kept = move || run.course.with(|course| course.kept);
            view! {
                <ErrorNotice words />
                {move || {
                    kept()
                        .map(|step| {
                            view! {
                                <p class="kept">
                                    <span>{t_string!(i18n, training.kept_until, step = step)}</span>
                                    <button type="button" class="btn" on:click=move |_| run.wish(TrainingWish::Resume)>
                                        {icon("play")}
                                        {move || t_string!(i18n, training.go_on_from_here)}
                                    </button>
                                </p>
                            }
                        })
                }}
            }
        })
    }
}

/// Step, loss, time left, learning rate.
#[component]
fn Figures(run: Run) -> impl IntoView {
    let i18n = use_i18n();
    let step = move || {
        let total = run.view.with(|view| view.as_ref().map_or(0, |view| view.max_train_steps));
        let step = run.view.with(|view| view.as_ref().map_or(0, |view| view.last_step));
        format!("{} / {total}", step.max(run.course.with(Course::step)))
    };
    let loss = move || {
        let loss = run.view.with(|view| view.as_ref().and_then(|view| view.loss));
        loss.map_or_else(|| "–".to_owned(), |loss| format!("{loss:.3}"))
    };
    let held = move || {
        run.course.with(|course| match (course.validations.first(), course.validations.last()) {
            (Some((_, first)), Some((_, last))) if course.validations.len() > 1 => {
                format!("{first:.3} → {last:.3}")
            }
            (Some((_, only)), _) => format!("{only:.3}"),
            _ => "–".to_owned(),
        })
    };
    let rate = move || {
        let rate = run.course.with(|course| course.steps.last().map(|point| point.lr));
        match rate {
            None => "–".to_owned(),
            // It has run out.
            Some(0.0) => "0".to_owned(),
            Some(rate) => format!("{rate:.1e}"),
        }
    };
    let left = move || {
        let view = run.view.get();
        let Some(view) = view else { return "–".to_owned() };
        match view.job.status {
            JobStatus::Succeeded | JobStatus::Failed | JobStatus::Cancelled => {
                let took = view
                    .job
                    .finished_at_ms
                    .zip(view.job.started_at_ms)
                    .map(|(end, begin)| (end - begin) as f64);
                took.map_or_else(|| "–".to_owned(), |took| duration(i18n, took))
            }
            _ => {
                let pace = run.pace.get();
                let left = pace.and_then(|[first, now]| time_left_ms(first, now, view.max_train_steps));
                left.map_or_else(
                    || "–".to_owned(),
                    |left| t_string!(i18n, training.about, time = duration(i18n, left)),
                )
            }
        }
    };
    let is_final = move || run.job().is_some_and(|job| job.status.is_final());
    view! {
        <dl class="figures watch-figures">
            <div class="figure">
                <dt>{move || t_string!(i18n, training.step_axis)}</dt>
                <dd class="numeric">{step}</dd>
            </div>
            <div class="figure">
                <dt>{move || t_string!(i18n, training.loss_last)}</dt>
                <dd class="numeric">{loss}</dd>
            </div>
            <div class="figure">
                <dt>{move || t_string!(i18n, training.loss_held_out)}</dt>
                <dd class="numeric">{held}</dd>
            </div>
            <div class="figure">
                <dt>{move || t_string!(i18n, training.rate)}</dt>
                <dd class="numeric">{rate}</dd>
            </div>
            <div class="figure">
                <dt>
                    {move || {
                        if is_final() { t_string!(i18n, training.took) } else { t_string!(i18n, training.time_left) }
                    }}
                </dt>
                <dd class="numeric">{left}</dd>
            </div>
        </dl>
    }
}
