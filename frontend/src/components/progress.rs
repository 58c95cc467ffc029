//! How far a job is, in words and as a line: one reading for the stage, the film strip and the lesson.

use chapan_api::job::{JobPhase, JobStatus, JobView};
use leptos::prelude::*;

use crate::i18n::{Language, t_string, use_i18n};

/// The part of the work that is done, from 0 to 1. Denoising is nearly all of it.
pub fn part(view: &JobView) -> f64 {
    match (view.status, &view.progress) {
        (JobStatus::Succeeded, _) => 1.0,
        (_, Some(progress)) if progress.total_steps > 0 => {
            let steps = f64::from(progress.step) / f64::from(progress.total_steps);
            match progress.phase {
                JobPhase::LoadingModel | JobPhase::Encoding => 0.02,
                JobPhase::Denoising
                | JobPhase::Upscaling
                | JobPhase::Training
                | JobPhase::Analysing
                | JobPhase::Scoring => 0.02 + 0.94 * steps,
                JobPhase::Decoding => 0.97,
                JobPhase::Saving => 0.99,
            }
        }
        _ => 0.0,
    }
}

/// What the job is doing now.
pub fn words(i18n: Language, view: &JobView) -> String {
    match view.status {
        JobStatus::Queued => match view.position {
            None | Some(0) => t_string!(i18n, studio.next_in_line).to_owned(),
            Some(ahead) => t_string!(i18n, studio.in_line, ahead = ahead).clone(),
        },
        JobStatus::Running => match &view.progress {
            None => t_string!(i18n, studio.starting).to_owned(),
            Some(progress) => match progress.phase {
                JobPhase::LoadingModel => t_string!(i18n, studio.loading_model).to_owned(),
                JobPhase::Encoding => t_string!(i18n, studio.encoding).to_owned(),
                JobPhase::Denoising | JobPhase::Training | JobPhase::Analysing | JobPhase::Scoring => {
                    t_string!(i18n, studio.step_of, step = progress.step, total = progress.total_steps)
                        .clone()
                }
                JobPhase::Upscaling => {
                    t_string!(i18n, studio.enlarging, step = progress.step, total = progress.total_steps)
                        .clone()
                }
                JobPhase::Decoding => t_string!(i18n, studio.decoding).to_owned(),
                JobPhase::Saving => t_string!(i18n, studio.saving).to_owned(),
            },
        },
        JobStatus::Succeeded => t_string!(i18n, studio.done).to_owned(),
        JobStatus::Failed => t_string!(i18n, studio.failed).to_owned(),
        JobStatus::Cancelled => t_string!(i18n, studio.cancelled).to_owned(),
    }
}

/// The line under a picture in the making.
#[component]
pub fn ProgressLine(
    /// The job.
    #[prop(into)]
    view: Signal<JobView>,
) -> impl IntoView {
    let i18n = use_i18n();
    let done = Memo::new(move |_| (view.with(part) * 1000.0).round() / 10.0);
    let queued = Memo::new(move |_| view.with(|view| view.status == JobStatus::Queued));
    view! {
        <div
            class="progress"
            class:progress-waits=move || queued.get()
            role="progressbar"
            aria-label=move || t_string!(i18n, studio.progress)
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=move || done.get().round().to_string()
            aria-valuetext=move || view.with(|view| words(i18n, view))
        >
            <div class="progress-done" style=("--done", move || format!("{}%", done.get()))></div>
        </div>
    }
}
