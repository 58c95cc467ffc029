//! A lesson: one idea, one task, and a check that the browser makes itself. The texts are data under `assets/lessons`.

mod experiment;
mod knobs;
mod measure;
mod verdict;

use std::collections::BTreeSet;

use chapan_api::{
    lesson::{Lesson, Need, Step},
    model::LoraView,
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{components::A, hooks::use_params_map};

use crate::{
    api::{self, Failure},
    components::{icon::icon, notice::ErrorNotice},
    i18n::{self, pick, t_string, use_i18n},
    state::{connection::Connection, models::Models},
};
use experiment::Experiment;

/// The lesson that the room opens with; its files lie in `assets/lessons`.
const LESSON: &str = "generation";

/// The page.
#[component]
pub fn LessonPage() -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let models = expect_context::<Models>();
    let loras = Memo::new(move |_| models.loras());
    let params = use_params_map();
    let wanted = Memo::new(move |_| params.with(|params| params.get("step")));
    let lesson = LocalResource::new(move || {
        connection.returns();
        async move { connection.note(api::lesson::get(LESSON).await) }
    });
    Effect::new(move |_| document().set_title(&format!("{} · Chapan", t_string!(i18n, frame.lesson))));
    view! {
        <div class="sheet">
            {move || match lesson.get() {
                None => {
                    view! { <div class="loading" role="status">{t_string!(i18n, frame.loading)}</div> }.into_any()
                }
                Some(Err(failure)) => failed(failure),
                Some(Ok(mut lesson)) => {
                    // A step about a LoRA makes sense where one is installed.
                    loras.with(|loras| lesson.steps.retain(|step| step.needs.is_none_or(|need| fitting(need, loras).is_some())));
                    view! { <Reader lesson wanted /> }.into_any()
                }
            }}
        </div>
    }
}

/// The installed LoRA that a step is about, by what it is called.
fn fitting(need: Need, loras: &[LoraView]) -> Option<&LoraView> {
    let word = match need {
        Need::LoraStyle => "style",
        Need::LoraCharacter => "character",
    };
    loras.iter().find(|lora| lora.id.as_str().contains(word))
}

fn failed(failure: Failure) -> AnyView {
    let i18n = use_i18n();
    view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> }.into_any()
}

#[component]
fn Reader(lesson: Lesson, wanted: Memo<Option<String>>) -> impl IntoView {
    let i18n = use_i18n();
    let steps = lesson.steps.clone();
    let here = Memo::new(move |_| {
        let wanted = wanted.get();
        steps.iter().position(|step| Some(&step.id) == wanted.as_ref()).unwrap_or(0)
    });
    let done = RwSignal::new(BTreeSet::<String>::new());
    spawn_local(async move {
        if let Ok(progress) = api::lesson::progress(LESSON).await {
            done.try_update(|done| done.extend(progress.done.into_keys()));
        }
    });
    let finish = Callback::new(move |step: String| {
        if done.with_untracked(|done| done.contains(&step)) {
            return;
        }
        done.update(|done| {
            done.insert(step.clone());
        });
        spawn_local(async move {
            // The mark is on the page already; the next visit tries again if it was not kept.
            let _ = api::lesson::finish_step(LESSON, &step).await;
        });
    });
    let (title, summary) = (lesson.title.clone(), lesson.summary.clone());
    let links = lesson.steps.clone();
    view! {
        <header class="lesson-head">
            <p class="lesson-title">{move || pick(i18n, &title)}</p>
            <p class="lesson-summary">{move || pick(i18n, &summary)}</p>
            <nav aria-label=move || t_string!(i18n, lesson.steps)>
                <ol class="lesson-steps">
                    {links
                        .into_iter()
                        .enumerate()
                        .map(|(index, step)| {
                            let id = step.id.clone();
                            let is_done = Memo::new(move |_| done.with(|done| done.contains(&id)));
                            view! {
                                <li>
                                    <A
                                        href=format!("/lesson/{}", step.id)
                                        attr:class="lesson-step"
                                        attr:aria-current=move || (here.get() == index).then_some("step")
                                    >
                                        <span class="lesson-number numeric" aria-hidden="true">
                                            {move || {
                                                if is_done.get() { icon("check") } else { (index + 1).into_any() }
                                            }}
                                        </span>
                                        {move || pick(i18n, &step.title)}
                                        <Show when=move || is_done.get()>
                                            <span class="spoken">{move || t_string!(i18n, lesson.step_done)}</span>
                                        </Show>
                                    </A>
                                </li>
                            }
                        })
                        .collect_view()}
                </ol>
            </nav>
        </header>
        {move || {
            let index = here.get();
            lesson
                .steps
                .get(index)
                .cloned()
                .map(|step| {
                    let next = lesson.steps.get(index + 1).cloned();
                    view! { <StepOnStage step next finish /> }
                })
        }}
    }
}

#[component]
fn StepOnStage(step: Step, next: Option<Step>, finish: Callback<String>) -> impl IntoView {
    let i18n = use_i18n();
    let (title, idea, task) = (step.title.clone(), step.idea.clone(), step.task.clone());
    view! {
        <article class="lesson">
            <div class="lesson-words">
                <h1>{move || pick(i18n, &title)}</h1>
                <p>{move || pick(i18n, &idea)}</p>
                <p class="lesson-task">{move || pick(i18n, &task)}</p>
            </div>
            <Experiment step next finish />
        </article>
    }
}

#[cfg(test)]
mod tests {
    use chapan_api::id::ImageId;

    use super::*;

    #[test]
    fn every_lesson_file_is_whole() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/lessons");
        let mut seen = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let lesson: Lesson = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(path.file_stem().unwrap().to_str(), Some(lesson.id.as_str()));
            assert!(!lesson.steps.is_empty());
            let mut ids = BTreeSet::new();
            let mut texts = vec![&lesson.title, &lesson.summary];
            for step in &lesson.steps {
                texts.extend([&step.title, &step.idea, &step.task]);
                assert_eq!(step.start.validate(), Ok(()), "{}", step.id);
                if let Some(mut second) = step.second.clone() {
                    // The picture and the mask are the student's.
                    second.image = second.strength.map(|_| ImageId::new("first"));
                    second.mask_image = second.mask_blur.map(|_| ImageId::new("mask"));
                    assert_eq!(second.validate(), Ok(()), "{}", step.id);
                }
                assert!(step.start.seed.is_some(), "{} begins with a seed", step.id);
                let names = serde_json::to_value(&step.start).unwrap();
                for knob in
                    step.knobs.iter().filter(|knob| !["mask", "strength", "loras"].contains(&knob.as_str()))
                {
                    assert!(names.get(knob).is_some(), "{} has no field `{knob}`", step.id);
                }
                assert!(ids.insert(step.id.clone()), "two steps are called {}", step.id);
            }
            for text in texts {
                for words in [&text.en, &text.ru, &text.kk] {
                    assert!(!words.trim().is_empty(), "a text of {} is empty in one language", lesson.id);
                }
                assert_ne!(text.en, text.ru);
                assert_ne!(text.ru, text.kk);
            }
            seen.push(lesson.id);
        }
        assert!(seen.iter().any(|id| id == LESSON));
    }
}
