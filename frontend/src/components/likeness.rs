//! What an SSIM means: a word, and its place on a scale.

use leptos::prelude::*;

use crate::i18n::{Language, t_string, use_i18n};

/// What an SSIM means, in words.
pub fn band(i18n: Language, ssim: f64) -> &'static str {
    if ssim > 0.7 {
        t_string!(i18n, lesson.very_close)
    } else if ssim >= 0.5 {
        t_string!(i18n, lesson.moderate)
    } else {
        t_string!(i18n, lesson.weak)
    }
}

/// The scale from 0 to 1 with its bands and the place of the value.
#[component]
pub fn Scale(
    /// The value.
    ssim: f64,
) -> impl IntoView {
    let i18n = use_i18n();
    let at = format!("{:.1}%", ssim.clamp(0.0, 1.0) * 100.0);
    let label = move || t_string!(i18n, lesson.scale, value = format!("{ssim:.2}")).clone();
    view! {
        <div class="scale" role="img" aria-label=label>
            <div class="scale-bands" aria-hidden="true">
                <span class="scale-weak">{move || t_string!(i18n, lesson.weak)}</span>
                <span class="scale-moderate">{move || t_string!(i18n, lesson.moderate)}</span>
                <span class="scale-close">{move || t_string!(i18n, lesson.very_close)}</span>
            </div>
            <div class="scale-mark numeric" aria-hidden="true" style=("--at", at)>
                <span>{format!("{ssim:.2}")}</span>
            </div>
            <div class="scale-ends numeric" aria-hidden="true">
                <span>"0"</span>
                <span class="scale-tick-5">"0.5"</span>
                <span class="scale-tick-7">"0.7"</span>
                <span>"1"</span>
            </div>
        </div>
    }
}
