//! A picture that was brought in and says how it was made: what can be taken over, and what is lost.

use chapan_api::{
    image::ImageView,
    metadata::{LostReason, MetadataSource},
};
use leptos::prelude::*;

use crate::{
    components::{actions::take_mask, icon::icon},
    i18n::{Language, t_string, use_i18n},
    state::{
        draft::{Draft, Kind},
        models::Models,
    },
};

/// Tells what a picture's file says, and offers it.
#[component]
pub fn ImportedNotice(
    /// The picture.
    image: ImageView,
    /// The draft that can take it over.
    draft: Draft,
    /// Closes the notice.
    #[prop(into)]
    close: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let said = image.record.is_some() || image.imported.is_some();
    let models = expect_context::<Models>();
    let whole = StoredValue::new(image.clone());
    let begin = move |_| {
        let side = untrack(|| models.side(&draft.model.get()));
        whole.with_value(|image| draft.begin_from(image, Kind::Picture, side));
        close.run(());
    };
    let (record, imported) = (image.record, image.imported);
    let source = imported.as_ref().map_or("Chapan", |imported| program(imported.source));
    let lost = imported.as_ref().map(|imported| imported.lost.clone()).unwrap_or_default();
    let take_mask = take_mask();
    let take = move |_| {
        let image = draft.image.get_untracked();
        if let Some(record) = &record {
            draft.take(record);
            take_mask.run(record.clone());
        } else if let Some(imported) = &imported {
            draft.take_imported(&imported.parameters);
        }
        // Its settings are wanted; a picture that is there already stays.
        if image.is_some() {
            draft.image.set(image);
        }
        close.run(());
    };
    view! {
            <div class="notice imported" role="status">
                {icon("info")}
                <div class="notice-words">
                    <p class="notice-fact">
                        {move || {
                            if said {
                                t_string!(i18n, studio.says_how, program = source)
                            } else {
                                t_string!(i18n, studio.says_nothing).to_owned()
                            }
                        }}
                    </p>
                    {(!lost.is_empty())
                        .then(|| {
                            let count = lost.len();
                            view! {
                                <details class="imported-lost">
                                    <summary>{move || t_string!(i18n, studio.lost, count = count)}</summary>
                                    <ul>
                                        {lost
                                            .into_iter()
                                            .map(|lost| {
                                                let why = lost.why;
                                                view! {
                                                    <li>
                                                        <strong>{lost.what}</strong> " " <code>{lost.value}</code> " – "
                                                        {move || reason(i18n, why)}
                                                    </li>
                                                }
                                            })
                                            .collect_view()}
                                    </ul>
                                </details>
                            }
                        })}
                    <div class="imported-ways">
                        {said
                            .then(|| {
                                view! {
                                    <button type="button" class="btn" on:click=take>
                                        {icon("sliders")}
                                        {move || t_string!(i18n, gallery.use_settings)}
                                    </button>
                                }
                            })}
                        <Show when=move || draft.image.with(Option::is_none)>
                            <button type="button" class="btn" on:click=begin>
                                {icon("image")}
                                {move || t_string!(i18n, gallery.begin_from)}
                            </button>
                        </Show>
                        <button type="button" class="btn" on:click=move |_| close.run(())>
                            {move || t_string!(i18n, frame.close)}
                        </button>
                    </div>
                </div>
            </div>
    }
}

/// Why something is lost, in words.
fn reason(i18n: Language, why: LostReason) -> &'static str {
    match why {
        LostReason::NotSupported => t_string!(i18n, studio.lost_not_supported),
        LostReason::OutOfRange => t_string!(i18n, studio.lost_out_of_range),
        LostReason::UnknownName => t_string!(i18n, studio.lost_unknown_name),
        LostReason::NotInFile => t_string!(i18n, studio.lost_not_in_file),
        LostReason::Malformed => t_string!(i18n, studio.lost_malformed),
    }
}

/// The program by its own name.
fn program(source: MetadataSource) -> &'static str {
    match source {
        MetadataSource::Chapan => "Chapan",
        MetadataSource::A1111 => "A1111",
        MetadataSource::ComfyUi => "ComfyUI",
        MetadataSource::InvokeAi => "InvokeAI",
        MetadataSource::SwarmUi => "SwarmUI",
    }
}
