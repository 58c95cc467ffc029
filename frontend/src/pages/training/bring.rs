//! The place where references come in: files, a folder, a zip, pictures of the gallery, the example that ships.

use chapan_api::{
    dataset::{CreateDataset, DatasetView, UpdateDataset, UpdatePicture},
    id::{DatasetId, ImageId},
};
use leptos::{html, prelude::*, task::spawn_local};
use web_sys::File;

use super::files::{self, Came, Sorted};
use crate::{
    api::{self, Failure},
    components::{gallery_pick::GalleryPick, icon::icon, notice::ErrorNotice},
    i18n::{self, t_string, use_i18n},
    state::{connection::Connection, toast::Toasts},
};

/// The references that ship.
const EXAMPLE: &str = "aldar";

/// The place. Without a dataset it makes one.
#[component]
pub fn Bring(
    /// The dataset that grows.
    #[prop(optional_no_strip)]
    into: Option<DatasetId>,
    /// Takes the dataset as it is then.
    #[prop(into)]
    brought: Callback<DatasetView>,
) -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let toasts = expect_context::<Toasts>();
    let (files_field, folder_field) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let over = RwSignal::new(false);
    let sending = RwSignal::new(None::<(usize, usize)>);
    let refused = RwSignal::new(Vec::<(String, Failure)>::new());
    let failure = RwSignal::new(None::<Failure>);
    let nothing = RwSignal::new(false);
    let is_new = into.is_none();
    let into = StoredValue::new(into);
    Effect::new(move |_| {
        if let Some(field) = folder_field.get() {
            // It is refused for names that no attribute may have; this is one.
            drop(field.set_attribute("webkitdirectory", ""));
        }
    });
    let end = move |answer: Result<DatasetView, Failure>| {
        sending.try_set(None);
        match connection.note(answer) {
            Ok(view) => drop(brought.try_run(view)),
            Err(refusal) => drop(failure.try_set(Some(refusal))),
        }
    };
    let begin = move |of: usize| {
        failure.set(None);
        nothing.set(false);
        refused.set(Vec::new());
        sending.set(Some((0, of)));
    };
    let take = move |files: Vec<File>| {
        let mut sorted = Sorted::of(files);
        if let Some(archive) = sorted.archive.take().filter(|_| is_new && sorted.count() == 0) {
            begin(1);
            let name = archive.name();
            let name = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
            spawn_local(async move { end(api::dataset::create_from_archive(&name, &archive).await) });
            return;
        }
        let count = sorted.count();
        nothing.set(count == 0);
        if count == 0 {
            return;
        }
        begin(count);
        let name = sorted.folder();
        let name = name.unwrap_or_else(|| t_string!(i18n, training.new_name).to_owned());
        spawn_local(async move {
            let told = move |done: usize, fault: Option<(String, Failure)>| {
                sending.try_set(Some((done, count)));
                if let Some(fault) = fault {
                    refused.try_update(|refused| refused.push(fault));
                }
            };
            let came = sorted.send(told).await;
            // With the first pictures comes another part of the page: what was left out is told there, too.
            let names = refused.try_with_untracked(|refused| {
                refused.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
            });
            if let Some(names) = names.filter(|names| is_new && !names.is_empty()) {
                toasts.warn(untrack(|| t_string!(i18n, training.left_out, names = names)));
            }
            if came.is_empty() {
                sending.try_set(None);
                return;
            }
            end(keep(into.try_get_value().flatten(), name, came).await);
        });
    };
    let take_ids = move |images: Vec<ImageId>| {
        begin(images.len());
        let name = t_string!(i18n, training.new_name).to_owned();
        let came = images.into_iter().map(|image| Came { image, caption: None, held_out: false }).collect();
        spawn_local(async move { end(keep(into.try_get_value().flatten(), name, came).await) });
    };
    let example = move |_| {
        begin(1);
        spawn_local(async move { end(api::dataset::create_example(EXAMPLE).await) });
    };
    let busy = move || sending.with(Option::is_some);
    let click = |field: NodeRef<html::Input>| {
        move |_| {
            if let Some(field) = field.get_untracked() {
                field.click();
            }
        }
    };
    let changed = move |field: NodeRef<html::Input>| {
        move |_| {
            let Some(field) = field.get_untracked() else { return };
            take(files::chosen(field.files()));
            field.set_value("");
        }
    };
    view! {
        <div
            class="bring"
            class:bring-over=move || over.get()
            class:bring-more=!is_new
            on:dragover=move |event| {
                event.prevent_default();
                over.set(true);
            }
            on:dragleave=move |_| over.set(false)
            on:drop=move |event| {
                event.prevent_default();
                over.set(false);
                let Some(found) = event.data_transfer().and_then(|data| files::dropped(&data)) else { return };
                spawn_local(async move {
                    if let Ok(found) = found.await {
                        take(files::list(&found));
                    }
                });
            }
        >
            {is_new.then(|| icon("upload"))}
            <p class="bring-words" role="status">
                {move || match sending.get() {
                    Some((done, of)) if of > 1 => t_string!(i18n, training.sending_of, done = done, of = of),
                    Some(_) => t_string!(i18n, studio.sending).to_owned(),
                    None if is_new => t_string!(i18n, training.bring).to_owned(),
                    None => t_string!(i18n, training.bring_more).to_owned(),
                }}
            </p>
            {is_new.then(|| view! { <p class="bring-hint">{move || t_string!(i18n, training.bring_hint)}</p> })}
            <div class="bring-ways">
                <button
                    type="button"
                    class="btn"
                    class:btn-primary=is_new
                    disabled=busy
                    on:click=click(files_field)
                >
                    {icon("image")}
                    {move || t_string!(i18n, training.choose_files)}
                </button>
                <button type="button" class="btn" disabled=busy on:click=click(folder_field)>
                    {icon("folder")}
                    {move || t_string!(i18n, training.choose_folder)}
                </button>
                <GalleryPick take=take_ids />
                {is_new
                    .then(|| {
                        view! {
                            <button type="button" class="btn" disabled=busy on:click=example>
                                {icon("star")}
                                {move || t_string!(i18n, training.take_example)}
                            </button>
                        }
                    })}
            </div>
            <input
                node_ref=files_field
                type="file"
                multiple
                hidden
                accept=if is_new { "image/png,image/jpeg,image/webp,.txt,.zip" } else { "image/png,image/jpeg,image/webp,.txt" }
                aria-label=move || t_string!(i18n, training.choose_files)
                on:change=changed(files_field)
            />
            <input
                node_ref=folder_field
                type="file"
                multiple
                hidden
                aria-label=move || t_string!(i18n, training.choose_folder)
                on:change=changed(folder_field)
            />
        </div>
        <Show when=move || nothing.get()>
            <p class="fault" role="alert">
                {icon("alert")} <span>{move || t_string!(i18n, training.no_picture_in_it)}</span>
            </p>
        </Show>
        {move || {
            failure
                .get()
                .map(|failure| view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> })
        }}
        <ul class="bring-refused">
            {move || {
                refused
                    .get()
                    .into_iter()
                    .map(|(name, failure)| {
                        let words = i18n::failure(i18n, &failure);
                        view! {
                            <li class="fault">
                                {icon("alert")}
                                <span>
                                    <strong>{name}</strong> " " {words.fact} " "
                                    <span class="fault-hint">{words.hint}</span>
                                </span>
                            </li>
                        }
                    })
                    .collect_view()
            }}
        </ul>
    }
}

/// Puts pictures that came into a dataset, or makes one of them.
async fn keep(into: Option<DatasetId>, name: String, came: Vec<Came>) -> Result<DatasetView, Failure> {
    let images: Vec<ImageId> = came.iter().map(|one| one.image.clone()).collect();
    let view = match into {
        Some(id) => api::dataset::add(&id, images).await?,
        None => api::dataset::create(&CreateDataset { name, trigger_word: None, images }).await?,
    };
    let pictures: Vec<UpdatePicture> = came
        .into_iter()
        .filter(|one| one.caption.is_some() || one.held_out)
        .map(|one| UpdatePicture {
            image: one.image,
            caption: one.caption,
            held_out: one.held_out.then_some(true),
        })
        .collect();
    if pictures.is_empty() {
        return Ok(view);
    }
    let change = UpdateDataset { pictures, ..UpdateDataset::default() };
    api::dataset::update(&view.id, &change).await
}
