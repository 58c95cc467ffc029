//! The references as cards: the picture, its caption, whether it is held out, what the CLIP sees in it.

use chapan_api::{
    analysis::PictureAnalysis,
    dataset::{DatasetPicture, UpdatePicture},
};
use leptos::prelude::*;

use super::{analysis::Groups, collection::Collection};
use crate::{
    api,
    components::icon::icon,
    i18n::{t_string, use_i18n},
};

/// All cards.
#[component]
pub fn Pictures(set: Collection) -> impl IntoView {
    let i18n = use_i18n();
    let pictures =
        move || set.view.with(|view| view.as_ref().map(|view| view.pictures.clone()).unwrap_or_default());
    view! {
        <ul class="refs" aria-label=move || t_string!(i18n, training.references)>
            <For each=pictures key=|picture| picture.clone_key() let:picture>
                <Card set picture />
            </For>
        </ul>
    }
}

/// What tells one state of a card from another.
trait Key {
    fn clone_key(&self) -> (String, String, bool, Option<String>);
}

impl Key for DatasetPicture {
    fn clone_key(&self) -> (String, String, bool, Option<String>) {
        let seen = self.analysis.as_ref().map(|seen| format!("{:?}", seen.groups));
        (self.image.to_string(), self.caption.clone(), self.held_out, seen)
    }
}

#[component]
fn Card(set: Collection, picture: DatasetPicture) -> impl IntoView {
    let i18n = use_i18n();
    let image = StoredValue::new(picture.image.clone());
    let name = StoredValue::new(picture.name.clone());
    let held_out = picture.held_out;
    let caption = StoredValue::new(picture.caption.clone());
    let keep = move |text: String| {
        let text = text.trim().to_owned();
        if text != caption.get_value() {
            let caption = Some(text);
            set.update_picture(UpdatePicture { image: image.get_value(), caption, held_out: None });
        }
    };
    let hold = move |event| {
        let held_out = Some(event_target_checked(&event));
        set.update_picture(UpdatePicture { image: image.get_value(), caption: None, held_out });
    };
    view! {
        <li class="ref" class:ref-held=held_out>
            <div class="ref-picture">
                <img
                    src=api::image::file(&picture.image)
                    alt=picture.caption.clone()
                    loading="lazy"
                    decoding="async"
                />
                <Show when=move || held_out>
                    <span class="ref-mark">{move || t_string!(i18n, training.held_out)}</span>
                </Show>
                <button
                    type="button"
                    class="btn-icon ref-out"
                    aria-label=move || t_string!(i18n, training.take_out, name = name.get_value())
                    title=move || t_string!(i18n, training.take_out, name = name.get_value())
                    on:click=move |_| set.take_out(image.get_value())
                >
                    {icon("trash")}
                </button>
            </div>
            <textarea
                class="text ref-caption"
                rows="2"
                lang="en"
                maxlength="2000"
                aria-label=move || t_string!(i18n, training.caption_of, name = name.get_value())
                placeholder=move || t_string!(i18n, training.no_caption)
                prop:value=picture.caption.clone()
                on:change=move |event| keep(event_target_value(&event))
            ></textarea>
            {picture.analysis.map(|seen| view! { <Seen seen caption keep /> })}
            <label class="ref-hold">
                <input type="checkbox" prop:checked=held_out on:change=hold />
                {move || t_string!(i18n, training.hold_out)}
            </label>
        </li>
    }
}

/// What the CLIP sees in one picture, and the caption that follows.
#[component]
fn Seen(
    seen: PictureAnalysis,
    caption: StoredValue<String>,
    keep: impl Fn(String) + Copy + 'static,
) -> impl IntoView {
    let i18n = use_i18n();
    let suggested = StoredValue::new(seen.caption.clone());
    let differs = !seen.caption.is_empty() && caption.with_value(|caption| *caption != seen.caption);
    let unsure = seen.groups.iter().filter(|group| group.unsure).count();
    view! {
        {differs
            .then(|| {
                view! {
                    <button
                        type="button"
                        class="ref-suggest"
                        title=move || t_string!(i18n, training.take_caption)
                        on:click=move |_| keep(suggested.get_value())
                    >
                        {icon("check")}
                        <span>
                            <span class="ref-suggest-name">{move || t_string!(i18n, training.take_caption)}</span>
                            <span lang="en">{suggested.get_value()}</span>
                        </span>
                    </button>
                }
            })}
        <details class="ref-seen">
            <summary>
                {icon("right")}
                {move || t_string!(i18n, training.what_clip_sees)}
                {(unsure > 0)
                    .then(|| {
                        view! { <span class="ref-unsure">{move || t_string!(i18n, training.unsure_count, count = unsure)}</span> }
                    })}
            </summary>
            <Groups groups=seen.groups />
        </details>
    }
}
