//! A finished picture: itself, its seed, and what can be done with it.

use chapan_api::image::ImageView;
use leptos::prelude::*;

use super::{later, schedulers};
use crate::{
    components::{
        copy_button::CopyButton,
        picture::{Mat, PixelToggle},
        record::OpenInGallery,
    },
    i18n::{t_string, use_i18n},
    parts,
};

/// A picture on the stage.
#[component]
pub fn Finished(
    /// The picture.
    image: ImageView,
) -> impl IntoView {
    let i18n = use_i18n();
    let seconds = format!("{:.1}", image.duration_ms as f64 / 1000.0);
    let prompt = image.prompt().to_owned();
    let record = image.record.clone().filter(|_| image.enlargement.is_none());
    let how = record.as_ref().map_or_else(String::new, |record| {
        format!("{} · {} · ", record.num_inference_steps, schedulers::name(&record.scheduler))
    });
    let facts = format!("{how}{} × {}", image.width, image.height);
    let with_steps = record.is_some();
    let seed = record.map(|record| record.seed.to_string());
    view! {
        <Mat
            src=Signal::stored(Some(image.url.clone()))
            alt=Signal::stored(prompt.clone())
            size=Signal::stored((image.width, image.height))
        />
        <div class="caption">
            <p class="caption-prompt">{prompt}</p>
            <div class="caption-row">
                <p class="caption-facts numeric">
                    {seed
                        .map(|seed| {
                            view! {
                                <span class="seed">
                                    {move || t_string!(i18n, studio.seed)} " "
                                    <code data-testid="seed-used">{seed.clone()}</code>
                                    <CopyButton
                                        label=|i18n| t_string!(i18n, studio.copy_seed)
                                        text=Signal::stored(seed)
                                    />
                                </span>
                            }
                        })}
                    <span class="caption-side">
                        {with_steps.then(|| view! { {move || t_string!(i18n, studio.steps)} " " })} {facts}
                        " · " {move || t_string!(i18n, gallery.seconds, seconds = seconds)}
                    </span>
                </p>
                <div class="caption-actions">
                    <PixelToggle />
                    <OpenInGallery place=format!("/gallery/{}", image.id) />
                    {parts::in_time(move || later::actions(image.clone()))}
                </div>
            </div>
        </div>
    }
}
