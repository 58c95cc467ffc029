//! One picture in a dark room: zoom, its neighbours by arrow keys, its full record, and the way back.

use chapan_api::{id::ImageId, image::ImageView};
use leptos::{ev::KeyboardEvent, html, prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use super::{filter::Shelf, throw_away};
use crate::{
    components::{
        actions::PictureActions,
        icon::icon,
        notice::ErrorNotice,
        picture::{PixelToggle, Pixels},
        record::{Record, title},
        reproduce::Reproduce,
    },
    i18n::{self, t_string, use_i18n},
    state::{connection::Connection, pictures::Pictures, toast::Toasts},
};

/// Zoom levels beside "fit".
const ZOOMS: [u32; 5] = [1, 2, 4, 8, 16];

/// The lightbox: a modal dialog, so that focus stays inside and Escape closes it.
#[component]
pub fn Lightbox(
    /// The picture.
    id: ImageId,
) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let connection = expect_context::<Connection>();
    let shelf = expect_context::<Shelf>();
    let navigate = use_navigate();
    let dialog = NodeRef::<html::Dialog>::new();
    let fetched = RwSignal::new(None::<ImageView>);
    let failure = RwSignal::new(None);
    let wanted = id.clone();
    let image = Memo::new(move |_| pictures.find(&wanted).or_else(|| fetched.get()));
    let asked = id.clone();
    Effect::new(move |_| {
        connection.returns();
        let id = asked.clone();
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
    Effect::new(move |_| {
        if let Some(dialog) = dialog.get()
            && !dialog.open()
        {
            let _ = dialog.show_modal();
        }
    });
    let close = {
        let navigate = navigate.clone();
        Callback::new(move |()| {
            navigate(&shelf.place(None), NavigateOptions { scroll: false, ..Default::default() });
        })
    };
    let beside = move |forward: bool| {
        pictures.items().with(|items| {
            let here = items.iter().position(|image| image.id == id)?;
            let there = if forward { here + 1 } else { here.checked_sub(1)? };
            items.get(there).map(|image| image.id.clone())
        })
    };
    let beside = StoredValue::new(beside);
    let step = Callback::new(move |forward: bool| {
        if let Some(id) = untrack(|| beside.with_value(|beside| beside(forward))) {
            let options = NavigateOptions { replace: true, scroll: false, ..Default::default() };
            navigate(&shelf.place(Some(id.as_str())), options);
        }
    });
    let has = move |forward: bool| beside.with_value(|beside| beside(forward)).is_some();
    let zoom = RwSignal::new(None::<u32>);
    let keys = move |event: KeyboardEvent| match event.key().as_str() {
        "ArrowLeft" => step.run(false),
        "ArrowRight" => step.run(true),
        "+" | "=" => closer(zoom),
        "-" => farther(zoom),
        "0" => zoom.set(None),
        _ => {}
    };
    view! {
        <dialog
            node_ref=dialog
            class="lightbox"
            aria-label=move || t_string!(i18n, gallery.lightbox)
            on:keydown=keys
            on:cancel=move |event: leptos::ev::Event| {
                event.prevent_default();
                close.run(());
            }
        >
            <div class="lightbox-bar">
                <button
                    type="button"
                    class="btn-icon"
                    aria-label=move || t_string!(i18n, gallery.farther)
                    on:click=move |_| farther(zoom)
                >
                    {icon("minus")}
                </button>
                <button
                    type="button"
                    class="btn lightbox-zoom numeric"
                    aria-label=move || t_string!(i18n, gallery.fit)
                    on:click=move |_| zoom.set(None)
                >
                    {move || zoom.get().map_or_else(|| t_string!(i18n, gallery.fit).to_owned(), |by| format!("{by}×"))}
                </button>
                <button
                    type="button"
                    class="btn-icon"
                    aria-label=move || t_string!(i18n, gallery.closer)
                    on:click=move |_| closer(zoom)
                >
                    {icon("plus")}
                </button>
                <PixelToggle />
                <span class="lightbox-gap"></span>
                <button
                    type="button"
                    class="btn-icon"
                    autofocus
                    aria-label=move || t_string!(i18n, frame.close)
                    on:click=move |_| close.run(())
                >
                    {icon("close")}
                </button>
            </div>
            <div class="lightbox-stage">
                <button
                    type="button"
                    class="btn-icon lightbox-way"
                    disabled=move || !has(false)
                    aria-label=move || t_string!(i18n, gallery.newer)
                    on:click=move |_| step.run(false)
                >
                    {icon("left")}
                </button>
                {move || match (image.get(), failure.get()) {
                    (Some(image), _) => view! { <Room image zoom /> }.into_any(),
                    (None, Some(failure)) => {
                        view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> }.into_any()
                    }
                    (None, None) => {
                        view! { <div class="loading" role="status">{t_string!(i18n, frame.loading)}</div> }.into_any()
                    }
                }}
                <button
                    type="button"
                    class="btn-icon lightbox-way"
                    disabled=move || !has(true)
                    aria-label=move || t_string!(i18n, gallery.older)
                    on:click=move |_| step.run(true)
                >
                    {icon("right")}
                </button>
            </div>
            <aside class="lightbox-side" aria-label=move || t_string!(i18n, gallery.parameters)>
                {move || image.get().map(|image| view! { <Side image close /> })}
            </aside>
        </dialog>
    }
}

#[component]
fn Room(image: ImageView, zoom: RwSignal<Option<u32>>) -> impl IntoView {
    let i18n = use_i18n();
    let pixels = expect_context::<Pixels>();
    let (width, height) = (image.width, image.height);
    let alt = title(&image);
    view! {
        <div
            class="lightbox-room"
            class:lightbox-free=move || zoom.get().is_some()
            tabindex="0"
            style=("--w", width.to_string())
            style=("--h", height.to_string())
            style=("--zoom", move || zoom.get().unwrap_or(1).to_string())
        >
            <img class="mat-picture" class:pixelated=move || pixels.shown() src=image.url alt=move || alt(i18n) />
        </div>
    }
}

#[component]
fn Side(image: ImageView, close: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let toasts = expect_context::<Toasts>();
    let doomed = image.id.clone();
    view! {
        <div class="lightbox-actions">
            <PictureActions image=image.clone() />
            <button
                type="button"
                class="btn"
                on:click=move |_| {
                    close.run(());
                    throw_away(i18n, pictures, toasts, vec![doomed.clone()]);
                }
            >
                {icon("trash")}
                {move || t_string!(i18n, gallery.delete)}
            </button>
        </div>
        <Reproduce image=image.clone() />
        <Record image />
    }
}

fn closer(zoom: RwSignal<Option<u32>>) {
    zoom.update(|zoom| {
        let now = zoom.unwrap_or(1);
        *zoom = ZOOMS.into_iter().find(|level| *level > now).or(*zoom);
    });
}

fn farther(zoom: RwSignal<Option<u32>>) {
    zoom.update(|zoom| *zoom = zoom.and_then(|now| ZOOMS.into_iter().rev().find(|level| *level < now)));
}
