//! The curves of a training: loss as it is, smoothed and on held-out pictures, and the learning rate below.

use leptos::prelude::*;

use crate::{
    components::plot::{Entry, Line, Plot, Scale, keep_for, smoothed},
    i18n::{t_string, use_i18n},
    state::course::Course,
};

/// Both drawings.
#[component]
pub fn Curves(
    /// What happened so far.
    #[prop(into)]
    course: Signal<Course>,
) -> impl IntoView {
    let i18n = use_i18n();
    let across =
        Memo::new(move |_| course.with(|course| Scale::counting(course.total.max(course.step()) as f64, 5)));
    let lines = Memo::new(move |_| {
        course.with(|course| {
            let raw: Vec<f64> = course.steps.iter().map(|point| point.loss).collect();
            let at = |index: usize| course.steps[index].step as f64;
            let line = |look, values: Vec<f64>| Line {
                look,
                points: values.into_iter().enumerate().map(|(index, value)| (at(index), value)).collect(),
                errors: Vec::new(),
                dots: false,
            };
            let smooth = smoothed(&raw, keep_for(raw.len()));
            let held = course.validations.iter().map(|(step, loss)| (*step as f64, *loss)).collect();
            vec![
                line("raw", raw),
                line("main", smooth),
                Line { look: "second", points: held, errors: Vec::new(), dots: true },
            ]
        })
    });
    let rate = Memo::new(move |_| {
        course.with(|course| {
            let points = course.steps.iter().map(|point| (point.step as f64, point.lr)).collect();
            vec![Line { look: "main", points, errors: Vec::new(), dots: false }]
        })
    });
    let loss_label = Signal::derive(move || {
        course.with(|course| {
            let raw: Vec<f64> = course.steps.iter().map(|point| point.loss).collect();
            let now = smoothed(&raw, keep_for(raw.len())).last().copied();
            let held = course.validations.last().map(|(_, loss)| *loss);
            let said =
                |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
            t_string!(i18n, training.loss_label, step = course.step(), loss = said(now), held = said(held))
        })
    });
    let rate_label = Signal::derive(move || {
        let now = course.with(|course| course.steps.last().map(|point| point.lr));
        let now = now.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.2e}"));
        t_string!(i18n, training.rate_label, rate = now)
    });
    view! {
        <Plot
            lines
            across
            across_name=|i18n| t_string!(i18n, training.step_axis)
            label=loss_label
            key=vec![
                Entry { look: "main", name: |i18n| t_string!(i18n, training.loss_smooth) },
                Entry { look: "raw", name: |i18n| t_string!(i18n, training.loss_raw) },
                Entry { look: "second", name: |i18n| t_string!(i18n, training.loss_held_out) },
            ]
        />
        <Plot
            lines=rate
            across
            across_name=|i18n| t_string!(i18n, training.step_axis)
            label=rate_label
            key=vec![Entry { look: "main", name: |i18n| t_string!(i18n, training.rate) }]
            low=true
        />
    }
}
