//! What was measured on two pictures, each number with its meaning.

use leptos::prelude::*;

use crate::{
    components::likeness::{Scale, band},
    i18n::{Says, t_string, use_i18n},
    worker::messages::Comparison,
};

/// From this ratio on two pictures are hard to tell apart.
const CLOSE_DECIBELS: f64 = 30.0;

/// The measures.
#[component]
pub fn Figures(
    /// What was found.
    found: Comparison,
) -> impl IntoView {
    let i18n = use_i18n();
    let (total, differing) = (found.pixels(), found.differing);
    let headline = move || {
        if differing == 0 {
            t_string!(i18n, lesson.identical).to_owned()
        } else {
            let value = format!("{:.2}", found.ssim);
            t_string!(i18n, lesson.ssim_is, value = value, band = band(i18n, found.ssim)).clone()
        }
    };
    // The whole number stands beside the rounded one: for scripts, and for whoever looks closely.
    let exact_figure = |name: Says, value: Signal<String>, meaning: Says, exact: Option<f64>| {
        view! {
            <div class="figure">
                <dt>{move || name(i18n)}</dt>
                <dd class="numeric" data-exact=exact.map(|exact| exact.to_string())>{move || value.get()}</dd>
                <dd class="figure-meaning">{move || meaning(i18n)}</dd>
            </div>
        }
    };
    let figure = |name, value, meaning| exact_figure(name, value, meaning, None);
    let psnr = Signal::derive(move || {
        found.psnr.map_or_else(
            || t_string!(i18n, compare.no_error).to_owned(),
            |ratio| t_string!(i18n, compare.decibels, value = format!("{ratio:.1}")).clone(),
        )
    });
    let psnr_meaning: Says = if found.psnr.is_none_or(|ratio| ratio >= CLOSE_DECIBELS) {
        |i18n| t_string!(i18n, compare.psnr_close)
    } else {
        |i18n| t_string!(i18n, compare.psnr_far)
    };
    let share = differing as f64 * 100.0 / total.max(1) as f64;
    view! {
        <p class="compare-head">{headline}</p>
        <Scale ssim=found.ssim />
        <dl class="figures">
            {exact_figure(
                |i18n| t_string!(i18n, compare.ssim),
                Signal::stored(format!("{:.4}", found.ssim)),
                |i18n| t_string!(i18n, compare.ssim_meaning),
                Some(found.ssim),
            )}
            {found
                .ssim_gaussian
                .map(|value| {
                    exact_figure(
                        |i18n| t_string!(i18n, compare.ssim_gaussian),
                        Signal::stored(format!("{value:.4}")),
                        |i18n| t_string!(i18n, compare.ssim_gaussian_meaning),
                        Some(value),
                    )
                })}
            {figure(|i18n| t_string!(i18n, compare.psnr), psnr, psnr_meaning)}
            {figure(
                |i18n| t_string!(i18n, compare.histogram),
                Signal::stored(format!("{:.3}", found.histogram)),
                |i18n| t_string!(i18n, compare.histogram_meaning),
            )}
            {figure(
                |i18n| t_string!(i18n, compare.differing),
                Signal::stored(format!("{share:.1} %")),
                |i18n| t_string!(i18n, compare.differing_meaning),
            )}
        </dl>
        <p class="compare-took numeric" data-took=found.took_ms.to_string()>
            {move || t_string!(i18n, compare.took, ms = format!("{:.0}", found.took_ms)).clone()}
        </p>
    }
}
