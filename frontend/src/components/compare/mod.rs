//! Two pictures against each other: a slider over both, side by side, or where they differ; and what was measured.

mod figures;
mod views;

use leptos::prelude::*;

use crate::{
    api::Failure,
    components::{
        notice::ErrorNotice,
        picture::PixelToggle,
        segments::{Segment, Segments},
    },
    i18n::{self, t_string, use_i18n},
    state::theme,
    worker,
};
use figures::Figures;
pub use views::Slide;
use views::{Differences, Halves};

/// One of the two pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Its address.
    pub src: String,
    /// What it shows.
    pub alt: String,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

/// The ways to look.
const WAYS: [Segment; 3] = [
    Segment { icon: Some("slide"), key: None, label: |i18n| t_string!(i18n, compare.slider) },
    Segment { icon: Some("halves"), key: None, label: |i18n| t_string!(i18n, compare.side_by_side) },
    Segment { icon: Some("heat"), key: None, label: |i18n| t_string!(i18n, compare.difference) },
];

/// The comparison of two pictures.
#[component]
pub fn Compare(
    /// The first picture.
    #[prop(into)]
    first: Signal<Side>,
    /// The second picture.
    #[prop(into)]
    second: Signal<Side>,
) -> impl IntoView {
    let i18n = use_i18n();
    let way = RwSignal::new(0);
    let theme = theme::choice();
    let compared = LocalResource::new(move || {
        // The map is drawn in the colours of the theme.
        theme.get();
        let (first, second) = (first.get().src, second.get().src);
        async move { worker::compare(&first, &second).await }
    });
    let found = Memo::new(move |_| compared.get().and_then(Result::ok));
    let failure = Memo::new(move |_| compared.get().and_then(Result::err));
    view! {
        <div class="compare">
            <div class="compare-bar">
                <Segments
                    name="compare-way"
                    label=|i18n| t_string!(i18n, compare.way)
                    segments=WAYS.to_vec()
                    value=way
                    choose=move |place| way.set(place)
                />
                <PixelToggle />
            </div>
            {move || match way.get() {
                0 => view! { <Slide first second /> }.into_any(),
                1 => view! { <Halves first second /> }.into_any(),
                _ => view! { <Differences found /> }.into_any(),
            }}
            <section class="compare-figures" aria-live="polite" aria-label=move || t_string!(i18n, compare.figures)>
                {move || match (found.get(), failure.get()) {
                    (Some(compared), _) => view! { <Figures found=compared.found /> }.into_any(),
                    (None, Some(failure)) => refused(failure),
                    (None, None) => view! { <p class="compare-waits">{t_string!(i18n, lesson.comparing)}</p> }.into_any(),
                }}
            </section>
        </div>
    }
}

fn refused(failure: Failure) -> AnyView {
    let i18n = use_i18n();
    view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> }.into_any()
}
