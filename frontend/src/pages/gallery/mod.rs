//! The gallery: everything made here, newest first; one picture opens in a lightbox that has its own address.

mod chosen;
mod filter;
mod lightbox;

use chapan_api::{
    id::ImageId,
    image::{ImageChange, ImageView},
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{components::A, hooks::use_params_map};

use crate::{
    components::{
        empty::Empty,
        icon::{icon, icon_of},
        notice::ErrorNotice,
        record::title,
    },
    i18n::{self, t_string, use_i18n},
    state::{
        connection::Connection,
        pictures::Pictures,
        toast::{Toast, Toasts},
    },
};
use chosen::{Chosen, ChosenBar};
use filter::{Filter, FilterBar, Shelf, tell};
use lightbox::Lightbox;

/// The page.
#[component]
pub fn GalleryPage() -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let shelf = Shelf::provide(connection);
    Chosen::provide();
    let pictures =
        expect_context::<Pictures>().provide_some(Signal::derive(move || shelf.filter.with(Filter::query)));
    let params = use_params_map();
    let open = Memo::new(move |_| params.with(|params| params.get("image").map(ImageId::new)));
    Effect::new(move |_| document().set_title(&format!("{} · Chapan", t_string!(i18n, frame.gallery))));
    let is_empty = Memo::new(move |_| pictures.items().with(Vec::is_empty));
    let is_filtered = move || shelf.filter.with(|filter| *filter != Filter::default());
    view! {
        <div class="sheet sheet-wide">
            <header class="sheet-head">
                <h1>{move || t_string!(i18n, frame.gallery)}</h1>
                <p>{move || t_string!(i18n, gallery.about)}</p>
                <Show when=move || pictures.items().with(|items| items.len() > 1)>
                    <A href="/compare" attr:class="btn">
                        {icon("halves")} {move || t_string!(i18n, compare.title)}
                    </A>
                </Show>
            </header>
            <FilterBar />
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
            <Show when=move || pictures.is_loaded() && is_empty.get() && is_filtered()>
                <p class="sheet-words" role="status">{move || t_string!(i18n, gallery.none_found)}</p>
            </Show>
            <Show when=move || pictures.is_loaded() && is_empty.get() && !is_filtered()>
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
                <For
                    each=move || pictures.items().get()
                    key=|image| (image.id.clone(), image.starred, image.deleted_at_ms)
                    let:image
                >
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
            <ChosenBar />
        </div>
        {move || open.get().map(|id| view! { <Lightbox id /> })}
    }
}

#[component]
fn Tile(image: ImageView) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let toasts = expect_context::<Toasts>();
    let chosen = expect_context::<Chosen>();
    let shelf = expect_context::<Shelf>();
    let title = StoredValue::new(title(&image));
    let label = move || title.with_value(|title| title(i18n));
    let (starred, in_trash) = (image.starred, image.deleted_at_ms.is_some());
    let id = StoredValue::new(image.id.clone());
    let is_chosen = Memo::new(move |_| id.with_value(|id| chosen.has(id)));
    let star = move |_| {
        spawn_local(async move {
            let ids = [id.get_value()];
            if let Err(failure) = pictures.change(&ids, ImageChange::Star(!starred)).await {
                tell(i18n, toasts, &failure);
            }
        });
    };
    let place = move || {
        shelf.filter.track();
        id.with_value(|id| shelf.place(Some(id.as_str())))
    };
    view! {
        <li class="tile" class:tile-chosen=move || is_chosen.get()>
            <A href=place attr:class="tile-link" attr:aria-label=label>
                <img src=image.url alt="" loading="lazy" decoding="async" />
            </A>
            <label class="tile-choose">
                <input
                    type="checkbox"
                    aria-label=move || t_string!(i18n, gallery.choose, name = label())
                    prop:checked=move || is_chosen.get()
                    on:change=move |_| id.with_value(|id| chosen.toggle(id))
                />
            </label>
            <div class="tile-foot">
                <p title=label>{label}</p>
                {(!in_trash)
                    .then(|| {
                        view! {
                            <button
                                type="button"
                                class="btn-icon tile-star"
                                aria-label=move || t_string!(i18n, gallery.star)
                                title=move || t_string!(i18n, gallery.star)
                                aria-pressed=starred.to_string()
                                on:click=star
                            >
                                {icon("star")}
                            </button>
                        }
                    })}
                <button
                    type="button"
                    class="btn-icon"
                    aria-label=move || if in_trash { t_string!(i18n, gallery.restore) } else { t_string!(i18n, gallery.delete) }
                    title=move || if in_trash { t_string!(i18n, gallery.restore) } else { t_string!(i18n, gallery.delete) }
                    on:click=move |_| {
                        let ids = vec![id.get_value()];
                        if in_trash {
                            bring_back(i18n, pictures, toasts, ids);
                        } else {
                            throw_away(i18n, pictures, toasts, ids);
                        }
                    }
                >
                    {icon_of(move || if in_trash { "undo" } else { "trash" })}
                </button>
            </div>
        </li>
    }
}

/// Puts pictures into the trash and offers the way back.
fn throw_away(i18n: i18n::Language, pictures: Pictures, toasts: Toasts, ids: Vec<ImageId>) {
    spawn_local(async move {
        if let Err(failure) = pictures.change(&ids, ImageChange::Delete).await {
            tell(i18n, toasts, &failure);
            return;
        }
        let undo = Callback::new(move |()| bring_back(i18n, pictures, toasts, ids.clone()));
        let words = untrack(|| t_string!(i18n, gallery.deleted).to_owned());
        toasts.show(Toast { words, bad: false, undo: Some(undo) });
    });
}

/// Takes pictures out of the trash.
fn bring_back(i18n: i18n::Language, pictures: Pictures, toasts: Toasts, ids: Vec<ImageId>) {
    spawn_local(async move {
        if let Err(failure) = pictures.restore(&ids).await {
            tell(i18n, toasts, &failure);
        }
    });
}
