//! Two pictures of the gallery against each other. Which two is in the address.

use chapan_api::{id::ImageId, image::ImageView};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    components::A,
    hooks::{use_navigate, use_query_map},
};

use crate::{
    components::{
        compare::{Compare, Side},
        dropped::dropped_on,
        empty::Empty,
        icon::icon,
        notice::ErrorNotice,
        record::title,
    },
    i18n::{self, Says, t_string, use_i18n},
    state::pictures::Pictures,
};

/// The page.
#[component]
pub fn ComparePage() -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let navigate = use_navigate();
    let query = use_query_map();
    let id =
        move |name: &'static str| Memo::new(move |_| query.with(|query| query.get(name).map(ImageId::new)));
    let ids = [id("first"), id("second")];
    let images = ids.map(|id| find(pictures, id));
    Effect::new(move |_| document().set_title(&format!("{} · Chapan", t_string!(i18n, compare.title))));
    let go = Callback::new(move |(first, second): (Option<ImageId>, Option<ImageId>)| {
        let part = |name: &str, id: Option<ImageId>| id.map(|id| format!("{name}={id}"));
        let parts: Vec<String> =
            [part("first", first), part("second", second)].into_iter().flatten().collect();
        let options = NavigateOptions { replace: true, scroll: false, ..Default::default() };
        navigate(&format!("/compare?{}", parts.join("&")), options);
    });
    let sides = Memo::new(move |_| Some((side(&images[0].0.get()?), side(&images[1].0.get()?))));
    let choose = move |which: usize| {
        Callback::new(move |chosen: ImageId| {
            let mut now = ids.map(|id| id.get_untracked());
            now[which] = Some(chosen);
            let [first, second] = now;
            go.run((first, second));
        })
    };
    view! {
        <div class="sheet">
            <header class="sheet-head">
                <h1>{move || t_string!(i18n, compare.title)}</h1>
                <p>{move || t_string!(i18n, compare.about)}</p>
            </header>
            <Show
                when=move || pictures.items().with(|items| items.len() > 1) || sides.with(Option::is_some)
                fallback=move || {
                    view! {
                        <Empty title=|i18n| t_string!(i18n, compare.empty) words=|i18n| t_string!(i18n, compare.empty_hint)>
                            <A href="/studio" attr:class="btn btn-primary">
                                {move || t_string!(i18n, frame.to_studio)}
                            </A>
                        </Empty>
                    }
                }
            >
                <div class="compare-choices">
                    <Choice name=|i18n| t_string!(i18n, lesson.first) chosen=ids[0] choose=choose(0) />
                    <button
                        type="button"
                        class="btn-icon compare-swap"
                        aria-label=move || t_string!(i18n, compare.swap)
                        title=move || t_string!(i18n, compare.swap)
                        on:click=move |_| go.run((ids[1].get_untracked(), ids[0].get_untracked()))
                    >
                        {icon("swap")}
                    </button>
                    <Choice name=|i18n| t_string!(i18n, lesson.second) chosen=ids[1] choose=choose(1) />
                </div>
                {move || {
                    images
                        .iter()
                        .find_map(|(_, failure)| failure.get())
                        .map(|failure| {
                            view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> }
                        })
                }}
                <Show
                    when=move || sides.with(Option::is_some)
                    fallback=move || view! { <p class="compare-waits">{move || t_string!(i18n, compare.choose)}</p> }
                >
                    <Compare
                        first=Signal::derive(move || sides.get().map(|sides| sides.0).unwrap_or_default())
                        second=Signal::derive(move || sides.get().map(|sides| sides.1).unwrap_or_default())
                    />
                </Show>
            </Show>
        </div>
    }
}

fn side(image: &ImageView) -> Side {
    Side { src: image.url.clone(), alt: image.prompt().to_owned(), size: (image.width, image.height) }
}

type Found = (Memo<Option<ImageView>>, RwSignal<Option<crate::api::Failure>>);

/// A picture by its id, from the list or from the server.
fn find(pictures: Pictures, id: Memo<Option<ImageId>>) -> Found {
    let fetched = RwSignal::new(None::<ImageView>);
    let failure = RwSignal::new(None);
    Effect::new(move |_| {
        failure.set(None);
        let Some(id) = id.get() else { return };
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
    let image = Memo::new(move |_| {
        let id = id.get()?;
        pictures.find(&id).or_else(|| fetched.get().filter(|image| image.id == id))
    });
    (image, failure)
}

/// A row of pictures to choose one of.
#[component]
fn Choice(name: Says, chosen: Memo<Option<ImageId>>, choose: Callback<ImageId>) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let take = dropped_on(move |view: ImageView| {
        choose.try_run(view.id);
    });
    view! {
        <div
            class="choice"
            role="group"
            aria-label=move || name(i18n)
            on:dragover=move |event| event.prevent_default()
            on:drop=take
        >
            <p class="choice-name">{move || name(i18n)}</p>
            <ul class="choice-row">
                <For each=move || pictures.items().get() key=|image| image.id.clone() let:image>
                    {
                        let (id, own) = (image.id.clone(), image.id.clone());
                        let (label, tip) = (title(&image), title(&image));
                        view! {
                            <li>
                                <button
                                    type="button"
                                    class="frame"
                                    aria-pressed=move || (chosen.get().as_ref() == Some(&own)).to_string()
                                    aria-label=move || label(i18n)
                                    title=move || tip(i18n)
                                    on:click=move |_| choose.run(id.clone())
                                >
                                    <img src=image.url.clone() alt="" loading="lazy" decoding="async" />
                                </button>
                            </li>
                        }
                    }
                </For>
            </ul>
        </div>
    }
}
