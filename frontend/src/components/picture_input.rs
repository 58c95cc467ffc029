//! A place that takes a picture: dropped on it, pasted, chosen from a file, or dragged here from the gallery.

use chapan_api::{id::ImageId, image::ImageView};
use leptos::{ev, html, prelude::*, task::spawn_local};
use web_sys::DataTransfer;

use super::{dropped::Dropped, icon::icon, slider::FaultLine, tip::Tip};
use crate::{
    api::Failure,
    i18n::{self, Says, Words, t_string, use_i18n},
    state::{connection::Connection, pictures::Pictures},
};

/// A place for one picture.
#[component]
pub fn PictureInput(
    /// Name of the field, unique on the page.
    id: &'static str,
    /// Label.
    label: Says,
    /// The sentence that teaches.
    tip: Says,
    /// Which picture is there.
    image: RwSignal<Option<ImageId>>,
    /// The picture itself, once it is known.
    shown: RwSignal<Option<ImageView>>,
    /// A picture in a data address to lay over it.
    #[prop(into)]
    over: Signal<Option<String>>,
    /// Takes a picture that has just been brought in.
    #[prop(into)]
    brought: Callback<ImageView>,
    /// What is wrong.
    #[prop(into)]
    fault: Signal<Option<Words>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let connection = expect_context::<Connection>();
    let chooser = NodeRef::<html::Input>::new();
    let busy = RwSignal::new(false);
    let over_it = RwSignal::new(false);
    let failure = RwSignal::new(None::<Failure>);
    // A kept picture is known by its id alone.
    Effect::new(move |_| {
        connection.returns();
        let wanted = image.get();
        if wanted == shown.with_untracked(|shown| shown.as_ref().map(|view| view.id.clone())) {
            return;
        }
        shown.set(None);
        let Some(id) = wanted else { return };
        spawn_local(async move {
            match pictures.fetch(&id).await {
                Ok(view) if image.get_untracked() == Some(id) => {
                    shown.try_set(Some(view));
                }
                Ok(_) => {}
                Err(refusal) => {
                    // It is not there any more: the place is free again.
                    if matches!(refusal, Failure::Refused(_)) {
                        image.try_set(None);
                    }
                    failure.try_set(Some(refusal));
                }
            }
        });
    });
    let put = move |view: ImageView| {
        shown.try_set(Some(view.clone()));
        image.try_set(Some(view.id.clone()));
        brought.try_run(view);
    };
    let bring = move |dropped: Dropped| {
        busy.set(true);
        failure.set(None);
        spawn_local(async move {
            match dropped.picture(pictures, connection).await {
                Ok(view) => put(view),
                Err(refusal) => {
                    failure.try_set(Some(refusal));
                }
            }
            busy.try_set(false);
        });
    };
    let take = move |data: Option<DataTransfer>| {
        let dropped = data.as_ref().and_then(Dropped::of);
        let found = dropped.is_some();
        dropped.into_iter().for_each(bring);
        found
    };
    let pasted = window_event_listener(ev::paste, move |event| {
        if take(event.clipboard_data()) {
            event.prevent_default();
        }
    });
    on_cleanup(move || pasted.remove());
    let choose = move |_| {
        if let Some(field) = chooser.get_untracked() {
            field.click();
        }
    };
    let chosen = move |_| {
        let Some(field) = chooser.get_untracked() else { return };
        if let Some(file) = field.files().and_then(|files| files.get(0)) {
            bring(Dropped::File(file.into()));
        }
        field.set_value("");
    };
    view! {
        <div class="field">
            <div class="field-head">
                <span class="field-label">{move || label(i18n)}</span>
                <Tip about=label words=tip />
            </div>
            <div
                class="drop"
                class:drop-over=move || over_it.get()
                on:dragover=move |event| {
                    event.prevent_default();
                    over_it.set(true);
                }
                on:dragleave=move |_| over_it.set(false)
                on:drop=move |event| {
                    event.prevent_default();
                    event.stop_propagation();
                    over_it.set(false);
                    take(event.data_transfer());
                }
            >
                {move || match shown.get() {
                    Some(view) => {
                        let about = view.prompt().to_owned();
                        view! {
                            <div class="drop-picture" style=("--w", view.width.to_string()) style=("--h", view.height.to_string())>
                                <img src=view.url.clone() alt=about />
                                {move || over.get().map(|src| view! { <img class="drop-mask" src=src alt="" /> })}
                            </div>
                            <div class="drop-side">
                                <p class="numeric">{format!("{} × {}", view.width, view.height)}</p>
                                <button type="button" class="btn" id=id on:click=choose>
                                    {icon("upload")}
                                    {move || t_string!(i18n, studio.other_picture)}
                                </button>
                                <button
                                    type="button"
                                    class="btn"
                                    on:click=move |_| image.set(None)
                                >
                                    {icon("close")}
                                    {move || t_string!(i18n, studio.no_picture)}
                                </button>
                            </div>
                        }
                            .into_any()
                    }
                    None => {
                        view! {
                            <button type="button" class="drop-empty" id=id disabled=move || busy.get() on:click=choose>
                                {icon("upload")}
                                <span>
                                    {move || {
                                        if busy.get() {
                                            t_string!(i18n, studio.sending)
                                        } else {
                                            t_string!(i18n, studio.bring_picture)
                                        }
                                    }}
                                </span>
                            </button>
                        }
                            .into_any()
                    }
                }}
            </div>
            <input
                node_ref=chooser
                type="file"
                accept="image/png,image/jpeg,image/webp"
                hidden
                aria-label=move || label(i18n)
                on:change=chosen
            />
            <FaultLine
                id
                fault=Signal::derive(move || {
                    failure.get().map(|failure| i18n::failure(i18n, &failure)).or_else(|| fault.get())
                })
            />
        </div>
    }
}
