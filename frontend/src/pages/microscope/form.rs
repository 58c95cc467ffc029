//! What is drawn under the microscope, where, and whether something is drawn beside it.

use chapan_api::{generation::CreateGeneration, id::ModelId, image::ImageView};
use leptos::{ev::SubmitEvent, prelude::*, task::spawn_local};

use super::{Bench, left::only_on_server, place::Kept, run::Run};
use crate::{
    components::{
        dropped::dropped_on,
        icon::icon,
        notice::ErrorNotice,
        segments::{Segment, Segments},
        slider::{FaultLine, Number, Range},
    },
    i18n::{self, Says, Words, t_string, use_i18n},
    state::{jobs::Jobs, models::Models, toast::Toasts},
    worker::{self, messages::Drawing},
};

/// How the second run differs from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// There is none.
    None,
    /// Another seed.
    Seed,
    /// Another guidance.
    Guidance,
}

const SECONDS: [(Second, &str, Says); 3] = [
    (Second::None, "none", |i18n| t_string!(i18n, microscope.alone)),
    (Second::Seed, "seed", |i18n| t_string!(i18n, microscope.other_seed)),
    (Second::Guidance, "guidance", |i18n| t_string!(i18n, microscope.other_guidance)),
];
const STEPS: Range = Range { min: 1.0, max: 50.0, step: 1.0, reset: 20.0 };
const GUIDANCE: Range = Range { min: 0.0, max: 15.0, step: 0.5, reset: 5.0 };
/// Larger models do not fit through a browser.
const SMALL_BYTES: u64 = 64 << 20;

/// The settings, the button, and how far the browser's model is.
#[component]
pub fn Form(bench: Bench) -> impl IntoView {
    let i18n = use_i18n();
    let models = expect_context::<Models>();
    let draft = bench.draft;
    let jobs = expect_context::<Jobs>();
    let attempted = RwSignal::new(false);
    // The browser draws with the first model that is small enough for it.
    let model = Memo::new(move |before: Option<&Option<String>>| {
        let small = models.known().into_iter().find(|model| model.size_bytes <= SMALL_BYTES);
        small.map(|model| model.id.to_string()).or_else(|| before.cloned().flatten())
    });
    Effect::new(move |_| {
        if let Some(model) = model.get()
            && !bench.on_server.get()
            && bench.place.kept.with_untracked(|kept| *kept == Kept::Unknown)
        {
            bench.place.prepare(model);
        }
    });
    let fault = move |field: &'static str| {
        Signal::derive(move || -> Option<Words> {
            let found = draft.faults(true).into_iter().find(|fault| fault.field == field)?;
            (attempted.get() || field != "prompt").then(|| i18n::fault(i18n, &found))
        })
    };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        attempted.set(true);
        let place = if bench.on_server.get_untracked() {
            untrack(move || models.chosen(&draft.model.get())).map(|model| model.id.to_string())
        } else {
            model.get_untracked()
        };
        let Some(model) = place else { return };
        if untrack(move || draft.faults(true).is_empty()) {
            start(bench, jobs, model);
        }
    };
    let toasts = expect_context::<Toasts>();
    let take = dropped_on(move |view: ImageView| {
        if !bench.take(&view) {
            toasts.warn(untrack(|| t_string!(i18n, studio.says_nothing).to_owned()));
        }
    });
    view! {
        <form
            class="lesson-knobs scope-form"
            novalidate
            aria-label=move || t_string!(i18n, microscope.settings)
            on:submit=submit
            on:dragover=move |event| event.prevent_default()
            on:drop=take
        >
            <div class="scope-place">
                <Segments
                    name="scope-place"
                    label=|i18n| t_string!(i18n, microscope.place)
                    segments=vec![
                        Segment { icon: None, key: None, label: |i18n| t_string!(i18n, microscope.on_server) },
                        Segment { icon: None, key: None, label: |i18n| t_string!(i18n, microscope.in_browser) },
                    ]
                    value=Signal::derive(move || usize::from(!bench.on_server.get()))
                    choose=move |place: usize| bench.on_server.set(place == 0)
                />
            </div>
            <div class="field lesson-prompt">
                <label for="scope-prompt">{move || t_string!(i18n, studio.prompt)}</label>
                <textarea
                    id="scope-prompt"
                    class="text"
                    rows="1"
                    aria-describedby="scope-prompt-fault"
                    prop:value=move || draft.prompt.get()
                    on:input=move |event| draft.prompt.set(event_target_value(&event))
                ></textarea>
                <FaultLine id="scope-prompt" fault=fault("prompt") />
            </div>
            <SeedInput id="scope-seed" label=|i18n| t_string!(i18n, studio.seed) value=draft.seed fault=fault("seed") />
            <NumberField id="scope-steps" label=|i18n| t_string!(i18n, studio.steps) value=draft.steps range=STEPS fault=fault("num_inference_steps") />
            <NumberField id="scope-guidance" label=|i18n| t_string!(i18n, studio.guidance) value=draft.guidance range=GUIDANCE fault=fault("guidance_scale") />
            <div class="field scope-second">
                <label for="scope-second">{move || t_string!(i18n, microscope.second)}</label>
                <select
                    id="scope-second"
                    class="select"
                    on:change=move |event| {
                        let chosen = event_target_value(&event);
                        let known = SECONDS.iter().find(|(_, name, _)| *name == chosen);
                        bench.second.set(known.map_or(Second::None, |(second, ..)| *second));
                        suggest(bench);
                    }
                >
                    {SECONDS
                        .map(|(second, name, says)| {
                            view! {
                                <option value=name selected=move || bench.second.get() == second>
                                    {move || says(i18n)}
                                </option>
                            }
                        })
                        .collect_view()}
                </select>
            </div>
            {move || match bench.second.get() {
                Second::None => ().into_any(),
                Second::Seed => {
                    view! {
                        <SeedInput
                            id="scope-second-seed"
                            label=|i18n| t_string!(i18n, lesson.second_seed)
                            value=bench.second_seed
                            fault=Signal::stored(None)
                        />
                    }
                        .into_any()
                }
                Second::Guidance => {
                    view! {
                        <NumberField
                            id="scope-second-guidance"
                            label=|i18n| t_string!(i18n, microscope.second_guidance)
                            value=bench.second_guidance
                            range=GUIDANCE
                            fault=Signal::stored(None)
                        />
                    }
                        .into_any()
                }
            }}
            <Show
                when=move || bench.is_active()
                fallback=move || {
                    view! {
                        <button
                            type="submit"
                            class="btn btn-primary"
                            disabled=move || !bench.on_server.get() && model.with(Option::is_none)
                        >
                            {icon("microscope")}
                            {move || t_string!(i18n, microscope.draw)}
                        </button>
                    }
                }
            >
                <button type="button" class="btn scope-stop" on:click=move |_| stop(bench, jobs)>
                    {icon("stop")}
                    {move || t_string!(i18n, studio.cancel)}
                </button>
            </Show>
            <Show when=move || !bench.on_server.get()>
                <Engine bench model />
            </Show>
            <LeftOut bench />
        </form>
    }
}

/// Stops what is drawn, wherever that is.
fn stop(bench: Bench, jobs: Jobs) {
    if !bench.on_server.get_untracked() {
        worker::easel().stop();
        return;
    }
    for run in bench.runs {
        if let Some(id) = run.job.get_untracked() {
            spawn_local(async move {
                // The job's own end says what came of it.
                let _ = jobs.cancel(&id).await;
            });
        }
    }
}

/// Draws the second run on the server, once the first is done.
pub fn draw_second(bench: Bench, jobs: Jobs) {
    let [_, two] = bench.runs;
    if let Some(drawing) = two.drawing.get_untracked() {
        two.draw_on_server(jobs, untrack(move || request(bench, &drawing)));
    }
}

/// The request that makes a drawing.
fn request(bench: Bench, drawing: &Drawing) -> CreateGeneration {
    CreateGeneration {
        model: Some(ModelId::new(&drawing.model)),
        seed: Some(drawing.seed),
        guidance_scale: drawing.guidance_scale,
        ..bench.draft.request(None)
    }
}

/// Draws the first run, then the second if there is one.
fn start(bench: Bench, jobs: Jobs, model: String) {
    let first = untrack(move || drawing(bench, model));
    let [one, two] = bench.runs;
    let second = match bench.second.get_untracked() {
        Second::None => None,
        Second::Seed => bench
            .second_seed
            .get_untracked()
            .trim()
            .parse()
            .ok()
            .map(|seed| Drawing { seed, ..first.clone() }),
        Second::Guidance => {
            let guidance_scale = bench.second_guidance.get_untracked();
            guidance_scale.is_finite().then(|| Drawing { guidance_scale, ..first.clone() })
        }
    };
    bench.at.set(0);
    one.announce(&first);
    two.clear();
    if let Some(second) = &second {
        two.announce(second);
    }
    if bench.on_server.get_untracked() {
        one.draw_on_server(jobs, untrack(move || request(bench, &first)));
        return;
    }
    let at: Signal<usize> = bench.at.into();
    let decode = move |run: Run| run.decode_steps(at);
    let has_second = second.is_some();
    one.draw(move || {
        if has_second {
            two.draw(move || {
                decode(one);
                decode(two);
            });
        } else {
            decode(one);
        }
    });
}

fn drawing(bench: Bench, model: String) -> Drawing {
    let request = bench.draft.request(None);
    Drawing {
        model,
        prompt: request.prompt,
        negative_prompt: request.negative_prompt,
        seed: request.seed.unwrap_or_default(),
        num_inference_steps: request.num_inference_steps,
        guidance_scale: request.guidance_scale,
        width: request.width,
        height: request.height,
        scheduler: request.scheduler,
    }
}

/// A second value to begin with: the next seed, or no guidance.
fn suggest(bench: Bench) {
    let seed: u64 = bench.draft.seed.get_untracked().trim().parse().unwrap_or_default();
    bench.second_seed.set((seed + 1).to_string());
    let guided = bench.draft.guidance.get_untracked() > 1.0;
    bench.second_guidance.set(if guided { 1.0 } else { GUIDANCE.reset });
}

#[component]
fn SeedInput(
    id: &'static str,
    label: Says,
    value: RwSignal<String>,
    fault: Signal<Option<Words>>,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="field lesson-seed">
            <label for=id>{move || label(i18n)}</label>
            <input
                id=id
                class="text mono"
                type="text"
                inputmode="numeric"
                autocomplete="off"
                aria-describedby=format!("{id}-fault")
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
            <FaultLine id fault />
        </div>
    }
}

#[component]
fn NumberField(
    id: &'static str,
    label: Says,
    value: RwSignal<f64>,
    range: Range,
    fault: Signal<Option<Words>>,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="field scope-number">
            <label for=id>{move || label(i18n)}</label>
            <Number id label value range fault />
            <FaultLine id fault />
        </div>
    }
}

/// What the settings hold that is not drawn here.
#[component]
fn LeftOut(bench: Bench) -> impl IntoView {
    let i18n = use_i18n();
    move || {
        let mut left = bench.left.get();
        if !bench.on_server.get() {
            left.extend(only_on_server(&bench.draft.request(None)));
        }
        (!left.is_empty()).then(|| {
            let what: Vec<&str> = left.iter().map(|left| left.says(i18n)).collect();
            let words = t_string!(i18n, microscope.left_out, what = what.join(", "));
            view! { <p class="inspector-note" role="status">{icon("info")} {words}</p> }
        })
    }
}

/// Where it is drawn, and whether the server is still needed for it.
#[component]
fn Engine(bench: Bench, model: Memo<Option<String>>) -> impl IntoView {
    let i18n = use_i18n();
    let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    view! {
        <div class="scope-engine" role="status">
            {move || match bench.place.kept.get() {
                Kept::Unknown if model.with(Option::is_none) => {
                    view! { <p>{t_string!(i18n, microscope.no_model)}</p> }.into_any()
                }
                Kept::Unknown => ().into_any(),
                Kept::Fetching(done, total) => {
                    let words = t_string!(
                        i18n, microscope.fetching, done = megabytes(done), total = megabytes(total)
                    );
                    let part = format!("{:.1}%", done as f64 * 100.0 / (total.max(1)) as f64);
                    view! {
                        <p class="numeric">{icon("download")} {words.clone()}</p>
                        <div class="progress" aria-hidden="true">
                            <div class="progress-done" style=("--done", part)></div>
                        </div>
                    }
                        .into_any()
                }
                Kept::Ready(facts) => {
                    let count = format!("{:.1}", facts.parameters.iter().sum::<u64>() as f64 / 1e6);
                    let words = t_string!(i18n, microscope.ready, count = count);
                    view! { <p class="scope-ready numeric">{icon("chip")} {words.clone()}</p> }.into_any()
                }
                Kept::Failed(failure) => {
                    view! {
                        <ErrorNotice
                            words=Signal::derive(move || i18n::failure(i18n, &failure))
                            retry=move |()| {
                                if let Some(model) = model.get_untracked() {
                                    bench.place.prepare(model);
                                }
                            }
                        />
                    }
                        .into_any()
                }
            }}
        </div>
    }
}
