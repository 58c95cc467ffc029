//! The mask editor: says by hand which part of a picture is painted anew. The pixels are made in `canvas`; here they are
//! shown, and the hand is followed.

mod desk;
mod keys;
mod stage;
mod tools;

use leptos::{html, prelude::*, task::spawn_local};

use super::icon::icon;
use crate::{
    i18n::{t_string, use_i18n},
    state::mask::MaskDraft,
};
use desk::Desk;
use stage::Stage;
use tools::Tools;

/// The editor over the whole window: a modal dialog, so that focus stays inside and Escape closes it.
#[component]
pub fn MaskEditor(
    /// Address of the picture below the mask.
    src: String,
    /// Its width and height in pixels.
    size: (u32, u32),
    /// Closes the editor.
    close: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let masks = expect_context::<MaskDraft>();
    let dialog = NodeRef::<html::Dialog>::new();
    let desk = Desk::new(masks, size);
    let close = Callback::new(move |()| {
        masks.keep();
        close.run(());
    });
    Effect::new(move |_| {
        if let Some(dialog) = dialog.get()
            && !dialog.open()
        {
            let _ = dialog.show_modal();
            spawn_local(async move {
                masks.fit(size.0 as usize, size.1 as usize).await;
                desk.show_all();
                desk.fit();
                desk.focus();
            });
        }
    });
    let share = move || {
        let percent = masks.share() * 100.0;
        if percent == 0.0 {
            t_string!(i18n, mask.nothing).to_owned()
        } else {
            let percent = if percent < 1.0 { "< 1".to_owned() } else { format!("{percent:.0}") };
            t_string!(i18n, mask.covers, percent = percent).clone()
        }
    };
    view! {
        <dialog
            node_ref=dialog
            class="mask-editor"
            aria-labelledby="mask-title"
            tabindex="-1"
            on:keydown=move |event| keys::down(desk, close, &event)
            on:keyup=move |event| keys::up(desk, &event)
            on:cancel=move |event: leptos::ev::Event| {
                event.prevent_default();
                close.run(());
            }
        >
            <header class="mask-head">
                <h2 id="mask-title">{move || t_string!(i18n, mask.title)}</h2>
                <p class="mask-about">{move || t_string!(i18n, mask.about)}</p>
                <p class="mask-share numeric" role="status" data-testid="mask-share">{share}</p>
                <button type="button" class="btn btn-primary" on:click=move |_| close.run(())>
                    {icon("check")}
                    {move || t_string!(i18n, mask.done)}
                </button>
            </header>
            <Stage desk src />
            <Tools desk />
        </dialog>
    }
}
