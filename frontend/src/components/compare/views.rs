//! The three ways to look at two pictures.

use leptos::{ev::KeyboardEvent, prelude::*};

use super::Side;
use crate::{
    components::{
        picture::{Mat, Pixels},
        raster::Raster,
    },
    i18n::{Says, t_string, use_i18n},
    worker::Compared,
};

/// Both pictures on top of each other, with a line between them that can be moved.
#[component]
pub fn Slide(
    /// The picture on the left of the line.
    first: Signal<Side>,
    /// The picture on its right.
    second: Signal<Side>,
    /// What the two are called.
    #[prop(default = [|i18n| t_string!(i18n, lesson.first), |i18n| t_string!(i18n, lesson.second)])]
    names: [Says; 2],
) -> impl IntoView {
    let i18n = use_i18n();
    let pixels = expect_context::<Pixels>();
    let at = RwSignal::new(50.0_f64);
    // The usual step of an arrow key is too fine for a line that is looked at.
    let keys = move |event: KeyboardEvent| {
        let step = match event.key().as_str() {
            "ArrowLeft" | "ArrowDown" => -5.0,
            "ArrowRight" | "ArrowUp" => 5.0,
            _ => return,
        };
        event.prevent_default();
        at.update(|at| *at = (*at + step).clamp(0.0, 100.0));
    };
    view! {
        <div
            class="mat compare-slide"
            style=("--w", move || first.get().size.0.to_string())
            style=("--h", move || first.get().size.1.to_string())
            style=("--at", move || format!("{}%", at.get()))
        >
            <div class="mat-picture compare-stack">
                <img class:pixelated=move || pixels.shown() src=move || second.get().src alt=move || second.get().alt />
                <img
                    class="compare-over"
                    class:pixelated=move || pixels.shown()
                    src=move || first.get().src
                    alt=move || first.get().alt
                />
                <span class="compare-line" aria-hidden="true"></span>
                <input
                    class="compare-range"
                    type="range"
                    min="0"
                    max="100"
                    step="0.5"
                    aria-label=move || t_string!(i18n, compare.line)
                    title=move || t_string!(i18n, compare.line_tip)
                    prop:value=move || at.get()
                    on:input=move |event| {
                        if let Ok(value) = event_target_value(&event).parse() {
                            at.set(value);
                        }
                    }
                    on:dblclick=move |_| at.set(50.0)
                    on:keydown=keys
                />
                <span class="compare-name" aria-hidden="true">{move || names[0](i18n)}</span>
                <span class="compare-name compare-name-right" aria-hidden="true">
                    {move || names[1](i18n)}
                </span>
            </div>
        </div>
    }
}

/// Both pictures beside each other.
#[component]
pub fn Halves(first: Signal<Side>, second: Signal<Side>) -> impl IntoView {
    let i18n = use_i18n();
    let half = move |side: Signal<Side>, name: Signal<&'static str>| {
        view! {
            <figure class="half">
                <Mat
                    src=Signal::derive(move || Some(side.get().src))
                    alt=Signal::derive(move || side.get().alt)
                    size=Signal::derive(move || side.get().size)
                />
                <figcaption>
                    <span>{move || name.get()}</span>
                </figcaption>
            </figure>
        }
    };
    view! {
        <div class="pair">
            {half(first, Signal::derive(move || t_string!(i18n, lesson.first)))}
            {half(second, Signal::derive(move || t_string!(i18n, lesson.second)))}
        </div>
    }
}

/// Where the pictures differ, as a map with its key.
#[component]
pub fn Differences(found: Memo<Option<Compared>>) -> impl IntoView {
    let i18n = use_i18n();
    let map = Signal::derive(move || found.get().and_then(|compared| compared.map));
    let size = move || map.with(|map| map.as_ref().map_or((1, 1), |map| (map.width, map.height)));
    view! {
        <div
            class="mat"
            style=("--w", move || size().0.to_string())
            style=("--h", move || size().1.to_string())
        >
            <Show when=move || map.with(Option::is_some) fallback=|| view! { <div class="mat-blank mat-waits"></div> }>
                <Raster
                    picture=map
                    alt=Signal::derive(move || t_string!(i18n, compare.map).to_owned())
                    class="mat-picture"
                />
            </Show>
        </div>
        <div class="heat-key numeric">
            <span>{move || t_string!(i18n, compare.none)} " 0"</span>
            <span class="heat-bar" aria-hidden="true"></span>
            <span>"255 " {move || t_string!(i18n, compare.all)}</span>
        </div>
    }
}
