//! The stage: the picture, the picture in the making, or an invitation.

use chapan_api::{id::ImageId, image::ImageView, job::JobStatus};
use leptos::{prelude::*, task::spawn_local};

use super::{Order, Shown, finished::Finished, making::Making};
use crate::{
    api::Failure,
    components::{empty::Empty, notice::ErrorNotice},
    i18n::{self, t_string, use_i18n},
    state::{
        connection::Connection,
        draft::Draft,
        jobs::{Job, Jobs},
        pictures::Pictures,
    },
};

/// The stage.
#[component]
pub fn Stage(
    /// What it shows.
    shown: Memo<Shown>,
    /// The way to a new picture.
    order: Order,
) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let waits =
        move || shown.get() == Shown::Nothing && !pictures.is_loaded() && pictures.failure().is_none();
    view! {
        {move || {
            order
                .failure
                .get()
                .map(|failure| {
                    view! {
                        <ErrorNotice
                            words=Signal::derive(move || i18n::failure(i18n, &failure))
                            retry=order.generate
                        />
                    }
                })
        }}
        {move || {
            if order.sending.get() > 0 {
                view! { <div class="stage-wait" role="status">{t_string!(i18n, studio.sending)}</div> }
                    .into_any()
            } else {
                ().into_any()
            }
        }}
        {move || match shown.get() {
            Shown::Job(id) => view! { <JobOnStage id order /> }.into_any(),
            Shown::Image(id) => view! { <ImageOnStage id /> }.into_any(),
            Shown::Begin => view! { <Beginning /> }.into_any(),
            Shown::Nothing if waits() => {
                view! { <div class="loading" role="status">{t_string!(i18n, frame.loading)}</div> }.into_any()
            }
            Shown::Nothing => view! { <Invitation /> }.into_any(),
        }}
    }
}

/// What stands on the stage before the first picture.
#[component]
fn Invitation() -> impl IntoView {
    let i18n = use_i18n();
    let draft = expect_context::<Draft>();
    let examples = [
        "a smiling man with a round face, wide open eyes, a thin moustache and short hair, wearing an orange patterned chapan robe, facing forward, steppe background, flat style",
        "an old man with a full beard, blue robe, yurt background, pastel style",
        "a hotel room with a red bed, blue wall, a lamp and a plant",
    ];
    view! {
        <Empty
            title=|i18n| t_string!(i18n, studio.empty)
            words=|i18n| t_string!(i18n, studio.empty_hint)
        >
            <ul class="examples" aria-label=move || t_string!(i18n, studio.examples)>
                {examples
                    .map(|words| {
                        view! {
                            <li>
                                <button
                                    type="button"
                                    class="example"
                                    lang="en"
                                    on:click=move |_| draft.prompt.set(words.to_owned())
                                >
                                    {words}
                                </button>
                            </li>
                        }
                    })
                    .collect_view()}
            </ul>
        </Empty>
    }
}

#[component]
fn JobOnStage(id: chapan_api::id::JobId, order: Order) -> impl IntoView {
    let jobs = expect_context::<Jobs>();
    let connection = expect_context::<Connection>();
    let failure = RwSignal::new(None);
    let wanted = id.clone();
    let job = Memo::new(move |_| jobs.find(&wanted).map(SameJob));
    // A job of an earlier visit is not on this page yet.
    Effect::new(move |_| {
        connection.returns();
        let id = id.clone();
        if untrack(|| job.with(Option::is_none)) {
            spawn_local(async move {
                failure.try_set(jobs.fetch(&id).await.err());
            });
        }
    });
    move || match job.get() {
        Some(SameJob(job)) => view! { <JobStory job order /> }.into_any(),
        None => view! { <Absent failure=failure /> }.into_any(),
    }
}

/// A job is the same while its id is; its state moves inside.
#[derive(Clone)]
struct SameJob(Job);

impl PartialEq for SameJob {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

#[component]
fn JobStory(job: Job, order: Order) -> impl IntoView {
    let state = job.state.clone();
    let end = Memo::new(move |_| {
        state.with(|state| {
            let view = &state.view;
            if view.status == JobStatus::Succeeded { view.images.clone() } else { Vec::new() }
        })
    });
    move || {
        let ids = end.get();
        match ids.first() {
            Some(first) => view! {
                <ImageOnStage id=first.clone() />
                {(ids.len() > 1).then(|| view! { <Siblings ids /> })}
            }
            .into_any(),
            None => view! { <Making job=job.clone() order /> }.into_any(),
        }
    }
}

/// The pictures that were drawn together.
#[component]
fn Siblings(ids: Vec<ImageId>) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    view! {
        <ul class="siblings" aria-label=move || t_string!(i18n, studio.siblings)>
            {ids
                .into_iter()
                .map(|id| {
                    move || {
                        pictures
                            .find(&id)
                            .map(|image| {
                                let (src, about) = (image.url.clone(), image.prompt().to_owned());
                                view! {
                                    <li>
                                        <a class="frame" href=format!("/studio?image={}", image.id) aria-label=about>
                                            <img src=src alt="" />
                                        </a>
                                    </li>
                                }
                            })
                    }
                })
                .collect_view()}
        </ul>
    }
}

/// The picture that the next one begins from, with its mask.
#[component]
fn Beginning() -> impl IntoView {
    let draft = expect_context::<Draft>();
    move || match draft.image.get() {
        Some(id) => view! { <ImageOnStage id /> }.into_any(),
        None => view! { <Invitation /> }.into_any(),
    }
}

#[component]
fn ImageOnStage(id: ImageId) -> impl IntoView {
    let pictures = expect_context::<Pictures>();
    let connection = expect_context::<Connection>();
    let fetched = RwSignal::new(None::<ImageView>);
    let failure = RwSignal::new(None);
    let wanted = id.clone();
    let image = Memo::new(move |_| pictures.find(&wanted).or_else(|| fetched.get()));
    Effect::new(move |_| {
        connection.returns();
        let id = id.clone();
        spawn_local(async move {
            match pictures.fetch(&id).await {
                Ok(image) => {
                    fetched.try_set(Some(image));
                }
                Err(refusal) => {
                    failure.try_set(Some(refusal));
                }
            }
        });
    });
    move || match image.get() {
        Some(image) => view! { <Finished image /> }.into_any(),
        None => view! { <Absent failure=failure /> }.into_any(),
    }
}

/// On its way, or why not.
#[component]
fn Absent(failure: RwSignal<Option<Failure>>) -> impl IntoView {
    let i18n = use_i18n();
    move || match failure.get() {
        None => {
            view! { <div class="loading" role="status">{t_string!(i18n, frame.loading)}</div> }.into_any()
        }
        Some(failure) => {
            view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> }.into_any()
        }
    }
}
