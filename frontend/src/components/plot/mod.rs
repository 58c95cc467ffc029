//! Lines over a number, with axes that can be read at every size: the drawing is a stretched SVG, its words are text.

mod scale;
mod smooth;

pub use scale::Scale;
pub use smooth::{keep_for, smoothed, thinned};

use leptos::prelude::*;

use crate::i18n::{Says, use_i18n};

/// More points than this no screen shows.
const MOST_POINTS: usize = 800;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// How it is drawn: `raw`, `main`, `second` or `quiet`, as the style names them.
    pub look: &'static str,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// How far each may be off, or nothing.
    pub errors: Vec<f64>,
    /// Whether each point has a dot.
    pub dots: bool,
}

/// A line in the key under the drawing.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The line's look.
    pub look: &'static str,
    /// What it is.
    pub name: Says,
}

/// Lines with their axes.
#[component]
pub fn Plot(
    /// The lines, the first lowest.
    #[prop(into)]
    lines: Signal<Vec<Line>>,
    /// The axis from left to right.
    #[prop(into)]
    across: Signal<Scale>,
    /// What it counts.
    across_name: Says,
    /// What is drawn, in a sentence for who does not see it.
    #[prop(into)]
    label: Signal<String>,
    /// The key.
    key: Vec<Entry>,
    /// Whether it is a low one.
    #[prop(optional)]
    low: bool,
) -> impl IntoView {
    let i18n = use_i18n();
    let up = Memo::new(move |_| {
        lines.with(|lines| {
            let values = lines.iter().flat_map(|line| {
                line.points.iter().enumerate().flat_map(|(index, (_, value))| {
                    let error = line.errors.get(index).copied().unwrap_or(0.0);
                    [value - error, value + error]
                })
            });
            // A low one shows how far something has fallen: it begins at 0.
            if low { Scale::covering(values.chain([0.0]), 2) } else { Scale::covering(values, 4) }
        })
    });
    let x = move |value: f64| across.with(|scale| scale.place(value)) * 100.0;
    let y = move |value: f64| (1.0 - up.with(|scale| scale.place(value))) * 100.0;
    let drawn = move |line: &Line| {
        let points = thinned(&line.points, MOST_POINTS);
        let points: Vec<_> = points.into_iter().filter(|(_, value)| value.is_finite()).collect();
        let path = points.iter().map(|(at, value)| format!("{:.2},{:.2}", x(*at), y(*value)));
        let path = path.collect::<Vec<_>>().join(" ");
        let whiskers = line.points.iter().zip(&line.errors).filter(|(_, error)| error.is_finite());
        let whiskers: Vec<_> = whiskers
            .map(|((at, value), error)| {
                let (place, top, bottom) = (x(*at), y(value + error), y(value - error));
                view! { <line class="plot-whisker" x1=place x2=place y1=bottom y2=top /> }
            })
            .collect();
        // A line of no length with round ends is a dot that does not stretch.
        let dots = line.dots.then(|| {
            let dots = points.iter().map(|(at, value)| format!("M{:.2} {:.2}h0", x(*at), y(*value)));
            let dots: String = dots.collect();
            view! { <path class="plot-dots" d=dots /> }
        });
        view! {
            <g class=format!("plot-{}", line.look)>
                <polyline points=path />
                {whiskers}
                {dots}
            </g>
        }
    };
    view! {
        <figure class="plot" class:plot-low=low>
            <div class="plot-up numeric" aria-hidden="true">
                {move || {
                    up.with(|scale| {
                        scale
                            .ticks
                            .iter()
                            .map(|tick| {
                                let at = format!("{:.2}%", y(*tick));
                                view! { <span style=("--at", at)>{scale.label(*tick)}</span> }
                            })
                            .collect_view()
                    })
                }}
            </div>
            <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label=move || label.get()>
                {move || {
                    up.with(|scale| {
                        scale
                            .ticks
                            .iter()
                            .map(|tick| {
                                let place = y(*tick);
                                view! { <line class="plot-rule" x1="0" x2="100" y1=place y2=place /> }
                            })
                            .collect_view()
                    })
                }}
                {move || lines.with(|lines| lines.iter().map(drawn).collect_view())}
            </svg>
            <div class="plot-across numeric" aria-hidden="true">
                {move || {
                    across
                        .with(|scale| {
                            scale
                                .ticks
                                .iter()
                                .map(|tick| {
                                    let at = format!("{:.2}%", x(*tick));
                                    view! { <span style=("--at", at)>{scale.label(*tick)}</span> }
                                })
                                .collect_view()
                        })
                }}
            </div>
            <figcaption class="plot-key">
                {key
                    .into_iter()
                    .map(|entry| {
                        view! {
                            <span class=format!("plot-entry plot-entry-{}", entry.look)>
                                {move || (entry.name)(i18n)}
                            </span>
                        }
                    })
                    .collect_view()}
                <span class="plot-unit">{move || across_name(i18n)}</span>
            </figcaption>
        </figure>
    }
}
