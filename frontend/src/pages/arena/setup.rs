//! A new competition: which references, what everybody draws, who takes part, how many rounds.

use chapan_api::{
    competition::{CreateCompetition, CreateContestant, is_contestant_name, limits},
    dataset::DatasetView,
    id::{DatasetId, ImageId, ModelId},
    validation::FieldError,
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    components::A,
    hooks::{use_navigate, use_query_map},
};

use crate::{
    api::{self, Failure},
    components::{
        fold::Fold,
        gallery_pick::GalleryPick,
        icon::icon,
        notice::ErrorNotice,
        optional::OptionalNumber,
        slider::{FaultLine, Range, Slider},
        tip::Tip,
    },
    i18n::{self, Words, t_string, use_i18n},
    state::{connection::Connection, models::Models},
};

/// A contestant from elsewhere, as it is typed in.
#[derive(Clone, Copy)]
struct Guest {
    name: RwSignal<String>,
    images: StoredValue<Vec<ImageId>>,
}

/// The form. Numbers are `NaN` where what is usual holds.
#[derive(Clone, Copy)]
struct Form {
    dataset: RwSignal<Option<DatasetId>>,
    name: RwSignal<String>,
    prompts: RwSignal<String>,
    rounds: RwSignal<f64>,
    seeds: RwSignal<f64>,
    gap: RwSignal<f64>,
    seed: RwSignal<f64>,
    steps: RwSignal<f64>,
    guidance: RwSignal<f64>,
    train_steps: RwSignal<f64>,
    rate: RwSignal<f64>,
    rank: RwSignal<f64>,
    loras: RwSignal<Vec<ModelId>>,
    guests: RwSignal<Vec<Guest>>,
}

impl Form {
    /// The request that the form makes. Where a setting of the first round is named, all three are needed: those that are
    /// empty are faults of their own.
    fn request(self, dataset: DatasetId) -> CreateCompetition {
        let number = |field: RwSignal<f64>| Some(field.get()).filter(|value| !value.is_nan());
        let whole = |value: f64| value.round().clamp(0.0, f64::from(u32::MAX)) as u32;
        let settings = [self.train_steps, self.rate, self.rank].map(number);
        let settings = settings.iter().any(Option::is_some).then(|| {
            let [steps, rate, rank] = settings.map(Option::unwrap_or_default);
            chapan_api::competition::RoundSettings {
                max_train_steps: steps.max(0.0).round() as u64,
                learning_rate: rate,
                rank: rank.max(0.0).round() as u64,
                emphasised: Vec::new(),
            }
        });
        let loras = self.loras.get().into_iter().map(|lora| CreateContestant {
            name: guest_name(lora.as_str()),
            lora: Some(lora),
            images: None,
        });
        let guests = self.guests.get().into_iter().map(|guest| CreateContestant {
            name: guest.name.get().trim().to_owned(),
            lora: None,
            images: Some(guest.images.get_value()),
        });
        let prompts = self.prompts.get();
        CreateCompetition {
            dataset,
            name: self.name.get().trim().to_owned(),
            model: None,
            prompts: prompts
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect(),
            seeds: whole(self.seeds.get()),
            seed: number(self.seed).map(|seed| seed.max(0.0) as u64),
            iterations: whole(self.rounds.get()),
            score_gap: self.gap.get(),
            settings,
            weights: None,
            num_inference_steps: number(self.steps).map(whole),
            guidance_scale: number(self.guidance),
            contestants: loras.chain(guests).collect(),
        }
    }
}

/// A name that a contestant may have, from the id of a LoRA.
fn guest_name(id: &str) -> String {
    let plain = |letter: char| {
        if letter.is_alphanumeric() || matches!(letter, '-' | ' ' | '.') { letter } else { '-' }
    };
    let name: String = id.chars().map(plain).take(limits::NAME_CHARS as usize).collect();
    let name = name.trim_matches(|letter: char| letter.is_whitespace() || letter == '.').to_owned();
    if is_contestant_name(&name) { name } else { format!("LoRA {name}").trim().to_owned() }
}

/// The part.
#[component]
pub fn Setup() -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let navigate = use_navigate();
    let query = use_query_map();
    let number = || RwSignal::new(f64::NAN);
    let asked = untrack(|| query.with(|query| (query.get("dataset"), query.get("lora"))));
    let form = Form {
        dataset: RwSignal::new(asked.0.map(DatasetId::new)),
        name: RwSignal::default(),
        prompts: RwSignal::default(),
        rounds: RwSignal::new(3.0),
        seeds: RwSignal::new(6.0),
        gap: RwSignal::new(0.05),
        seed: number(),
        steps: number(),
        guidance: number(),
        train_steps: number(),
        rate: number(),
        rank: number(),
        loras: RwSignal::new(asked.1.into_iter().map(ModelId::new).collect()),
        guests: RwSignal::default(),
    };
    let failure = RwSignal::new(None::<Failure>);
    let starting = RwSignal::new(false);
    let tried = RwSignal::new(false);
    let request = Memo::new(move |_| form.dataset.get().map(|dataset| form.request(dataset)));
    let faults = Memo::new(move |_| {
        request
            .with(|request| request.as_ref().and_then(|request| request.validate().err()).unwrap_or_default())
    });
    // What is empty is not said to be wrong before somebody wants to start.
    let told = Signal::derive(move || if tried.get() { faults.get() } else { Vec::new() });
    let begin = move |_| {
        tried.set(true);
        let Some(asked) = request.get_untracked().filter(|_| faults.with_untracked(Vec::is_empty)) else {
            return;
        };
        starting.set(true);
        failure.set(None);
        let navigate = navigate.clone();
        spawn_local(async move {
            match connection.note(api::competition::create(&asked).await) {
                Ok(job) => {
                    let place = job.competition.map(|id| format!("/arena/{id}"));
                    navigate(place.as_deref().unwrap_or("/arena"), NavigateOptions::default());
                }
                Err(refusal) => drop(failure.try_set(Some(refusal))),
            }
            starting.try_set(false);
        });
    };
    view! {
        <div class="sheet">
            <header class="sheet-head desk-head">
                <A href="/arena" attr:class="btn-icon" attr:aria-label=move || t_string!(i18n, arena.all)>
                    {icon("left")}
                </A>
                <h1>{move || t_string!(i18n, arena.new)}</h1>
            </header>
            <References form />
            <section class="arena-part" aria-labelledby="prompts-title">
                <h2 id="prompts-title" class="desk-step">
                    <span class="desk-number" aria-hidden="true">"2"</span>
                    {move || t_string!(i18n, arena.what_to_draw)}
                </h2>
                <Drawing form faults=told />
            </section>
            <section class="arena-part" aria-labelledby="guests-title">
                <h2 id="guests-title" class="desk-step">
                    <span class="desk-number" aria-hidden="true">"3"</span>
                    {move || t_string!(i18n, arena.contestants)}
                </h2>
                <Contestants form faults=told />
            </section>
            <section class="arena-part" aria-labelledby="how-title">
                <h2 id="how-title" class="desk-step">
                    <span class="desk-number" aria-hidden="true">"4"</span>
                    {move || t_string!(i18n, arena.how_long)}
                </h2>
                <Numbers form faults=told />
            </section>
            {move || {
                failure
                    .get()
                    .map(|failure| view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> })
            }}
            <Show when=move || tried.get() && request.with(Option::is_none)>
                <p class="fault" role="alert">
                    {icon("alert")} <span>{move || t_string!(i18n, arena.needs_references)}</span>
                </p>
            </Show>
            <button
                type="button"
                class="btn btn-primary arena-start"
                disabled=move || starting.get()
                on:click=begin
            >
                {icon("play")}
                {move || t_string!(i18n, arena.start)}
            </button>
        </div>
    }
}

/// The fault of a field, or of one of its parts.
fn fault(faults: Signal<Vec<FieldError>>, field: &'static str) -> Signal<Option<Words>> {
    let i18n = use_i18n();
    Signal::derive(move || {
        faults.with(|faults| {
            let of = |one: &&FieldError| {
                one.field
                    .strip_prefix(field)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
            };
            faults.iter().find(of).map(|found| i18n::fault(i18n, found))
        })
    })
}

/// Which references.
#[component]
fn References(form: Form) -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let list = RwSignal::new(None::<Result<Vec<DatasetView>, Failure>>);
    let load = move || {
        spawn_local(async move {
            let answer = connection.note(api::dataset::list().await);
            list.try_set(Some(answer.map(|page| page.items)));
        });
    };
    Effect::new(move |_| {
        connection.returns();
        load();
    });
    // With references chosen there is a first name and a first prompt.
    Effect::new(move |_| {
        let Some(chosen) = form.dataset.get() else { return };
        let found = list.with(|list| {
            let list = list.as_ref()?.as_ref().ok()?;
            list.iter().find(|one| one.id == chosen).cloned()
        });
        let Some(found) = found else { return };
        if form.name.with_untracked(String::is_empty) {
            form.name.set(found.name.clone());
        }
        if form.prompts.with_untracked(String::is_empty)
            && let Some(word) = found.trigger_word
        {
            form.prompts.set(word);
        }
    });
    let example = move |_| {
        spawn_local(async move {
            match connection.note(api::dataset::create_example("aldar").await) {
                Ok(view) => {
                    form.dataset.try_set(Some(view.id));
                    load();
                }
                Err(refusal) => drop(list.try_set(Some(Err(refusal)))),
            }
        });
    };
    view! {
        <section class="arena-part" aria-labelledby="refs-title">
            <h2 id="refs-title" class="desk-step">
                <span class="desk-number" aria-hidden="true">"1"</span>
                {move || t_string!(i18n, training.references)}
            </h2>
            <p class="sheet-words">{move || t_string!(i18n, arena.references_about)}</p>
            {move || match list.get() {
                None => view! { <p class="loading" role="status">{t_string!(i18n, frame.loading)}</p> }.into_any(),
                Some(Err(failure)) => {
                    view! {
                        <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) retry=move |()| load() />
                    }
                        .into_any()
                }
                Some(Ok(sets)) => {
                    view! {
                        <div class="sets" role="radiogroup" aria-labelledby="refs-title">
                            {sets.into_iter().map(|set| view! { <OneSet form set /> }).collect_view()}
                        </div>
                    }
                        .into_any()
                }
            }}
            <p class="arena-ways">
                <button type="button" class="btn" on:click=example>
                    {icon("star")}
                    {move || t_string!(i18n, training.take_example)}
                </button>
                <A href="/training" attr:class="btn">
                    {icon("upload")}
                    {move || t_string!(i18n, arena.bring_own)}
                </A>
            </p>
        </section>
    }
}

#[component]
fn OneSet(form: Form, set: DatasetView) -> impl IntoView {
    let i18n = use_i18n();
    let held = set.pictures.iter().filter(|picture| picture.held_out).count();
    let count = set.pictures.len() - held;
    let id = StoredValue::new(set.id.clone());
    let is_chosen = move || form.dataset.with(|chosen| id.with_value(|id| chosen.as_ref() == Some(id)));
    view! {
        <label class="set" class:set-chosen=is_chosen>
            <input
                type="radio"
                name="arena-set"
                prop:checked=is_chosen
                on:change=move |_| form.dataset.set(Some(id.get_value()))
            />
            <span class="set-pictures" aria-hidden="true">
                {set
                    .pictures
                    .iter()
                    .take(4)
                    .map(|picture| {
                        view! { <img src=api::image::file(&picture.image) alt="" loading="lazy" decoding="async" /> }
                    })
                    .collect_view()}
            </span>
            <span class="run-name">{set.name}</span>
            <span class="run-facts numeric">
                {move || t_string!(i18n, training.learnt_and_held, learnt = count, held = held)}
            </span>
        </label>
    }
}

/// Its name, and what everybody draws.
#[component]
fn Drawing(form: Form, faults: Signal<Vec<FieldError>>) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="field">
            <div class="field-head">
                <label for="arena-prompts">{move || t_string!(i18n, arena.prompts)}</label>
                <Tip about=|i18n| t_string!(i18n, arena.prompts) words=|i18n| t_string!(i18n, arena.prompts_tip) />
            </div>
            <textarea
                id="arena-prompts"
                class="text"
                rows="3"
                lang="en"
                aria-describedby="arena-prompts-fault"
                prop:value=move || form.prompts.get()
                on:input=move |event| form.prompts.set(event_target_value(&event))
            ></textarea>
            <FaultLine id="arena-prompts" fault=fault(faults, "prompts") />
        </div>
        <div class="field">
            <div class="field-head">
                <label for="arena-name">{move || t_string!(i18n, arena.name)}</label>
            </div>
            <input
                id="arena-name"
                class="text"
                type="text"
                maxlength="80"
                aria-describedby="arena-name-fault"
                prop:value=move || form.name.get()
                on:input=move |event| form.name.set(event_target_value(&event))
            />
            <FaultLine id="arena-name" fault=fault(faults, "name") />
        </div>
    }
}

/// Who takes part.
#[component]
fn Contestants(form: Form, faults: Signal<Vec<FieldError>>) -> impl IntoView {
    let i18n = use_i18n();
    let models = expect_context::<Models>();
    let usable = move || models.loras().into_iter().filter(|lora| lora.fault.is_none()).collect::<Vec<_>>();
    let full = move || form.loras.with(Vec::len) + form.guests.with(Vec::len) >= limits::CONTESTANTS as usize;
    let add = move |images: Vec<ImageId>| {
        let number = form.guests.with_untracked(Vec::len) + 1;
        let name = untrack(|| t_string!(i18n, arena.pictures_name, number = number));
        let guest = Guest { name: RwSignal::new(name), images: StoredValue::new(images) };
        form.guests.update(|guests| guests.push(guest));
    };
    view! {
        <ul class="guests">
            <li class="guest guest-always">
                {icon("models")} <strong>{move || t_string!(i18n, arena.base)}</strong>
                <span>{move || t_string!(i18n, arena.base_about)}</span>
            </li>
            <li class="guest guest-always">
                {icon("training")} <strong>{move || t_string!(i18n, arena.lora)}</strong>
                <span>{move || t_string!(i18n, arena.lora_about)}</span>
            </li>
            {move || {
                usable()
                    .into_iter()
                    .map(|lora| {
                        let id = StoredValue::new(lora.id.clone());
                        let is_in = move || form.loras.with(|loras| id.with_value(|id| loras.contains(id)));
                        view! {
                            <li class="guest">
                                <label>
                                    <input
                                        type="checkbox"
                                        prop:checked=is_in
                                        disabled=move || full() && !is_in()
                                        on:change=move |_| {
                                            form.loras
                                                .update(|loras| {
                                                    id.with_value(|id| match loras.iter().position(|one| one == id) {
                                                        Some(place) => drop(loras.remove(place)),
                                                        None => loras.push(id.clone()),
                                                    });
                                                });
                                        }
                                    />
                                    <span>{lora.title.clone().unwrap_or_else(|| lora.id.to_string())}</span>
                                </label>
                                <span>{move || t_string!(i18n, arena.installed_lora)}</span>
                            </li>
                        }
                    })
                    .collect_view()
            }}
            <For each=move || form.guests.get() key=|guest| guest.name let:guest>
                <li class="guest">
                    {icon("image")}
                    <input
                        class="text guest-name"
                        type="text"
                        maxlength="80"
                        aria-label=move || t_string!(i18n, arena.contestant)
                        prop:value=move || guest.name.get()
                        on:input=move |event| guest.name.set(event_target_value(&event))
                    />
                    <span class="numeric">
                        {move || t_string!(i18n, arena.pictures_count, count = guest.images.with_value(Vec::len))}
                    </span>
                    <button
                        type="button"
                        class="btn-icon"
                        aria-label=move || t_string!(i18n, arena.leave_out, name = guest.name.get())
                        on:click=move |_| form.guests.update(|guests| guests.retain(|one| one.name != guest.name))
                    >
                        {icon("close")}
                    </button>
                </li>
            </For>
        </ul>
        <p class="arena-ways">
            <Show when=move || !full()>
                <GalleryPick take=add />
            </Show>
            <span class="sheet-words">{move || t_string!(i18n, arena.pictures_about)}</span>
        </p>
        <FaultLine id="arena-guests" fault=fault(faults, "contestants") />
    }
}

/// Rounds and seeds in sight, the rest folded away.
#[component]
fn Numbers(form: Form, faults: Signal<Vec<FieldError>>) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="arena-numbers">
            <Slider
                id="arena-rounds"
                label=|i18n| t_string!(i18n, arena.rounds)
                tip=|i18n| t_string!(i18n, arena.rounds_tip)
                value=form.rounds
                range=Range { min: 1.0, max: f64::from(limits::MAX_ITERATIONS), step: 1.0, reset: 3.0 }
                fault=fault(faults, "iterations")
            />
            <Slider
                id="arena-seeds"
                label=|i18n| t_string!(i18n, arena.seeds)
                tip=|i18n| t_string!(i18n, arena.seeds_tip)
                value=form.seeds
                range=Range {
                    min: f64::from(limits::MIN_SEEDS),
                    max: f64::from(limits::MAX_SEEDS),
                    step: 1.0,
                    reset: 6.0,
                }
                fault=fault(faults, "seeds")
            />
        </div>
        <Fold name="arena" title=|i18n| t_string!(i18n, training.more) brief=Signal::derive(move || {
            t_string!(i18n, training.all_usual).to_owned()
        })>
            <div class="arena-more">
                <Slider
                    id="arena-gap"
                    label=|i18n| t_string!(i18n, arena.gap)
                    tip=|i18n| t_string!(i18n, arena.gap_tip)
                    value=form.gap
                    range=Range { min: -0.5, max: 0.5, step: 0.01, reset: 0.05 }
                    fault=fault(faults, "score_gap")
                />
                <OptionalNumber
                    id="arena-train-steps"
                    label=|i18n| t_string!(i18n, arena.train_steps)
                    tip=|i18n| t_string!(i18n, training.steps_tip)
                    value=form.train_steps
                    fault=fault(faults, "settings.max_train_steps")
                />
                <OptionalNumber
                    id="arena-rate"
                    label=|i18n| t_string!(i18n, training.rate)
                    tip=|i18n| t_string!(i18n, training.rate_tip)
                    value=form.rate
                    fault=fault(faults, "settings.learning_rate")
                />
                <OptionalNumber
                    id="arena-rank"
                    label=|i18n| t_string!(i18n, training.rank)
                    tip=|i18n| t_string!(i18n, training.rank_tip)
                    value=form.rank
                    fault=fault(faults, "settings.rank")
                />
                <OptionalNumber
                    id="arena-steps"
                    label=|i18n| t_string!(i18n, studio.steps)
                    tip=|i18n| t_string!(i18n, arena.steps_tip)
                    value=form.steps
                    fault=fault(faults, "num_inference_steps")
                />
                <OptionalNumber
                    id="arena-guidance"
                    label=|i18n| t_string!(i18n, studio.guidance)
                    tip=|i18n| t_string!(i18n, studio.guidance_tip)
                    value=form.guidance
                    fault=fault(faults, "guidance_scale")
                />
                <OptionalNumber
                    id="arena-seed"
                    label=|i18n| t_string!(i18n, studio.seed)
                    tip=|i18n| t_string!(i18n, arena.seed_tip)
                    value=form.seed
                    fault=fault(faults, "seed")
                />
            </div>
        </Fold>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lora_takes_part_under_a_name_that_is_allowed() {
        for (id, name) in [
            ("aldar", "aldar"),
            ("my_lora/2", "my-lora-2"),
            ("base", "LoRA base"),
            ("round-3", "LoRA round-3"),
        ] {
            assert_eq!(guest_name(id), name);
            assert!(is_contestant_name(&guest_name(id)), "{id}");
        }
    }
}
