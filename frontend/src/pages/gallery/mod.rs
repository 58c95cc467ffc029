//! The gallery: everything made here, newest first; one picture opens in a lightbox that has its own address.

mod lightbox;

use chapan_api::{id::ImageId, image::ImageView};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{components::A, hooks::use_params_map};

use crate::{
    components::{empty::Empty, icon::icon, notice::ErrorNotice, record::title},
    i18n::{self, t_string, use_i18n},
    state::{
        pictures::Pictures,
        toast::{Toast, Toasts},
    },
};
use lightbox::Lightbox;

/// The page.
#[component]
pub fn GalleryPage() -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let params = use_params_map();
    let open = Memo::new(move |_| params.with(|params| params.get("image").map(ImageId::new)));
    Effect::new(move |_| document().set_title(&format!("{} · Chapan", t_string!(i18n, frame.gallery))));
    let is_empty = Memo::new(move |_| pictures.items().with(Vec::is_empty));
    view! {
        <div class="sheet sheet-wide">
            <header class="sheet-head">
                <h1>{move || t_string!(i18n, frame.gallery)}</h1>
                <p>{move || t_string!(i18n, gallery.about)}</p>
            </header>
            {move || {
                pictures
                    .failure()
                    .map(|failure| {
                        view! {
                            <ErrorNotice
                                words=Signal::derive(move || i18n::failure(i18n, &failure))
                                retry=move |()| pictures.load()
                            />
                        }
                    })
            }}
            <Show when=move || !pictures.is_loaded() && pictures.failure().is_none()>
                <ul class="grid" role="status" aria-label=move || t_string!(i18n, frame.loading)>
                    {(0..8).map(|_| view! { <li class="tile tile-waits"></li> }).collect_view()}
                </ul>
            </Show>
            <Show when=move || pictures.is_loaded() && is_empty.get()>
                <Empty
                    title=|i18n| t_string!(i18n, gallery.empty)
                    words=|i18n| t_string!(i18n, gallery.empty_hint)
                >
                    <A href="/studio" attr:class="btn btn-primary">
                        {move || t_string!(i18n, frame.to_studio)}
                    </A>
                </Empty>
            </Show>
            <ul class="grid" aria-label=move || t_string!(i18n, frame.gallery)>
                <For each=move || pictures.items().get() key=|image| image.id.clone() let:image>
                    <Tile image />
                </For>
            </ul>
            <Show when=move || pictures.has_more()>
                <div class="more">
                    <button
                        type="button"
                        class="btn"
                        disabled=move || pictures.is_loading()
                        on:click=move |_| pictures.load_more()
                    >
                        {move || t_string!(i18n, gallery.more)}
                    </button>
                </div>
            </Show>
        </div>
        {move || open.get().map(|id| view! { <Lightbox id /> })}
    }
}

#[component]
fn Tile(image: ImageView) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let toasts = expect_context::<Toasts>();
    let (label, tip, words) = (title(&image), title(&image), title(&image));
    let place = format!("/gallery/{}", image.id);
    let src = image.url.clone();
    view! {
        <li class="tile">
            <A href=place attr:class="tile-link" attr:aria-label=move || label(i18n)>
                <img src=src alt="" loading="lazy" decoding="async" />
            </A>
            <div class="tile-foot">
                <p title=move || tip(i18n)>{move || words(i18n)}</p>
                <button
                    type="button"
                    class="btn-icon"
                    aria-label=move || t_string!(i18n, gallery.delete)
                    title=move || t_string!(i18n, gallery.delete)
                    on:click=move |_| delete(i18n, pictures, toasts, image.clone())
                >
                    {icon("trash")}
                </button>
            </div>
        </li>
    }
}

/// Puts a picture into the trash and offers the way back.
fn delete(i18n: i18n::Language, pictures: Pictures, toasts: Toasts, image: ImageView) {
    spawn_local(async move {
        if let Err(failure) = pictures.delete(&image).await {
            toasts.warn(untrack(|| i18n::failure(i18n, &failure)).fact);
            return;
        }
        let undo = Callback::new(move |()| {
            let image = image.clone();
            spawn_local(async move {
                if let Err(failure) = pictures.restore(&image).await {
                    toasts.warn(untrack(|| i18n::failure(i18n, &failure)).fact);
                }
            });
        });
        let words = untrack(|| t_string!(i18n, gallery.deleted).to_owned());
        toasts.show(Toast { words, bad: false, undo: Some(undo) });
    });
}
