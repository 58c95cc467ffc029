//! What can be done with a picture: begin from it, enlarge it, take over how it was made, save it.

use chapan_api::{
    id::ModelId,
    image::{ImageRecord, ImageView},
    upscale::CreateUpscale,
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, components::A, hooks::use_navigate};

use super::{icon::icon, upscaler::UpscalerSelect};
use crate::{
    i18n::{self, Says, t_string, use_i18n},
    state::{
        draft::{Draft, Kind},
        jobs::Jobs,
        mask::MaskDraft,
        models::Models,
        pictures::{Pictures, file_name},
        toast::Toasts,
    },
};

/// The actions: two in sight, the rest behind a button.
#[component]
pub fn PictureActions(
    /// The picture.
    image: ImageView,
) -> impl IntoView {
    let i18n = use_i18n();
    let draft = expect_context::<Draft>();
    let models = expect_context::<Models>();
    let navigate = use_navigate();
    let to_studio = Callback::new(move |()| navigate("/studio?new", NavigateOptions::default()));
    let begin = {
        let image = image.clone();
        Callback::new(move |kind: Kind| {
            let side = untrack(|| models.side(&draft.model.get()));
            draft.begin_from(&image, kind, side);
            draft.mask_open.set(kind == Kind::Mask);
            to_studio.run(());
        })
    };
    let compare = format!("/compare?first={}", image.id);
    let look = format!("/microscope?image={}", image.id);
    let name = file_name(&image);
    let url = image.url.clone();
    view! {
        <button type="button" class="btn" on:click=move |_| begin.run(Kind::Picture)>
            {icon("image")}
            {move || t_string!(i18n, gallery.begin_from)}
        </button>
        <button type="button" class="btn" on:click=move |_| begin.run(Kind::Mask)>
            {icon("mask")}
            {move || t_string!(i18n, studio.paint_mask)}
        </button>
        <UseMenu image=image.clone() />
        <EnlargeMenu image />
        <A
            href=compare
            attr:class="btn-icon"
            attr:title=move || t_string!(i18n, compare.compare_with)
            attr:aria-label=move || t_string!(i18n, compare.compare_with)
        >
            {icon("halves")}
        </A>
        <A
            href=look
            attr:class="btn-icon"
            attr:title=move || t_string!(i18n, microscope.see_steps)
            attr:aria-label=move || t_string!(i18n, microscope.see_steps)
        >
            {icon("microscope")}
        </A>
        <a class="btn" href=url download=name rel="external">
            {icon("download")}
            {move || t_string!(i18n, gallery.download)}
        </a>
    }
}

/// Seed, prompt, or everything.
#[component]
fn UseMenu(image: ImageView) -> impl IntoView {
    let i18n = use_i18n();
    let draft = expect_context::<Draft>();
    let toasts = expect_context::<Toasts>();
    let navigate = use_navigate();
    let open = format!("/studio?image={}", image.id);
    let taken = Callback::new(move |words: &'static str| {
        toasts.tell(words);
        navigate(&open, NavigateOptions::default());
    });
    let take_mask = take_mask();
    image.record.map(|record| {
        let record = StoredValue::new(record);
        view! {
            <button
                type="button"
                class="btn"
                on:click=move |_| {
                    record.with_value(|record| {
                        draft.take(record);
                        take_mask.run(record.clone());
                    });
                    taken.run(t_string!(i18n, gallery.settings_taken));
                }
            >
                {icon("sliders")}
                {move || t_string!(i18n, gallery.use_settings)}
            </button>
            <Menu name=|i18n| t_string!(i18n, gallery.use_part)>
                <button
                    type="button"
                    class="menu-item"
                    on:click=move |_| {
                        draft.seed.set(record.with_value(|record| record.seed.to_string()));
                        draft.seed_fixed.set(true);
                        taken.run(t_string!(i18n, gallery.seed_taken));
                    }
                >
                    {move || t_string!(i18n, gallery.use_seed)}
                </button>
                <button
                    type="button"
                    class="menu-item"
                    on:click=move |_| {
                        record.with_value(|record| {
                            draft.prompt.set(record.prompt.clone());
                            draft.negative_prompt.set(record.negative_prompt.clone().unwrap_or_default());
                        });
                        taken.run(t_string!(i18n, gallery.prompt_taken));
                    }
                >
                    {move || t_string!(i18n, gallery.use_prompt)}
                </button>
            </Menu>
        }
    })
}

/// Brings the mask of a record along with its settings; says so when it is not there any more.
pub fn take_mask() -> Callback<ImageRecord> {
    let i18n = use_i18n();
    let (masks, pictures) = (expect_context::<MaskDraft>(), expect_context::<Pictures>());
    let toasts = expect_context::<Toasts>();
    Callback::new(move |record: ImageRecord| {
        let Some(id) = record.ingredients.mask_image.and_then(|mask| mask.id) else { return };
        spawn_local(async move {
            let taken = match pictures.fetch(&id).await {
                Ok(view) => masks.take(&view).await,
                Err(_) => false,
            };
            if !taken {
                toasts.warn(untrack(|| t_string!(i18n, gallery.mask_is_gone).to_owned()));
            }
        });
    })
}

/// A larger copy, where an upscaler is installed.
#[component]
fn EnlargeMenu(image: ImageView) -> impl IntoView {
    let i18n = use_i18n();
    let jobs = expect_context::<Jobs>();
    let models = expect_context::<Models>();
    let toasts = expect_context::<Toasts>();
    let navigate = use_navigate();
    let id = StoredValue::new(image.id);
    let (width, height) = (image.width, image.height);
    // Empty is the server's first.
    let upscaler = RwSignal::new(String::new());
    let enlarge = Callback::new(move |scale: u32| {
        let navigate = navigate.clone();
        let model = Some(upscaler.get_untracked()).filter(|id| !id.is_empty()).map(ModelId::new);
        spawn_local(async move {
            let request = CreateUpscale { image: id.get_value(), scale: scale.into(), model };
            match jobs.submit_upscale(&request).await {
                Ok(job) => navigate(&format!("/studio?job={}", job.id), NavigateOptions::default()),
                Err(failure) => toasts.warn(untrack(|| i18n::failure(i18n, &failure)).fact),
            }
        });
    });
    view! {
        <Menu name=|i18n| t_string!(i18n, gallery.enlarge)>
            <UpscalerSelect id="enlarge-with" value=upscaler />
            {move || {
                if models.upscalers().is_empty() {
                    view! { <p class="menu-words">{t_string!(i18n, gallery.no_upscaler)}</p> }.into_any()
                } else {
                    [2, 4]
                        .map(|scale| {
                            let request = CreateUpscale { image: id.get_value(), scale: scale.into(), model: None };
                            let fits = request.validate_size(width, height).is_ok();
                            view! {
                                <button
                                    type="button"
                                    class="menu-item numeric"
                                    disabled=!fits
                                    on:click=move |_| enlarge.run(scale)
                                >
                                    {format!("{scale}×  {} × {}", width * scale, height * scale)}
                                </button>
                            }
                        })
                        .collect_view()
                        .into_any()
                }
            }}
        </Menu>
    }
}

/// A button that unfolds a short list.
#[component]
fn Menu(name: Says, children: Children) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <details class="menu">
            <summary class="btn">
                {move || name(i18n)}
                {icon("up")}
            </summary>
            <div class="menu-list">{children()}</div>
        </details>
    }
}
