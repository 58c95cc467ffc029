//! A picture on its mat: at the largest whole multiple of its size that fits, smooth or with its pixels shown.

use leptos::prelude::*;

use super::icon::icon;
use crate::{
    i18n::{t_string, use_i18n},
    state::memory,
};

const KEPT: &str = "chapan.pixels";

/// Whether pictures show their pixels; one choice for the whole page.
#[derive(Clone, Copy)]
pub struct Pixels(RwSignal<bool>);

impl Pixels {
    /// Provides the choice to the whole page.
    pub fn provide() {
        provide_context(Self(RwSignal::new(memory::get(KEPT).as_deref() == Some("shown"))));
    }

    /// Whether pixels are shown.
    pub fn shown(self) -> bool {
        self.0.get()
    }

    fn toggle(self) {
        let shown = !self.0.get_untracked();
        self.0.set(shown);
        memory::set(KEPT, if shown { "shown" } else { "smooth" });
    }
}

/// A picture on its neutral mat, filling the place it is given.
#[component]
pub fn Mat(
    /// Address of the picture; nothing shows the bare mat.
    #[prop(into)]
    src: Signal<Option<String>>,
    /// What it shows.
    #[prop(into)]
    alt: Signal<String>,
    /// Width and height in pixels of the finished picture.
    #[prop(into)]
    size: Signal<(u32, u32)>,
    /// Whether the picture is not finished yet.
    #[prop(optional, into)]
    unfinished: Signal<bool>,
) -> impl IntoView {
    let pixels = expect_context::<Pixels>();
    let some = Memo::new(move |_| src.with(Option::is_some));
    view! {
        <div
            class="mat"
            style=("--w", move || size.get().0.to_string())
            style=("--h", move || size.get().1.to_string())
        >
            <Show
                when=move || some.get()
                fallback=move || {
                    view! { <div class="mat-blank" class:mat-waits=move || unfinished.get()></div> }
                }
            >
                <img
                    class="mat-picture"
                    class:pixelated=move || pixels.shown() && !unfinished.get()
                    class:unfinished=move || unfinished.get()
                    src=move || src.get().unwrap_or_default()
                    alt=move || alt.get()
                    draggable="true"
                />
            </Show>
        </div>
    }
}

/// The switch between smooth and pixels.
#[component]
pub fn PixelToggle() -> impl IntoView {
    let i18n = use_i18n();
    let pixels = expect_context::<Pixels>();
    view! {
        <button
            type="button"
            class="btn-icon"
            aria-pressed=move || pixels.shown().to_string()
            aria-label=move || t_string!(i18n, frame.show_pixels)
            title=move || t_string!(i18n, frame.show_pixels_tip)
            on:click=move |_| pixels.toggle()
        >
            {icon("pixels")}
        </button>
    }
}
