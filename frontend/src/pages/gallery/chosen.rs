//! Several pictures at once: starred, put into a folder, fetched as one file, thrown away.

use std::collections::BTreeSet;

use chapan_api::{
    id::{FolderId, ImageId},
    image::ImageChange,
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::components::A;

use super::{
    filter::{Shelf, tell},
    throw_away,
};
use crate::{
    api,
    components::icon::icon,
    i18n::{t_string, use_i18n},
    state::{pictures::Pictures, toast::Toasts},
};

/// The chosen pictures.
#[derive(Clone, Copy)]
pub struct Chosen(pub RwSignal<BTreeSet<String>>);

impl Chosen {
    /// Provides an empty choice.
    pub fn provide() -> Self {
        let chosen = Self(RwSignal::default());
        provide_context(chosen);
        chosen
    }

    /// Whether a picture is chosen.
    pub fn has(self, id: &ImageId) -> bool {
        self.0.with(|chosen| chosen.contains(id.as_str()))
    }

    /// Chooses a picture, or not any more.
    pub fn toggle(self, id: &ImageId) {
        self.0.update(|chosen| {
            if !chosen.remove(id.as_str()) {
                chosen.insert(id.to_string());
            }
        });
    }

    fn ids(self) -> Vec<ImageId> {
        self.0.with(|chosen| chosen.iter().map(ImageId::new).collect())
    }

    fn clear(self) {
        self.0.update(BTreeSet::clear);
    }
}

/// The bar of what can be done with the chosen pictures.
#[component]
pub fn ChosenBar() -> impl IntoView {
    let i18n = use_i18n();
    let chosen = expect_context::<Chosen>();
    let shelf = expect_context::<Shelf>();
    let pictures = expect_context::<Pictures>();
    let toasts = expect_context::<Toasts>();
    let count = move || chosen.0.with(BTreeSet::len);
    let in_trash = move || shelf.filter.with(|filter| filter.trash);
    let change = move |change: ImageChange| {
        let ids = untrack(|| chosen.ids());
        spawn_local(async move {
            match pictures.change(&ids, change).await {
                Ok(()) => {
                    shelf.load();
                    chosen.clear();
                }
                Err(failure) => tell(i18n, toasts, &failure),
            }
        });
    };
    let compare = move || {
        let ids = chosen.ids();
        let part = |place: usize| ids.get(place).map(ToString::to_string).unwrap_or_default();
        format!("/compare?first={}&second={}", part(0), part(1))
    };
    let all = move |_| {
        let ids =
            pictures.items().with_untracked(|items| items.iter().map(|image| image.id.to_string()).collect());
        chosen.0.set(ids);
    };
    view! {
        <Show when=move || count() != 0>
            <div class="chosen" role="toolbar" aria-label=move || t_string!(i18n, gallery.chosen_tools)>
                <p class="numeric" role="status">{move || t_string!(i18n, gallery.chosen, count = count())}</p>
                <button type="button" class="btn" on:click=all>{move || t_string!(i18n, gallery.choose_all)}</button>
                <Show
                    when=in_trash
                    fallback=move || {
                        view! {
                            <button type="button" class="btn" on:click=move |_| change(ImageChange::Star(true))>
                                {icon("star")}
                                {move || t_string!(i18n, gallery.star)}
                            </button>
                            <select
                                class="select select-quiet"
                                aria-label=move || t_string!(i18n, gallery.move_to)
                                on:change=move |event| {
                                    let id = event_target_value(&event);
                                    match id.as_str() {
                                        "" => {}
                                        "-" => change(ImageChange::Move(None)),
                                        _ => change(ImageChange::Move(Some(FolderId::new(id)))),
                                    }
                                }
                            >
                                <option value="">{move || t_string!(i18n, gallery.move_to)}</option>
                                <option value="-">{move || t_string!(i18n, gallery.no_folder)}</option>
                                {move || {
                                    shelf
                                        .folders
                                        .get()
                                        .into_iter()
                                        .map(|folder| view! { <option value=folder.id.to_string()>{folder.name}</option> })
                                        .collect_view()
                                }}
                            </select>
                            <a class="btn" download="chapan.zip" rel="external" href=move || api::image::archive(&chosen.ids())>
                                {icon("download")}
                                "ZIP"
                            </a>
                            <Show when=move || count() == 2>
                                <A href=compare attr:class="btn">
                                    {icon("halves")}
                                    {move || t_string!(i18n, compare.title)}
                                </A>
                            </Show>
                            <button
                                type="button"
                                class="btn"
                                on:click=move |_| {
                                    throw_away(i18n, pictures, toasts, untrack(|| chosen.ids()));
                                    chosen.clear();
                                }
                            >
                                {icon("trash")}
                                {move || t_string!(i18n, gallery.delete)}
                            </button>
                        }
                    }
                >
                    <button type="button" class="btn" on:click=move |_| change(ImageChange::Restore)>
                        {icon("undo")}
                        {move || t_string!(i18n, gallery.restore)}
                    </button>
                </Show>
                <button
                    type="button"
                    class="btn-icon"
                    aria-label=move || t_string!(i18n, gallery.choose_none)
                    title=move || t_string!(i18n, gallery.choose_none)
                    on:click=move |_| chosen.clear()
                >
                    {icon("close")}
                </button>
            </div>
        </Show>
    }
}
