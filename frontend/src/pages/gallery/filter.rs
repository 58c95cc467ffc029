//! What the gallery shows: words to look for, stars, a folder, the trash. All of it stands in the address.

use chapan_api::{folder::FolderView, id::FolderId};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};

use crate::{
    api::{self, Failure},
    components::icon::icon,
    i18n::{self, t_string, use_i18n},
    state::{connection::Connection, pictures::Pictures, toast::Toasts},
};

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// A text in the prompts.
    pub search: String,
    /// Only those with a star.
    pub starred: bool,
    /// Only those in this folder.
    pub folder: Option<FolderId>,
    /// What lies in the trash.
    pub trash: bool,
}

impl Filter {
    /// As the question of an address; empty when all is shown.
    pub fn query(&self) -> String {
        let mut parts = Vec::new();
        if !self.search.is_empty() {
            parts.push(format!("search={}", String::from(js_sys::encode_uri_component(&self.search))));
        }
        if self.starred {
            parts.push("starred=true".to_owned());
        }
        if let Some(folder) = &self.folder {
            parts.push(format!("folder={folder}"));
        }
        if self.trash {
            parts.push("trash=true".to_owned());
        }
        parts.join("&")
    }
}

/// The filter and the folders, as the parts of the page share them.
#[derive(Clone, Copy)]
pub struct Shelf {
    /// What is shown.
    pub filter: Memo<Filter>,
    /// The folders.
    pub folders: RwSignal<Vec<FolderView>>,
}

impl Shelf {
    /// Reads the filter from the address, and the folders from the server.
    pub fn provide(connection: Connection) -> Self {
        let query = use_query_map();
        let filter = Memo::new(move |_| {
            query.with(|query| Filter {
                search: query.get("search").unwrap_or_default(),
                starred: query.get("starred").is_some(),
                folder: query.get("folder").map(FolderId::new),
                trash: query.get("trash").is_some(),
            })
        });
        let shelf = Self { filter, folders: RwSignal::default() };
        Effect::new(move |_| {
            connection.returns();
            shelf.load();
        });
        provide_context(shelf);
        shelf
    }

    /// Reads the folders.
    pub fn load(self) {
        spawn_local(async move {
            if let Ok(folders) = api::folder::list().await {
                self.folders.try_set(folders);
            }
        });
    }

    /// The address of the gallery, or of one picture in it, with what is looked for.
    pub fn place(self, image: Option<&str>) -> String {
        let query = self.filter.with_untracked(Filter::query);
        let image = image.map(|id| format!("/{id}")).unwrap_or_default();
        if query.is_empty() { format!("/gallery{image}") } else { format!("/gallery{image}?{query}") }
    }
}

/// The bar of filters.
#[component]
pub fn FilterBar() -> impl IntoView {
    let i18n = use_i18n();
    let shelf = expect_context::<Shelf>();
    let pictures = expect_context::<Pictures>();
    let toasts = expect_context::<Toasts>();
    let navigate = use_navigate();
    let go = Callback::new(move |filter: Filter| {
        let query = filter.query();
        let place = if query.is_empty() { "/gallery".to_owned() } else { format!("/gallery?{query}") };
        navigate(&place, NavigateOptions { replace: true, scroll: false, ..Default::default() });
    });
    let change = move |act: &dyn Fn(&mut Filter)| {
        let mut filter = shelf.filter.get_untracked();
        act(&mut filter);
        go.run(filter);
    };
    let naming = RwSignal::new(false);
    let name = RwSignal::new(String::new());
    let make = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        spawn_local(async move {
            match api::folder::create(name.get_untracked().trim()).await {
                Ok(folder) => {
                    naming.try_set(false);
                    name.try_set(String::new());
                    shelf.load();
                    go.try_run(Filter { folder: Some(folder.id), ..Filter::default() });
                }
                Err(failure) => tell(i18n, toasts, &failure),
            }
        });
    };
    let remove = move |_| {
        let Some(folder) = shelf.filter.with_untracked(|filter| filter.folder.clone()) else { return };
        spawn_local(async move {
            match api::folder::delete(&folder).await {
                Ok(()) => {
                    shelf.load();
                    go.try_run(Filter::default());
                }
                Err(failure) => tell(i18n, toasts, &failure),
            }
        });
    };
    let empty = move |_| {
        let sure = window().confirm_with_message(t_string!(i18n, gallery.empty_trash_sure)).unwrap_or(false);
        if sure {
            spawn_local(async move {
                match api::image::empty_trash().await {
                    Ok(()) => pictures.load(),
                    Err(failure) => tell(i18n, toasts, &failure),
                }
            });
        }
    };
    view! {
        <div class="filters" role="search">
            <input
                class="text filter-search"
                type="search"
                aria-label=move || t_string!(i18n, gallery.search)
                placeholder=move || t_string!(i18n, gallery.search)
                prop:value=move || shelf.filter.with(|filter| filter.search.clone())
                on:input=move |event| {
                    let text = event_target_value(&event);
                    change(&move |filter| filter.search.clone_from(&text));
                }
            />
            <button
                type="button"
                class="btn-icon"
                aria-label=move || t_string!(i18n, gallery.only_starred)
                title=move || t_string!(i18n, gallery.only_starred)
                aria-pressed=move || shelf.filter.with(|filter| filter.starred).to_string()
                on:click=move |_| change(&|filter| filter.starred = !filter.starred)
            >
                {icon("star")}
            </button>
            <select
                class="select filter-folder"
                aria-label=move || t_string!(i18n, gallery.folder)
                on:change=move |event| {
                    let id = event_target_value(&event);
                    if id == "+" {
                        naming.set(true);
                    } else {
                        change(&move |filter| filter.folder = (!id.is_empty()).then(|| FolderId::new(id.clone())));
                    }
                }
            >
                {move || {
                    let chosen = shelf.filter.with(|filter| filter.folder.clone());
                    view! {
                        <option value="" selected=chosen.is_none()>{t_string!(i18n, gallery.all_folders)}</option>
                        {shelf
                            .folders
                            .get()
                            .into_iter()
                            .map(|folder| {
                                let here = Some(&folder.id) == chosen.as_ref();
                                view! {
                                    <option value=folder.id.to_string() selected=here>
                                        {format!("{} ({})", folder.name, folder.images)}
                                    </option>
                                }
                            })
                            .collect_view()}
                        <option value="+">{t_string!(i18n, gallery.new_folder)}</option>
                    }
                }}
            </select>
            <button
                type="button"
                class="btn"
                aria-pressed=move || shelf.filter.with(|filter| filter.trash).to_string()
                on:click=move |_| change(&|filter| *filter = Filter { trash: !filter.trash, ..Filter::default() })
            >
                {icon("trash")}
                {move || t_string!(i18n, gallery.trash)}
            </button>
            <Show when=move || shelf.filter.with(|filter| filter.trash)>
                <button type="button" class="btn" on:click=empty>
                    {move || t_string!(i18n, gallery.empty_trash)}
                </button>
            </Show>
            <Show when=move || shelf.filter.with(|filter| filter.folder.is_some())>
                <button
                    type="button"
                    class="btn-icon"
                    aria-label=move || t_string!(i18n, gallery.remove_folder)
                    title=move || t_string!(i18n, gallery.remove_folder)
                    on:click=remove
                >
                    {icon("close")}
                </button>
            </Show>
            <Show when=move || naming.get()>
                <form class="filter-name" on:submit=make>
                    <input
                        class="text"
                        type="text"
                        autofocus
                        aria-label=move || t_string!(i18n, gallery.folder_name)
                        placeholder=move || t_string!(i18n, gallery.folder_name)
                        prop:value=move || name.get()
                        on:input=move |event| name.set(event_target_value(&event))
                    />
                    <button type="submit" class="btn">{move || t_string!(i18n, gallery.make_folder)}</button>
                </form>
            </Show>
        </div>
    }
}

/// Tells why something was refused.
pub fn tell(i18n: i18n::Language, toasts: Toasts, failure: &Failure) {
    toasts.warn(untrack(|| i18n::failure(i18n, failure)).fact);
}
