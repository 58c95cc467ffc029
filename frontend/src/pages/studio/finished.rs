//! A finished picture: itself, its seed, and what can be done with it.

use chapan_api::image::{ImageRecord, ImageView};
use leptos::prelude::*;

use super::schedulers;
use crate::{
    components::{
        copy_button::CopyButton,
        picture::{Mat, PixelToggle},
        record::{OpenInGallery, PictureActions, title},
    },
    i18n::{t_string, use_i18n},
};

/// A picture on the stage.
#[component]
pub fn Finished(
    /// The picture.
    image: ImageView,
) -> impl IntoView {
    let i18n = use_i18n();
    let alt = title(&image);
    let words = title(&image);
    let facts = image.record.clone().map(|record| view! { <Facts record duration_ms=image.duration_ms /> });
    view! {
        <Mat
            src=Signal::stored(Some(image.url.clone()))
            alt=Signal::derive(move || alt(i18n))
            size=Signal::stored((image.width, image.height))
        />
        <div class="caption">
            <p class="caption-prompt">{move || words(i18n)}</p>
            <div class="caption-row">
                {facts}
                <div class="caption-actions">
                    <PixelToggle />
                    <OpenInGallery place=format!("/gallery/{}", image.id) />
                    <PictureActions image />
                </div>
            </div>
        </div>
    }
}

/// How a picture was made, in one line.
#[component]
fn Facts(record: ImageRecord, duration_ms: u64) -> impl IntoView {
    let i18n = use_i18n();
    let seed = record.seed.to_string();
    let seconds = format!("{:.1}", duration_ms as f64 / 1000.0);
    let facts = format!(
        "{} · {} · {} × {}",
        record.num_inference_steps,
        schedulers::name(&record.scheduler),
        record.width,
        record.height,
    );
    view! {
        <p class="caption-facts numeric">
            <span class="seed">
                {move || t_string!(i18n, studio.seed)} " " <code data-testid="seed-used">{seed.clone()}</code>
                <CopyButton label=|i18n| t_string!(i18n, studio.copy_seed) text=Signal::stored(seed.clone()) />
            </span>
            <span class="caption-side">
                {move || t_string!(i18n, studio.steps)} " " {facts.clone()} " · "
                {move || t_string!(i18n, gallery.seconds, seconds = seconds.clone()).clone()}
            </span>
        </p>
    }
}
