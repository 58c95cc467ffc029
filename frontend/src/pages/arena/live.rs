//! One competition: what its round is doing, what the rounds before brought, and what people say.

use std::time::Duration;

use chapan_api::{
    comparison::ComparisonReport,
    competition::{CompetitionEvent, CompetitionStage, CompetitionView, Feedback, VoteTally},
    id::CompetitionId,
    job::{JobStatus, JobView},
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, components::A, hooks::use_navigate};

use super::{
    bracket::{Address, Bracket},
    called,
    lessons::Lessons,
    rounds::Rounds,
    scores::Scores,
    stages::Stages,
    vote::Vote,
    why::Why,
};
use crate::{
    api::{self, Failure, stream::Stream},
    components::{icon::icon, notice::ErrorNotice},
    i18n::{self, t_string, use_i18n},
    pages::training::{badge, samples::Samples, watch::Curves},
    state::{connection::Connection, course::Course, draft::Draft, models::Models, toast::Toasts},
};

/// How often a competition that goes on is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// A picture that somebody looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Whose.
    pub contestant: String,
    /// Its name in the report.
    pub file: String,
}

/// A picture that has just been drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Drawn {
    round: u32,
    contestant: String,
    file: String,
}

/// A competition as the page knows it.
#[derive(Clone, Copy)]
struct Live {
    id: StoredValue<CompetitionId>,
    view: RwSignal<Option<CompetitionView>>,
    failure: RwSignal<Option<Failure>>,
    /// The round that goes on, its part, its training, its pictures.
    round: RwSignal<u32>,
    stage: RwSignal<CompetitionStage>,
    course: RwSignal<Course>,
    drawn: RwSignal<Vec<Drawn>>,
    votes: RwSignal<Vec<VoteTally>>,
    stream: StoredValue<Option<Stream>, LocalStorage>,
    looking: StoredValue<bool>,
    /// Whether another look is due already.
    due: StoredValue<bool>,
    connection: Connection,
}

impl Live {
    fn look(self) {
        if self.looking.try_get_value() != Some(false) {
            return;
        }
        self.looking.set_value(true);
        spawn_local(async move {
            let Some(id) = self.id.try_get_value() else { return };
            let answer = self.connection.note(api::competition::get(&id).await);
            // Nobody looks any more: the page has gone.
            if self.looking.try_set_value(false).is_some() {
                return;
            }
            match answer {
                Ok(view) => self.take(view),
                Err(refusal) => self.failure.set(Some(refusal)),
            }
        });
    }

    fn take(self, view: CompetitionView) {
        self.failure.set(None);
        let is_final = view.job.status.is_final();
        if (view.round, view.stage) > (self.round.get_untracked(), self.stage.get_untracked()) {
            self.round.set(view.round);
            self.stage.set(view.stage);
        }
        if self.votes.with_untracked(|votes| *votes != view.votes) {
            self.votes.set(view.votes.clone());
        }
        // Only what has changed is drawn anew.
        if self.view.with_untracked(|known| known.as_ref() != Some(&view)) {
            self.view.set(Some(view));
        }
        if !is_final {
            self.follow();
            if !self.due.get_value() {
                self.due.set_value(true);
                let again = move || {
                    if self.due.try_set_value(false).is_none() {
                        self.look();
                    }
                };
                set_timeout(again, LOOK_AGAIN);
            }
        }
    }

    fn follow(self) {
        let open = self.stream.try_with_value(Option::is_some);
        let (Some(false), Some(id)) = (open, self.id.try_get_value()) else { return };
        let stream = api::competition::follow(&id, move |event| match event {
            Some(event) => self.apply(event),
            None => {
                set_timeout(
                    move || {
                        self.stream.try_update_value(|stream| *stream = None);
                        self.look();
                    },
                    Duration::from_millis(100),
                );
            }
        });
        self.stream.set_value(stream);
    }

    fn apply(self, event: CompetitionEvent) {
        match event {
            CompetitionEvent::Stage { round, stage } => {
                if self.round.try_get_untracked().is_some_and(|known| known != round) {
                    self.course.set(Course::default());
                    self.drawn.set(Vec::new());
                }
                self.round.try_set(round);
                self.stage.try_set(stage);
            }
            CompetitionEvent::Training { event, .. } => {
                self.course.try_update(|course| course.apply(event));
            }
            CompetitionEvent::Picture { round, contestant, file, .. } => {
                let drawn = Drawn { round, contestant, file };
                self.drawn.try_update(|all| {
                    if !all.contains(&drawn) {
                        all.push(drawn);
                    }
                });
            }
            CompetitionEvent::Finished { .. } => {
                self.stage.try_set(CompetitionStage::Finished);
            }
            CompetitionEvent::Scored { .. } | CompetitionEvent::RoundFinished { .. } => {}
        }
    }

    fn job(self) -> Option<JobView> {
        self.view.with(|view| view.as_ref().map(|view| view.job.clone()))
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
}

/// The part.
#[component]
pub fn LivePart(id: CompetitionId) -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let live = Live {
        id: StoredValue::new(id.clone()),
        view: RwSignal::new(None),
        failure: RwSignal::new(None),
        round: RwSignal::new(0),
        stage: RwSignal::new(CompetitionStage::Analyse),
        course: RwSignal::new(Course::default()),
        drawn: RwSignal::default(),
        votes: RwSignal::default(),
        stream: StoredValue::new_local(None),
        looking: StoredValue::new(false),
        due: StoredValue::new(false),
        connection,
    };
    Effect::new(move |_| {
        connection.returns();
        live.look();
    });
    let of_files = id.clone();
    let address: Address = Callback::new(move |path: String| api::competition::file(&of_files, &path));
    let there = Memo::new(move |_| live.view.with(Option::is_some));
    let is_open = Memo::new(move |_| live.job().is_some_and(|job| !job.status.is_final()));
    let reported =
        Memo::new(move |_| live.view.with(|view| view.as_ref().is_some_and(|view| !view.reports.is_empty())));
    let id = StoredValue::new(id);
    view! {
        <div class="sheet sheet-wide">
            {move || {
                live.failure
                    .get()
                    .map(|failure| {
                        view! {
                            <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) retry=move |()| live.look() />
                        }
                    })
            }}
            <Show
                when=move || there.get()
                fallback=move || {
                    live.failure
                        .with(Option::is_none)
                        .then(|| {
                            view! { <p class="loading" role="status">{move || t_string!(i18n, frame.loading)}</p> }
                        })
                }
            >
                <Head live />
                {move || {
                    live.job()
                        .and_then(|job| job.error)
                        .map(|error| view! { <ErrorNotice words=Signal::derive(move || i18n::refusal(i18n, &error)) /> })
                }}
                <Show when=move || is_open.get()>
                    <Now live address />
                </Show>
                <Show when=move || reported.get()>
                    <Outcome live address />
                    <section class="arena-part" aria-labelledby="vote-title">
                        <h2 id="vote-title">{move || t_string!(i18n, arena.vote)}</h2>
                        <p class="sheet-words">{move || t_string!(i18n, arena.vote_about)}</p>
                        <Vote id=id.get_value() votes=live.votes />
                    </section>
                </Show>
                <KeyFeatures live />
            </Show>
        </div>
    }
}

#[component]
fn Head(live: Live) -> impl IntoView {
    let i18n = use_i18n();
    let models = expect_context::<Models>();
    let draft = expect_context::<Draft>();
    let toasts = expect_context::<Toasts>();
    let navigate = use_navigate();
    let name = move || live.view.with(|view| view.as_ref().map(|view| view.name.clone()).unwrap_or_default());
    let is_open = move || live.job().is_some_and(|job| !job.status.is_final());
    let best = Memo::new(move |_| {
        live.view.with(|view| {
            view.as_ref().and_then(|view| view.history.as_ref()).and_then(|history| history.best_round)
        })
    });
    let is_over = move || live.job().is_some_and(|job| job.status == JobStatus::Succeeded);
    let taking = RwSignal::new(false);
    let home = navigate.clone();
    let remove = StoredValue::new(move || {
        let (id, navigate) = (live.id.get_value(), home.clone());
        spawn_local(async move {
            match live.connection.note(api::competition::delete(&id).await) {
                Ok(()) => {
                    toasts.tell(untrack(|| t_string!(i18n, training.removed)));
                    navigate("/arena", NavigateOptions::default());
                }
                Err(refusal) => drop(live.failure.try_set(Some(refusal))),
            }
        });
    });
    let take = StoredValue::new(move || {
        let (Some(round), Some(view)) = (best.get_untracked(), live.view.get_untracked()) else { return };
        taking.set(true);
        let navigate = navigate.clone();
        spawn_local(async move {
            match live.connection.note(api::competition::take_lora(&view.id, round, &view.name).await) {
                Ok(lora) => {
                    models.load();
                    draft.add_lora(lora.id, 1.0);
                    if let Some(prompt) = view.parameters.prompts.first() {
                        draft.prompt.set(prompt.clone());
                    }
                    toasts.tell(untrack(|| t_string!(i18n, training.lora_added)));
                    navigate("/studio?new", NavigateOptions::default());
                }
                Err(refusal) => drop(live.failure.try_set(Some(refusal))),
            }
            taking.try_set(false);
        });
    });
    // The story holds all three languages; the address says which is shown first.
    let report = move || {
        let path = format!("report.html#{}", i18n::code(i18n.get_locale()));
        live.id.with_value(|id| api::competition::file(id, &path))
    };
    let archive = live.id.with_value(api::competition::archive);
    view! {
        <header class="sheet-head desk-head">
            <A href="/arena" attr:class="btn-icon" attr:aria-label=move || t_string!(i18n, arena.all)>
                {icon("left")}
            </A>
            <h1>{name}</h1>
            {move || {
                live.job()
                    .map(|job| badge(i18n, &job, false))
                    .map(|(look, sign, words)| {
                        view! {
                            <span class=look role="status">
                                {icon(sign)} {words}
                            </span>
                        }
                    })
            }}
            <div class="desk-tools">
                <Show when=move || best.get().is_some()>
                    <button
                        type="button"
                        class="btn"
                        class:btn-primary=is_over
                        disabled=move || taking.get()
                        on:click=move |_| take.with_value(|take| take())
                    >
                        {icon("studio")}
                        {move || t_string!(i18n, arena.take_lora)}
                    </button>
                </Show>
                <Show when=is_over>
                    <a class="btn" href=report target="_blank" rel="external noopener">
                        {icon("lesson")}
                        {move || t_string!(i18n, arena.report)}
                    </a>
                </Show>
                <Show when=move || best.get().is_some()>
                    <a class="btn" href=archive.clone() download rel="external">
                        {icon("download")}
                        {move || t_string!(i18n, arena.archive)}
                    </a>
                </Show>
                <Show when=move || !is_open()>
                    <button type="button" class="btn" on:click=move |_| remove.with_value(|remove| remove())>
                        {icon("trash")}
                        {move || t_string!(i18n, training.remove)}
                    </button>
                </Show>
                <Show when=is_open>
                    <button type="button" class="btn" on:click=move |_| live.cancel()>
                        {icon("stop")}
                        {move || t_string!(i18n, training.cancel)}
                    </button>
                </Show>
            </div>
        </header>
        <p class="arena-prompts" lang="en">
            {move || live.view.with(|view| view.as_ref().map(|view| view.parameters.prompts.join(" · ")))}
        </p>
    }
}

/// The round that goes on.
#[component]
fn Now(live: Live, address: Address) -> impl IntoView {
    let i18n = use_i18n();
    let of = Signal::derive(move || {
        live.view.with(|view| view.as_ref().map_or(1, |view| view.parameters.iterations))
    });
    let sampled = Memo::new(move |_| live.course.with(|course| !course.samples.is_empty()));
    // What the training tells lies in the folder of its round.
    let of_training: Address = Callback::new(move |file: String| {
        address.run(format!("rounds/{}/lora/{file}", live.round.get_untracked()))
    });
    let has_course = Memo::new(move |_| live.course.with(|course| !course.steps.is_empty()));
    view! {
        <section class="arena-now" aria-label=move || t_string!(i18n, arena.now)>
            <Stages round=live.round of stage=live.stage />
            <Show when=move || has_course.get() && live.stage.get() == CompetitionStage::Train>
                <div class="arena-curves">
                    <Curves course=live.course />
                </div>
            </Show>
            <Show when=move || sampled.get() && live.stage.get() == CompetitionStage::Train>
                <Samples course=live.course address=of_training side=Signal::stored(128) />
            </Show>
            <Show when=move || live.drawn.with(|drawn| !drawn.is_empty())>
                <ul class="film-row" aria-label=move || t_string!(i18n, arena.drawn)>
                    <For each=move || live.drawn.get() key=|drawn| (drawn.round, drawn.file.clone()) let:drawn>
                        {
                            let contestant = drawn.contestant.clone();
                            view! {
                                <li>
                                    <span class="frame film-frame">
                                        <img src=address.run(drawn.file) alt="" decoding="async" />
                                    </span>
                                    <span class="film-number">{move || called(i18n, &contestant)}</span>
                                </li>
                            }
                        }
                    </For>
                </ul>
            </Show>
        </section>
    }
}

/// What the rounds brought: the chosen one in full, all of them as a chart.
#[component]
fn Outcome(live: Live, address: Address) -> impl IntoView {
    let i18n = use_i18n();
    let reports = Memo::new(move |_| {
        live.view.with(|view| view.as_ref().map(|view| view.reports.clone()).unwrap_or_default())
    });
    let chosen = RwSignal::new(None::<u32>);
    let pick = RwSignal::new(None::<Pick>);
    let report = Memo::new(move |_| {
        let round = chosen.get();
        reports.with(|reports| {
            let found = reports.iter().find(|report| report.round.is_some() && report.round == round);
            found.or(reports.last()).cloned()
        })
    });
    let shown = Memo::new(move |_| {
        report.with(|report| report.as_ref().and_then(|report| report.round).unwrap_or(1))
    });
    let feedback = Memo::new(move |_| {
        let round = shown.get();
        let found = |view: &CompetitionView| view.feedback.iter().find(|one| one.round == round).cloned();
        live.view.with(|view| view.as_ref().and_then(found))
    });
    let rounds =
        move || reports.with(|reports| reports.iter().filter_map(|report| report.round).collect::<Vec<_>>());
    let what = Memo::new(move |_| {
        live.view.with(|view| {
            let history = view.as_ref()?.history.as_ref()?;
            Some((history.prompts.clone(), history.seeds.clone()))
        })
    });
    let table = move |report: ComparisonReport| {
        let (prompts, seeds) = what.get().unwrap_or_default();
        view! { <Bracket report prompts seeds address pick /> }
    };
    let close = Callback::new(move |()| pick.set(None));
    view! {
        <section class="arena-part" aria-labelledby="outcome-title">
            <header class="arena-head">
                <h2 id="outcome-title">{move || t_string!(i18n, arena.who_leads)}</h2>
                <Show when=move || rounds().len() != 1>
                    <div class="arena-rounds" role="group" aria-label=move || t_string!(i18n, arena.rounds)>
                        {move || {
                            rounds()
                                .into_iter()
                                .map(|round| {
                                    view! {
                                        <button
                                            type="button"
                                            class="btn numeric"
                                            aria-pressed=move || (shown.get() == round).to_string()
                                            on:click=move |_| {
                                                pick.set(None);
                                                chosen.set(Some(round));
                                            }
                                        >
                                            {move || t_string!(i18n, arena.round)}
                                            " "
                                            {round}
                                        </button>
                                    }
                                })
                                .collect_view()
                        }}
                    </div>
                </Show>
            </header>
            <div class="arena-columns">
                {move || report.get().map(|report| view! { <div><Scores report votes=live.votes.into() /></div> })}
                <div class="arena-right">
                    {move || report.get().map(table)}
                    {move || {
                        let report = report.get()?;
                        pick.get().map(|pick| view! { <Why report pick address close /> })
                    }}
                </div>
            </div>
        </section>
        {move || feedback.get().map(|feedback: Feedback| view! {
            <section class="arena-part" aria-labelledby="lessons-title">
                <h2 id="lessons-title">{move || t_string!(i18n, arena.what_next)}</h2>
                <Lessons feedback />
            </section>
        })}
        {move || {
            let history = live.view.with(|view| view.as_ref().and_then(|view| view.history.clone()))?;
            Some(view! {
                <section class="arena-part" aria-labelledby="rounds-title">
                    <h2 id="rounds-title">{move || t_string!(i18n, arena.rounds)}</h2>
                    <Rounds history reports=reports.get() />
                </section>
            })
        }}
    }
}

/// What the references show: what everybody is measured by.
#[component]
fn KeyFeatures(live: Live) -> impl IntoView {
    let i18n = use_i18n();
    let keys = Memo::new(move |_| {
        live.view.with(|view| {
            view.as_ref().and_then(|view| view.analysis.as_ref()).map(|found| found.key_features.clone())
        })
    });
    let dataset =
        move || live.view.with(|view| view.as_ref().map(|view| view.dataset.to_string()).unwrap_or_default());
    move || {
        keys.get().map(|keys| {
            view! {
                <section class="arena-part" aria-labelledby="keys-title">
                    <h2 id="keys-title">{move || t_string!(i18n, training.key_features)}</h2>
                    <p class="sheet-words">{move || t_string!(i18n, arena.keys_about)}</p>
                    <ul class="found-keys" lang="en">
                        {keys.into_iter().map(|key| view! { <li class="chip">{key.phrase}</li> }).collect_view()}
                    </ul>
                    <A href=move || format!("/training?dataset={}", dataset()) attr:class="btn">
                        {icon("image")}
                        {move || t_string!(i18n, training.to_dataset)}
                    </A>
                </section>
            }
        })
    }
}
