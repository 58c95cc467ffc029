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
    findings::PreflightReport,
    home::badge,
    samples::{Address, BeforeAfter, Samples},
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
        draft::Draft,
        models::Models,
        toast::Toasts,
    },
};

/// How often a training that goes on is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(1500);

/// A training as the page knows it.
#[derive(Clone, Copy)]
struct Run {
    id: StoredValue<TrainingId>,
    view: RwSignal<Option<TrainingView>>,
    course: RwSignal<Course>,
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

/// What came of it, and where it can go.
#[component]
fn Finished(run: Run, address: Address, side: Signal<u32>) -> impl IntoView {
    let i18n = use_i18n();
    let draft = expect_context::<Draft>();
    let toasts = expect_context::<Toasts>();
    let navigate = use_navigate();
    let lora = Memo::new(move |_| run.view.with(|view| view.as_ref().and_then(|view| view.lora.clone())));
    let prompt = Memo::new(move |_| run.course.with(|course| course.prompts().into_iter().next()));
    let arena = move || {
        run.view.with(|view| {
            let view = view.as_ref()?;
            let lora = view.lora.as_ref().map(|lora| format!("&lora={lora}")).unwrap_or_default();
            Some(format!("/arena?new&dataset={}{lora}", view.dataset))
        })
    };
    let to_studio = move |_| {
        let Some(lora) = lora.get_untracked() else { return };
        draft.add_lora(lora, 1.0);
        if let Some(prompt) = prompt.get_untracked() {
            draft.prompt.set(prompt);
        }
        toasts.tell(untrack(|| t_string!(i18n, training.lora_added)));
        navigate("/studio?new", NavigateOptions::default());
    };
    let file = move |name: &str| address.run(name.to_owned());
    view! {
        <section class="result" aria-labelledby="result-title">
            <div class="result-words">
                <h2 id="result-title">{move || t_string!(i18n, training.finished)}</h2>
                <p>{move || t_string!(i18n, training.finished_about)}</p>
                <div class="result-ways">
                    <button
                        type="button"
                        class="btn btn-primary"
                        disabled=move || lora.with(Option::is_none)
                        on:click=to_studio
                    >
                        {icon("studio")}
                        {move || t_string!(i18n, training.use_in_studio)}
                    </button>
                    <A href=move || arena().unwrap_or_default() attr:class="btn">
                        {icon("arena")}
                        {move || t_string!(i18n, training.to_arena)}
                    </A>
                    <a class="btn" href=file("lora.safetensors") download rel="external">
                        {icon("download")}
                        {move || t_string!(i18n, training.download_peft)}
                    </a>
                    <a class="btn" href=file("lora_kohya.safetensors") download rel="external">
                        {icon("download")}
                        {move || t_string!(i18n, training.download_kohya)}
                    </a>
                </div>
            </div>
            <BeforeAfter course=run.course address side />
        </section>
    }
}

/// What was asked and what was found before, for who wants to know.
#[component]
fn Asked(run: Run) -> impl IntoView {
    let i18n = use_i18n();
    let view = Memo::new(move |_| {
        run.view.with(|view| {
            view.as_ref().map(|view| (view.parameters.clone(), view.preflight.clone(), view.dataset.clone()))
        })
    });
    view! {
        <details class="fold asked">
            <summary class="fold-head">
                {icon("right")} <span class="fold-title">{move || t_string!(i18n, training.asked)}</span>
            </summary>
            {move || {
                view.get()
                    .map(|(asked, found, dataset)| {
                        let row = |name: &'static str, value: Option<String>| {
                            value
                                .map(|value| {
                                    view! {
                                        <div class="record-row">
                                            <dt lang="en">
                                                <code>{name}</code>
                                            </dt>
                                            <dd class="numeric">{value}</dd>
                                        </div>
                                    }
                                })
                        };
                        let text = |value: Option<f64>| value.map(|value| value.to_string());
                        let whole = |value: Option<u32>| value.map(|value| value.to_string());
                        view! {
                            <div class="asked-columns">
                                <dl class="record-rows">
                                    {row("model", asked.model.map(|model| model.to_string()))}
                                    {row("max_train_steps", whole(asked.max_train_steps))}
                                    {row("learning_rate", text(asked.learning_rate))}
                                    {row("rank", whole(asked.rank))} {row("alpha", text(asked.alpha))}
                                    {row("train_batch_size", whole(asked.train_batch_size))}
                                    {row("resolution", whole(asked.resolution))}
                                    {row("min_snr_gamma", text(asked.min_snr_gamma))}
                                    {row("noise_offset", text(asked.noise_offset))}
                                    {row("caption_dropout", text(asked.caption_dropout))}
                                    {row("seed", asked.seed.map(|seed| seed.to_string()))}
                                </dl>
                                <div>
                                    <PreflightReport found=*found />
                                    <A href=format!("/training?dataset={dataset}") attr:class="btn">
                                        {icon("image")}
                                        {move || t_string!(i18n, training.to_dataset)}
                                    </A>
                                </div>
                            </div>
                        }
                    })
            }}
        </details>
    }
}
