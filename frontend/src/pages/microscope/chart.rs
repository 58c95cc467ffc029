//! Noise and guidance over the steps, with a mark at the one that is looked at.

use leptos::prelude::*;

use super::run::Run;
use crate::i18n::{t_string, use_i18n};

/// Size of the drawing in its own units.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 72.0;
/// Room above and below the lines.
const EDGE: f64 = 5.0;

/// The two lines.
#[component]
pub fn Chart(run: Run, at: RwSignal<usize>) -> impl IntoView {
    let i18n = use_i18n();
    let total = Memo::new(move |_| run.steps.with(|steps| steps.first().map_or(1, |step| step.report.total)));
    let x = move |index: usize| index as f64 * WIDTH / (total.get().max(2) - 1) as f64;
    let sigma = Memo::new(move |_| {
        // Noise falls over several orders of magnitude.
        run.steps.with(|steps| {
            steps.iter().map(|step| f64::from(step.report.sigma.clamp(1e-3, 1e4)).ln()).collect::<Vec<_>>()
        })
    });
    let guidance = Memo::new(move |_| {
        run.steps.with(|steps| {
            steps.iter().filter_map(|step| step.report.guidance.map(f64::from)).collect::<Vec<_>>()
        })
    });
    let line = move |values: Memo<Vec<f64>>| {
        move || {
            values.with(|values| {
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let room = (greatest - least).max(1e-9);
                let y = |value: f64| EDGE + (greatest - value) / room * (HEIGHT - 2.0 * EDGE);
                let point = |(index, value): (usize, &f64)| format!("{:.1},{:.1}", x(index), y(*value));
                values.iter().enumerate().map(point).collect::<Vec<_>>().join(" ")
            })
        }
    };
    view! {
        <figure class="chart">
            <svg
                viewBox=format!("-4 0 {} {HEIGHT}", WIDTH + 8.0)
                preserveAspectRatio="none"
                role="img"
                aria-label=move || t_string!(i18n, microscope.chart)
            >
                <line class="chart-mark" x1=move || x(at.get()) x2=move || x(at.get()) y1="0" y2=HEIGHT />
                <polyline class="chart-sigma" points=line(sigma) />
                <polyline class="chart-guidance" points=line(guidance) />
            </svg>
            <figcaption>
                <span class="chart-key chart-key-sigma">{move || t_string!(i18n, microscope.sigma)}</span>
                <span class="chart-key chart-key-guidance">{move || t_string!(i18n, microscope.guidance_size)}</span>
            </figcaption>
        </figure>
    }
}
