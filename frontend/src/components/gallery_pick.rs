//! A dialog in which pictures of the gallery are chosen.

use chapan_api::id::ImageId;
use leptos::{ev, html, prelude::*};

use super::{icon::icon, record::title};
use crate::{
    i18n::{t_string, use_i18n},
    state::pictures::Pictures,
};

/// The button and its dialog.
#[component]
pub fn GalleryPick(
    /// Takes the chosen pictures, in the order in which they were chosen.
    #[prop(into)]
    take: Callback<Vec<ImageId>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let dialog = NodeRef::<html::Dialog>::new();
    let chosen = RwSignal::new(Vec::<ImageId>::new());
    let open = move |_| {
        chosen.set(Vec::new());
        if let Some(dialog) = dialog.get_untracked() {
            // It is refused only for a dialog that is open already.
            drop(dialog.show_modal());
        }
    };
    let close = move || {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let done = move |_: ev::MouseEvent| {
        close();
        take.run(chosen.get_untracked());
    };
    let toggle = move |id: &ImageId| {
        chosen.update(|chosen| match chosen.iter().position(|one| one == id) {
            Some(place) => drop(chosen.remove(place)),
            None => chosen.push(id.clone()),
        });
    };
    view! {
        <button type="button" class="btn" on:click=open disabled=move || pictures.items().with(Vec::is_empty)>
            {icon("gallery")}
            {move || t_string!(i18n, training.from_gallery)}
        </button>
        <dialog node_ref=dialog class="pick" aria-label=move || t_string!(i18n, training.from_gallery)>
            <header class="pick-head">
                <h2>{move || t_string!(i18n, training.choose_pictures)}</h2>
                <button
                    type="button"
                    class="btn-icon"
                    aria-label=move || t_string!(i18n, frame.close)
                    on:click=move |_| close()
                >
                    {icon("close")}
                </button>
            </header>
            <ul class="pick-grid">
                <For each=move || pictures.items().get() key=|image| image.id.clone() let:image>
                    {
                        let (label, tip) = (title(&image), title(&image));
                        let (own, id) = (image.id.clone(), image.id.clone());
                        view! {
                            <li>
                                <button
                                    type="button"
                                    class="frame pick-frame"
                                    aria-pressed=move || chosen.with(|chosen| chosen.contains(&own)).to_string()
                                    aria-label=move || label(i18n)
                                    title=move || tip(i18n)
                                    on:click=move |_| toggle(&id)
                                >
                                    <img src=image.url.clone() alt="" loading="lazy" decoding="async" />
                                </button>
                            </li>
                        }
                    }
                </For>
            </ul>
            <footer class="pick-foot">
                <Show when=move || pictures.has_more()>
                    <button
                        type="button"
                        class="btn"
                        disabled=move || pictures.is_loading()
                        on:click=move |_| pictures.load_more()
                    >
                        {move || t_string!(i18n, gallery.more)}
                    </button>
                </Show>
                <button
                    type="button"
                    class="btn btn-primary"
                    disabled=move || chosen.with(Vec::is_empty)
                    on:click=done
                >
                    {icon("check")}
                    {move || t_string!(i18n, training.take_chosen, count = chosen.with(Vec::len))}
                </button>
            </footer>
        </dialog>
    }
}
