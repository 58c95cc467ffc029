//! The tools beside the stage: what the hand holds, how wide and soft it is, and what changes the mask at once.

use leptos::{html, prelude::*, task::spawn_local};
use wasm_bindgen::JsCast;

use super::desk::{Desk, Tool};
use crate::{
    canvas::Board,
    components::{
        icon::icon,
        picture::PixelToggle,
        segments::{Segment, Segments},
        slider::{Range, Slider},
    },
    i18n::{Says, t_string, use_i18n},
};

/// The tools.
#[component]
pub fn Tools(
    /// What the parts of the editor share.
    desk: Desk,
) -> impl IntoView {
    let i18n = use_i18n();
    let widest = desk.widest();
    let size = Range { min: 1.0, max: (widest / 2.0).max(2.0), step: 1.0, reset: (widest / 6.0).round() };
    let softness = Range { min: 0.0, max: 100.0, step: 5.0, reset: 20.0 };
    let ways = move || desk.masks.ways();
    view! {
        <div class="mask-tools" role="group" aria-label=move || t_string!(i18n, mask.tools)>
            <Segments
                name="mask-tool"
                label=|i18n| t_string!(i18n, mask.tool)
                segments=vec![
                    Segment { icon: Some("brush"), key: Some("B"), label: |i18n| t_string!(i18n, mask.brush) },
                    Segment { icon: Some("eraser"), key: Some("E"), label: |i18n| t_string!(i18n, mask.eraser) },
                    Segment { icon: Some("lasso"), key: Some("L"), label: |i18n| t_string!(i18n, mask.lasso) },
                ]
                value=Signal::derive(move || desk.tool.get() as usize)
                choose=move |place: usize| desk.tool.set(Tool::ALL[place])
            />
            <Slider
                id="mask-size"
                label=|i18n| t_string!(i18n, mask.size)
                tip=|i18n| t_string!(i18n, mask.size_tip)
                value=desk.diameter
                range=size
                fault=Signal::stored(None)
            />
            <Slider
                id="mask-softness"
                label=|i18n| t_string!(i18n, mask.softness)
                tip=|i18n| t_string!(i18n, mask.softness_tip)
                value=desk.softness
                range=softness
                fault=Signal::stored(None)
            />
            <div class="mask-row">
                {action("undo", "Control+Z", |i18n| t_string!(i18n, mask.undo), move || !ways().0, move || desk.act(Board::undo))}
                {action("redo", "Control+Shift+Z", |i18n| t_string!(i18n, mask.redo), move || !ways().1, move || desk.act(Board::redo))}
                <span class="mask-gap"></span>
                {action("minus", "-", |i18n| t_string!(i18n, gallery.farther), || false, move || desk.zoom(0.8))}
                {action("zoom", "0", |i18n| t_string!(i18n, mask.fit), || false, move || desk.fit())}
                {action("plus", "+", |i18n| t_string!(i18n, gallery.closer), || false, move || desk.zoom(1.25))}
                <PixelToggle />
            </div>
            <div class="mask-actions">
                <button
                    type="button"
                    class="btn"
                    aria-keyshortcuts="H"
                    aria-pressed=move || desk.shows.get().to_string()
                    on:click=move |_| desk.shows.update(|shows| *shows = !*shows)
                >
                    {icon("mask")}
                    {move || t_string!(i18n, mask.show)}
                </button>
                {worded("invert", Some("I"), |i18n| t_string!(i18n, mask.invert), move || desk.act(Board::invert))}
                {worded("fill", None, |i18n| t_string!(i18n, mask.fill), move || desk.act(|board| board.fill(255)))}
                {worded("trash", None, |i18n| t_string!(i18n, mask.clear), move || desk.act(|board| board.fill(0)))}
                <Files desk />
            </div>
            <p class="mask-keys" id="mask-keys">{move || t_string!(i18n, mask.keys)}</p>
        </div>
    }
}

/// A small button that is known by its picture. One that can do nothing now keeps the focus, so that the keys still work.
fn action(
    picture: &'static str,
    keys: &'static str,
    name: Says,
    disabled: impl Fn() -> bool + Send + Sync + 'static,
    act: impl Fn() + 'static,
) -> AnyView {
    let i18n = use_i18n();
    view! {
        <button
            type="button"
            class="btn-icon"
            aria-label=move || name(i18n)
            aria-keyshortcuts=keys
            title=move || name(i18n)
            aria-disabled=move || disabled().to_string()
            on:click=move |_| act()
        >
            {icon(picture)}
        </button>
    }
    .into_any()
}

/// A button with its word.
fn worded(
    picture: &'static str,
    keys: Option<&'static str>,
    name: Says,
    act: impl Fn() + 'static,
) -> AnyView {
    let i18n = use_i18n();
    view! {
        <button type="button" class="btn" aria-keyshortcuts=keys on:click=move |_| act()>
            {icon(picture)}
            {move || name(i18n)}
        </button>
    }
    .into_any()
}

/// A mask from a file and into one.
#[component]
fn Files(desk: Desk) -> impl IntoView {
    let i18n = use_i18n();
    let failed = RwSignal::new(false);
    let chooser = NodeRef::<html::Input>::new();
    let save = move || {
        desk.masks.keep();
        let link = document().create_element("a").ok();
        if let Some(link) = link.and_then(|link| link.dyn_into::<web_sys::HtmlAnchorElement>().ok()) {
            // A blank mask is a picture too, but not one that anybody means to save.
            let Some(address) = untrack(|| desk.masks.picture()) else { return };
            link.set_href(&address);
            link.set_download("mask.png");
            link.click();
        }
    };
    let load = move |_| {
        let Some(field) = chooser.get_untracked() else { return };
        let Some(file) = field.files().and_then(|files| files.get(0)) else { return };
        field.set_value("");
        let Ok(address) = web_sys::Url::create_object_url_with_blob(&file) else { return };
        spawn_local(async move {
            let loaded = desk.masks.load(&address).await;
            // Only an address that was never made could be refused.
            let _ = web_sys::Url::revoke_object_url(&address);
            failed.set(loaded.is_none());
            desk.done(loaded);
        });
    };
    view! {
        {worded("upload", None, |i18n| t_string!(i18n, mask.load), move || {
            if let Some(field) = chooser.get_untracked() {
                field.click();
            }
        })}
        <input
            node_ref=chooser
            type="file"
            accept="image/*"
            hidden
            aria-label=move || t_string!(i18n, mask.load)
            on:change=load
        />
        <button
            type="button"
            class="btn"
            aria-disabled=move || (desk.masks.share() == 0.0).to_string()
            on:click=move |_| save()
        >
            {icon("download")}
            {move || t_string!(i18n, mask.save)}
        </button>
        <p class="fault" role="alert">
            {move || failed.get().then(|| view! { {icon("alert")} <span>{t_string!(i18n, mask.load_failed)}</span> })}
        </p>
    }
}
