//! The steps in a row: drag, arrow keys, or let them play.

use std::time::Duration;

use leptos::{leptos_dom::helpers::IntervalHandle, prelude::*};

use super::Bench;
use crate::{
    components::icon::{icon, icon_of},
    i18n::{t_string, use_i18n},
};

/// A step is shown so long when they play.
const BEAT: Duration = Duration::from_millis(220);

/// The timeline of both runs.
#[component]
pub fn Timeline(bench: Bench) -> impl IntoView {
    let i18n = use_i18n();
    let last = Memo::new(move |_| bench.steps().saturating_sub(1));
    let playing = RwSignal::new(None::<IntervalHandle>);
    let stop = move || {
        if let Some(handle) = playing.get_untracked() {
            handle.clear();
            playing.set(None);
        }
    };
    on_cleanup(stop);
    // While it is drawn the newest step is shown.
    Effect::new(move |_| {
        let newest = last.get();
        if untrack(move || bench.is_active()) {
            bench.at.set(newest);
        }
    });
    let play = move |_| {
        if playing.with_untracked(Option::is_some) {
            stop();
            return;
        }
        if bench.at.get_untracked() >= last.get_untracked() {
            bench.at.set(0);
        }
        let beat = move || {
            if bench.at.get_untracked() >= last.get_untracked() {
                stop();
            } else {
                bench.at.update(|at| *at += 1);
            }
        };
        // Without a clock there is nothing to play by.
        playing.set(set_interval_with_handle(beat, BEAT).ok());
    };
    let words = move || {
        let total = bench.planned().max(last.get() + 1);
        t_string!(i18n, studio.step_of, step = bench.at.get() + 1, total = total).clone()
    };
    view! {
        <div class="timeline">
            <button
                type="button"
                class="btn-icon"
                disabled=move || last.get() == 0
                aria-label=move || {
                    if playing.with(Option::is_some) {
                        t_string!(i18n, microscope.pause)
                    } else {
                        t_string!(i18n, microscope.play)
                    }
                }
                on:click=play
            >
                {icon_of(move || if playing.with(Option::is_some) { "pause" } else { "play" })}
            </button>
            <span class="timeline-end" aria-hidden="true">{icon("pixels")}</span>
            <input
                class="range"
                type="range"
                min="0"
                step="1"
                max=move || last.get()
                disabled=move || last.get() == 0
                aria-label=move || t_string!(i18n, microscope.timeline)
                aria-valuetext=words
                title=move || t_string!(i18n, microscope.timeline_tip)
                style=("--fill", move || format!("{:.1}%", bench.at.get() as f64 * 100.0 / last.get().max(1) as f64))
                prop:value=move || bench.at.get().min(last.get())
                on:input=move |event| {
                    stop();
                    if let Ok(at) = event_target_value(&event).parse() {
                        bench.at.set(at);
                    }
                }
            />
            <span class="timeline-end" aria-hidden="true">{icon("gallery")}</span>
            <span class="timeline-words numeric" data-testid="step-words">
                {words}
            </span>
        </div>
    }
}
