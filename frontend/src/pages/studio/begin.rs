//! The picture that is begun from, with or without a mask, and how much of it may change.

use chapan_api::{generation::limits, image::ImageView};
use leptos::{prelude::*, task::spawn_local};

use crate::{
    components::{
        check::Check,
        icon::icon,
        picture_input::PictureInput,
        slider::{FaultLine, Range, Slider},
    },
    i18n::{Words, t_string, use_i18n},
    state::{
        draft::{Draft, Kind},
        mask::MaskDraft,
    },
};

const STRENGTH: Range = Range { min: 0.0, max: 1.0, step: 0.05, reset: limits::DEFAULT_STRENGTH };
const BLUR: Range = Range { min: 0.0, max: 32.0, step: 1.0, reset: limits::DEFAULT_MASK_BLUR };
const PADDING: Range = Range { min: 0.0, max: 128.0, step: 8.0, reset: 32.0 };

/// The picture, its strength, and its mask.
#[component]
pub fn Begin(
    /// The draft.
    draft: Draft,
    /// The side of the square that the model was made for.
    #[prop(into)]
    side: Signal<u32>,
    /// Takes a picture that was brought in.
    brought: RwSignal<Option<ImageView>>,
    /// What is wrong with a field.
    fault: Callback<&'static str, Option<Words>>,
) -> impl IntoView {
    let masks = expect_context::<MaskDraft>();
    let shown = draft.picture;
    let of = move |field: &'static str| Signal::derive(move || fault.run(field));
    Effect::new(move |_| {
        if let Some(view) = shown.get() {
            spawn_local(masks.fit(view.width as usize, view.height as usize));
        }
    });
    let bring = move |view: ImageView| {
        draft.begin_from(&view, draft.kind.get_untracked(), side.get_untracked());
        // What its file says is worth a word only where it says something.
        brought.set(Some(view).filter(|view| view.record.is_some() || view.imported.is_some()));
    };
    let over = Signal::derive(move || (draft.kind.get() == Kind::Mask).then(|| masks.picture()).flatten());
    view! {
            <PictureInput
                id="image"
                label=|i18n| t_string!(i18n, studio.image)
                tip=|i18n| t_string!(i18n, studio.image_tip)
                image=draft.image
                shown
                over
                brought=bring
                fault=of("image")
            />
            <Show when=move || draft.kind.get() == Kind::Mask>
                <MaskPart draft fault=of("mask_image") />
            </Show>
            <Slider
                id="strength"
                label=|i18n| t_string!(i18n, studio.strength)
                tip=|i18n| t_string!(i18n, studio.strength_tip)
                value=draft.strength
                range=STRENGTH
                fault=of("strength")
            />
    }
}

/// The way into the editor.
#[component]
fn MaskPart(draft: Draft, #[prop(into)] fault: Signal<Option<Words>>) -> impl IntoView {
    let i18n = use_i18n();
    let masks = expect_context::<MaskDraft>();
    let painted = move || masks.picture().is_some();
    view! {
        <div class="field">
            <div class="mask-way">
                <button
                    type="button"
                    class="btn"
                    id="mask_image"
                    disabled=move || draft.picture.with(Option::is_none)
                    on:click=move |_| draft.mask_open.set(true)
                >
                    {icon("mask")}
                    {move || if painted() { t_string!(i18n, studio.edit_mask) } else { t_string!(i18n, studio.paint_mask) }}
                </button>
                <span class="field-state numeric">
                    {move || {
                        let percent = format!("{:.0}", masks.share() * 100.0);
                        painted().then(|| t_string!(i18n, mask.covers, percent = percent))
                    }}
                </span>
            </div>
            <FaultLine id="mask_image" fault />
        </div>
    }
}

/// How the masked part is worked on.
#[component]
pub fn MaskSettings(
    /// The draft.
    draft: Draft,
    /// What is wrong with a field.
    fault: Callback<&'static str, Option<Words>>,
) -> impl IntoView {
    let of = move |field: &'static str| Signal::derive(move || fault.run(field));
    view! {
        <Slider
            id="mask_blur"
            label=|i18n| t_string!(i18n, studio.mask_blur)
            tip=|i18n| t_string!(i18n, studio.mask_blur_tip)
            value=draft.mask_blur
            range=BLUR
            fault=of("mask_blur")
        />
        <Check
            label=|i18n| t_string!(i18n, studio.masked_noise)
            tip=|i18n| t_string!(i18n, studio.masked_noise_tip)
            value=draft.masked_noise
        />
        <Check
            label=|i18n| t_string!(i18n, studio.only_masked)
            tip=|i18n| t_string!(i18n, studio.only_masked_tip)
            value=draft.only_masked
        />
        <Show when=move || draft.only_masked.get()>
            <Slider
                id="padding_mask_crop"
                label=|i18n| t_string!(i18n, studio.padding)
                tip=|i18n| t_string!(i18n, studio.padding_tip)
                value=draft.padding
                range=PADDING
                fault=of("padding_mask_crop")
            />
        </Show>
    }
}
