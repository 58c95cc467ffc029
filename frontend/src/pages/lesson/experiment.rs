//! Two pictures side by side, made on demand and compared as soon as both are there. Their jobs are in the address, so
//! a reload loses nothing.

use chapan_api::{
    generation::CreateGeneration,
    id::JobId,
    image::ImageView,
    job::JobStatus,
    lesson::{Check, Step},
    upscale::CreateUpscale,
    validation::{FieldError, Rule},
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};

use super::{fitting, knobs::knob, verdict::Verdict};
use crate::{
    api::Failure,
    components::{
        icon::icon,
        mask_editor::MaskEditor,
        notice::ErrorNotice,
        picture::Mat,
        progress::{self, ProgressLine},
        prompt_check::{Checked, PromptCheck},
    },
    i18n::{self, Says, t_string, use_i18n},
    state::{
        draft::{Draft, Kind},
        jobs::{Job, Jobs},
        mask::MaskDraft,
        models::Models,
        pictures::Pictures,
    },
    worker::messages::Feature,
};

/// How the second picture comes about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Second {
    /// Beside the first, with one field of its own, or none.
    Beside,
    /// From the first, by strength.
    From,
    /// From the first, under a mask.
    Under,
    /// The first, enlarged so many times.
    Larger(u32),
}

impl Second {
    fn of(check: &Check) -> Self {
        match check {
            Check::Kept { .. } => Self::From,
            Check::Repainted { .. } => Self::Under,
            Check::Enlarged { scale, .. } => Self::Larger(*scale),
            _ => Self::Beside,
        }
    }
}

/// The field that the two pictures do not share.
fn varied(check: &Check) -> Option<String> {
    match check {
        Check::DifferentSeed { .. } => Some("seed".to_owned()),
        Check::Different { field, .. } | Check::Similar { field, .. } => Some(field.clone()),
        _ => None,
    }
}

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
    let pictures = expect_context::<Pictures>();
    // What was painted in the studio is no answer to the task of a step.
    let masks = MaskDraft::provide_blank();
    let models = expect_context::<Models>();
    let navigate = use_navigate();
    let query = use_query_map();
    let way = Second::of(&step.check);
    let field = varied(&step.check);
    let first = Draft::new(&step.start, true);
    let second = Draft::new(step.second.as_ref().unwrap_or(&step.start), true);
    if step.second.is_none() && field.as_deref() == Some("seed") {
        second.seed.set((step.start.seed.unwrap_or_default() + 1).to_string());
    }
    if let Some(lora) = step.needs.and_then(|need| models.with_loras(|loras| fitting(need, loras).cloned())) {
        // Both know the word that calls it; only the second has it.
        if let Some(word) = lora.trigger_words.first() {
            first.prompt.update(|prompt| *prompt = format!("{word}, {prompt}"));
        }
        second.add_lora(lora.id, 1.0);
    }
    let wanted: Vec<Feature> = (step.wanted.iter())
        .map(|wanted| Feature { group: wanted.group.clone(), value: wanted.value.clone() })
        .collect();
    let model =
        Signal::derive(move || models.known().first().map(|model| model.id.to_string()).unwrap_or_default());
    let checked = Checked {
        prompt: first.prompt,
        negative_prompt: first.negative_prompt,
        model,
        weighting: first.weighting,
    };
    let asks_prompt = step.knobs.iter().any(|knob| knob == "prompt");
    let ids = ["first", "second"]
        .map(|name| Memo::new(move |_| query.with(|query| query.get(name).map(JobId::new))));
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let attempted = RwSignal::new(false);
    let place = StoredValue::new(format!("/lesson/{}", step.id));
    // Both pictures share all but the field of the step.
    let beside = {
        let field = field.clone();
        move || {
            let (mut request, own) = (first.request(None), second.request(None));
            match field.as_deref() {
                Some("prompt") => request.prompt = own.prompt,
                Some("seed") => request.seed = own.seed,
                Some("num_inference_steps") => request.num_inference_steps = own.num_inference_steps,
                Some("guidance_scale") => request.guidance_scale = own.guidance_scale,
                Some("loras") => request.loras = own.loras,
                _ => {}
            }
            request
        }
    };
    let beside = StoredValue::new(beside);
    let other_faults = move || beside.with_value(|beside| beside()).validate().err().unwrap_or_default();
    // The picture of the first job, once it is there.
    let drawn = Memo::new(move |_| {
        let job = jobs.find(&ids[0].get()?)?;
        pictures.find(&job.state.with(|state| state.view.image.clone())?)
    });
    let submit = Callback::new(move |works: Work| {
        let navigate = navigate.clone();
        sending.set(true);
        failure.set(None);
        spawn_local(async move {
            let made = async {
                let query = match works {
                    Work::Both(a, b) => {
                        let (a, b) = (jobs.submit(*a).await?, jobs.submit(*b).await?);
                        format!("first={}&second={}", a.id, b.id)
                    }
                    Work::First(a) => format!("first={}", jobs.submit(*a).await?.id),
                    Work::Then(first, mut b, masked) => {
                        if masked {
                            b.mask_image = masks.sent().await?;
                        }
                        format!("first={first}&second={}", jobs.submit(*b).await?.id)
                    }
                    Work::Enlarge(first, larger) => {
                        format!("first={first}&second={}", jobs.submit_upscale(&larger).await?.id)
                    }
                };
                Ok(query)
            };
            match made.await {
                Ok(query) => {
                    let options = NavigateOptions { scroll: false, ..Default::default() };
                    navigate(&format!("{}?{query}", place.get_value()), options);
                }
                Err(refusal) => {
                    failure.try_set(Some(refusal));
                }
            }
            sending.try_set(false);
        });
    });
    let draw = Callback::new(move |()| {
        attempted.set(true);
        if untrack(|| !first.faults(true).is_empty()) {
            return;
        }
        let request = Box::new(untrack(|| first.request(None)));
        if way != Second::Beside {
            submit.run(Work::First(request));
        } else if untrack(other_faults).is_empty() {
            submit.run(Work::Both(request, Box::new(untrack(|| beside.with_value(|beside| beside())))));
        }
    });
    let go_on = Callback::new(move |()| {
        let (Some(image), Some(first)) = (drawn.get_untracked(), ids[0].get_untracked()) else { return };
        if let Second::Larger(scale) = way {
            submit.run(Work::Enlarge(
                first,
                CreateUpscale { image: image.id, scale: scale.into(), model: None },
            ));
            return;
        }
        second.image.set(Some(image.id));
        second.kind.set(if way == Second::Under { Kind::Mask } else { Kind::Picture });
        attempted.set(true);
        if untrack(|| second.faults(masks.picture().is_some())).is_empty() {
            submit.run(Work::Then(first, Box::new(untrack(|| second.request(None))), way == Second::Under));
        }
    });
    let told = move |found: Option<FieldError>| {
        found
            .filter(|found| attempted.get() || found.rule != Rule::Required)
            .map(|found| i18n::fault(i18n, &found))
    };
    let fault_of = move |field: String| {
        Signal::derive(move || told(first.faults(true).into_iter().find(|fault| fault.field == field)))
    };
    let fault_of_other = move |field: String| {
        Signal::derive(move || {
            let faults = if way == Second::Beside {
                other_faults()
            } else {
                second.request(None).validate().err().unwrap_or_default()
            };
            told(faults.into_iter().find(|fault| fault.field == field))
        })
    };
    let own_knob = move |name: &str, which: Option<Says>| {
        knob(name, first, format!("knob-{name}"), which, fault_of(name.to_owned()))
    };
    let other = move |name: &str, which: Option<Says>| {
        knob(name, second, format!("knob-{name}-2"), which, fault_of_other(name.to_owned()))
    };
    let own = field.clone();
    let shared: Vec<AnyView> = step
        .knobs
        .iter()
        .filter(|name| {
            Some(*name) != field.as_ref() && !["strength", "mask", "loras"].contains(&name.as_str())
        })
        .map(|name| own_knob(name, None))
        .collect();
    let two: Vec<AnyView> = own
        .iter()
        .flat_map(|name| {
            if name == "loras" {
                return vec![other(name, None)];
            }
            let which: [Says; 2] =
                [|i18n| t_string!(i18n, lesson.first), |i18n| t_string!(i18n, lesson.second)];
            vec![own_knob(name, Some(which[0])), other(name, Some(which[1]))]
        })
        .collect();
    let then: Vec<AnyView> = match way {
        Second::Beside | Second::Larger(_) => Vec::new(),
        Second::From => vec![other("prompt", None), other("strength", None)],
        Second::Under => vec![other("prompt", None), view! { <MaskKnob drawn attempted /> }.into_any()],
    };
    let draw_words = move || match way {
        Second::Beside if own.is_none() => t_string!(i18n, lesson.draw_twice),
        Second::Beside => t_string!(i18n, lesson.draw_both),
        _ => t_string!(i18n, lesson.draw_first),
    };
    let then_words = move || match way {
        Second::Larger(scale) => t_string!(i18n, lesson.enlarge, scale = scale),
        Second::Under => t_string!(i18n, lesson.repaint).to_owned(),
        _ => t_string!(i18n, lesson.change_it).to_owned(),
    };
    let finished = step.id.clone();
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
            {shared}
            {two}
            {asks_prompt.then(|| view! { <PromptCheck checked wanted /> })}
            <button
                type="submit"
                class="btn"
                class:btn-primary=move || way == Second::Beside || drawn.with(Option::is_none)
                disabled=move || sending.get()
            >
                {draw_words}
            </button>
        </form>
        {(way != Second::Beside)
            .then(|| {
                view! {
                    <form
                        class="lesson-knobs"
                        novalidate
                        aria-label=then_words
                        on:submit=move |event| {
                            event.prevent_default();
                            go_on.run(());
                        }
                    >
                        {then}
                        <button
                            type="submit"
                            class="btn"
                            class:btn-primary=move || drawn.with(Option::is_some)
                            disabled=move || sending.get() || drawn.with(Option::is_none)
                        >
                            {then_words}
                        </button>
                    </form>
                }
            })}
        {move || {
            failure
                .get()
                .map(|failure| view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> })
        }}
        <div class="pair">
            <Half id=ids[0] label=|i18n| t_string!(i18n, lesson.first) />
            <Half id=ids[1] label=|i18n| t_string!(i18n, lesson.second) />
        </div>
        <Verdict ids check=step.check next passed=move || finish.run(finished.clone()) />
    }
}

/// What is to be drawn.
enum Work {
    /// Two pictures side by side.
    Both(Box<CreateGeneration>, Box<CreateGeneration>),
    /// The first one.
    First(Box<CreateGeneration>),
    /// After the first, the one that begins from it; with the mask or without.
    Then(JobId, Box<CreateGeneration>, bool),
    /// After the first, its larger copy.
    Enlarge(JobId, CreateUpscale),
}

/// The way to the mask over the first picture.
#[component]
fn MaskKnob(drawn: Memo<Option<ImageView>>, attempted: RwSignal<bool>) -> impl IntoView {
    let i18n = use_i18n();
    let masks = expect_context::<MaskDraft>();
    let open = RwSignal::new(false);
    let painted = move || masks.picture().is_some();
    view! {
        <div class="field lesson-mask">
            <button
                type="button"
                class="btn"
                id="lesson-mask"
                disabled=move || drawn.with(Option::is_none)
                on:click=move |_| open.set(true)
            >
                {icon("mask")}
                {move || if painted() { t_string!(i18n, studio.edit_mask) } else { t_string!(i18n, studio.paint_mask) }}
            </button>
            <Show when=move || attempted.get() && drawn.with(Option::is_some) && !painted()>
                <p class="fault" role="alert">{icon("alert")} <span>{move || t_string!(i18n, mask.nothing)}</span></p>
            </Show>
        </div>
        {move || {
            drawn
                .get()
                .filter(|_| open.get())
                .map(|view| {
                    let size = (view.width, view.height);
                    view! { <MaskEditor src=view.url size close=Callback::new(move |()| open.set(false)) /> }
                })
        }}
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
