//! Pictures on the way: the same prompt and seed after more and more steps, as a film that grows.

use leptos::{html, prelude::*};

use crate::{
    components::{
        compare::{Side, Slide},
        picture::{Mat, PixelToggle},
    },
    i18n::{t_string, use_i18n},
    state::course::{Course, Sample},
};

/// Where the file of a sample lies.
pub type Address = Callback<String, String>;

/// All films, one for each prompt.
#[component]
pub fn Samples(
    /// What happened so far.
    #[prop(into)]
    course: Signal<Course>,
    /// Where files lie.
    address: Address,
    /// Width and height of a sample.
    #[prop(into)]
    side: Signal<u32>,
) -> impl IntoView {
    let i18n = use_i18n();
    let prompts = Memo::new(move |_| course.with(Course::prompts));
    view! {
        <Show
            when=move || prompts.with(|prompts| !prompts.is_empty())
            fallback=move || view! { <p class="sheet-words">{move || t_string!(i18n, training.no_samples)}</p> }
        >
            <For each=move || prompts.get() key=Clone::clone let:prompt>
                <Film course prompt address side />
            </For>
        </Show>
    }
}

#[component]
fn Film(course: Signal<Course>, prompt: String, address: Address, side: Signal<u32>) -> impl IntoView {
    let i18n = use_i18n();
    let own = StoredValue::new(prompt.clone());
    let frames = Memo::new(move |_| {
        own.with_value(|prompt| {
            course.with(|course| {
                course.samples.iter().filter(|sample| sample.prompt == *prompt).cloned().collect::<Vec<_>>()
            })
        })
    });
    // Nothing chosen: the newest one is shown.
    let chosen = RwSignal::new(None::<String>);
    let shown = Memo::new(move |_| {
        let file = chosen.get();
        frames.with(|frames| {
            let found = frames.iter().find(|sample| Some(&sample.file) == file.as_ref());
            found.or(frames.last()).cloned()
        })
    });
    let row = NodeRef::<html::Ul>::new();
    // The film is at its end unless somebody looks at an earlier picture.
    Effect::new(move |_| {
        frames.track();
        if let (Some(row), None) = (row.get(), chosen.get()) {
            row.set_scroll_left(row.scroll_width());
        }
    });
    let alt = Signal::derive(move || {
        shown.with(|shown| {
            let step = shown.as_ref().map_or(0, |sample| sample.step);
            t_string!(i18n, training.sample_alt, prompt = own.get_value(), step = step)
        })
    });
    view! {
        <section class="film" aria-label=own.get_value()>
            <header class="film-head">
                <p class="film-prompt" lang="en">{prompt}</p>
                <p class="film-step numeric">
                    {move || {
                        shown
                            .with(|shown| {
                                shown
                                    .as_ref()
                                    .map(|sample| {
                                        t_string!(i18n, training.after_step, step = sample.step, seed = sample.seed)
                                    })
                            })
                    }}
                </p>
                <PixelToggle />
            </header>
            <Mat
                src=Signal::derive(move || shown.with(|shown| shown.as_ref().map(|sample| address.run(sample.file.clone()))))
                alt
                size=Signal::derive(move || (side.get(), side.get()))
            />
            <ul class="film-row" node_ref=row>
                <For each=move || frames.get() key=|sample| sample.file.clone() let:sample>
                    <Frame sample chosen shown address />
                </For>
            </ul>
        </section>
    }
}

#[component]
fn Frame(
    sample: Sample,
    chosen: RwSignal<Option<String>>,
    shown: Memo<Option<Sample>>,
    address: Address,
) -> impl IntoView {
    let i18n = use_i18n();
    let step = sample.step;
    let file = StoredValue::new(sample.file.clone());
    let is_shown = move || {
        shown.with(|shown| shown.as_ref().is_some_and(|one| file.with_value(|file| one.file == *file)))
    };
    view! {
        <li>
            <button
                type="button"
                class="frame film-frame"
                aria-pressed=move || is_shown().to_string()
                aria-label=move || t_string!(i18n, training.step_number, step = step)
                on:click=move |_| chosen.set(Some(file.get_value()))
            >
                <img src=address.run(sample.file) alt="" loading="lazy" decoding="async" />
            </button>
            <span class="film-number numeric" aria-hidden="true">{step}</span>
        </li>
    }
}

/// The first and the last picture of each prompt, one over the other.
#[component]
pub fn BeforeAfter(
    /// What happened.
    #[prop(into)]
    course: Signal<Course>,
    /// Where files lie.
    address: Address,
    /// Width and height of a sample.
    #[prop(into)]
    side: Signal<u32>,
) -> impl IntoView {
    let pairs = Memo::new(move |_| {
        course.with(|course| {
            let prompts = course.prompts();
            let pairs = prompts.into_iter().filter_map(|prompt| {
                let (before, after) = course.before_and_after(&prompt)?;
                Some((prompt.clone(), before.file.clone(), after.file.clone()))
            });
            pairs.collect::<Vec<_>>()
        })
    });
    let picture =
        move |file: String, alt: String| Side { src: address.run(file), alt, size: (side.get(), side.get()) };
    view! {
        <div class="after-row">
            <For each=move || pairs.get() key=Clone::clone let:pair>
                {
                    let (prompt, before, after) = pair;
                    let (first_alt, second_alt) = (prompt.clone(), prompt.clone());
                    view! {
                        <figure class="after">
                            <Slide
                                first=Signal::derive(move || picture(before.clone(), first_alt.clone()))
                                second=Signal::derive(move || picture(after.clone(), second_alt.clone()))
                                names=[|i18n| t_string!(i18n, training.before_it), |i18n| t_string!(i18n, training.after_it)]
                            />
                            <figcaption lang="en">{prompt}</figcaption>
                        </figure>
                    }
                }
            </For>
        </div>
    }
}
