//! The three parts of the model: what each did for this picture, how long, and in what shapes.

use leptos::prelude::*;

use super::{Bench, place::Kept, run::Stand};
use crate::{
    i18n::{Says, t_string, use_i18n},
    worker::messages::ModelFacts,
};

/// The three parts, once the first run is done.
#[component]
pub fn Parts(bench: Bench) -> impl IntoView {
    let i18n = use_i18n();
    let run = bench.runs[0];
    let facts = move || match (run.parts.get(), bench.place.kept.get()) {
        (Some(parts), _) => Some(ModelFacts {
            text_widths: parts.text_widths.iter().map(|width| *width as usize).collect(),
            parameters: [parts.text_encoder_parameters, parts.unet_parameters, parts.vae_parameters],
            took_ms: 0.0,
        }),
        (None, Kept::Ready(facts)) => Some(facts),
        (None, _) => None,
    };
    let done = Memo::new(move |_| run.stand.with(|stand| *stand == Stand::Done));
    let millions = |count: u64| format!("{:.1}", count as f64 / 1e6);
    let seconds = |ms: f64| if ms < 1000.0 { format!("{ms:.0} ms") } else { format!("{:.1} s", ms / 1000.0) };
    let card = move |name: &'static str, says: Says, shape: String, ms: f64, count: Option<String>| {
        view! {
            <li class="part">
                <h3>{name}</h3>
                <p class="part-time numeric">{seconds(ms)}</p>
                <p>{move || says(i18n)}</p>
                <p class="part-shape"><code>{shape}</code></p>
                {count
                    .map(|count| {
                        view! {
                            <p class="part-count numeric">
                                {move || t_string!(i18n, microscope.parameters, count = count.clone()).clone()}
                            </p>
                        }
                    })}
            </li>
        }
    };
    move || {
        let (true, Some(step), Some(drawing)) = (done.get(), run.step(0), run.drawing.get()) else {
            return ().into_any();
        };
        let (times, facts, report) = (run.times.get(), facts(), step.report);
        let width: usize = facts.as_ref().map_or(0, |facts| facts.text_widths.iter().sum());
        let count = |part: usize| facts.as_ref().map(|facts| millions(facts.parameters[part]));
        let (channels, rows, columns) = (report.channels, report.height, report.width);
        let both = if drawing.guidance_scale > 1.0 { 2 } else { 1 };
        view! {
            <section class="parts" aria-label=move || t_string!(i18n, microscope.parts)>
                <h2>{move || t_string!(i18n, microscope.parts)}</h2>
                <ol class="parts-row">
                    {card(
                        "CLIP",
                        |i18n| t_string!(i18n, microscope.clip),
                        format!("77 → {both} × 77 × {width}"),
                        times.encoded,
                        count(0),
                    )}
                    {card(
                        "UNet",
                        |i18n| t_string!(i18n, microscope.unet),
                        format!("{} × ({both} × {channels} × {rows} × {columns})", report.total),
                        times.looped - times.encoded,
                        count(1),
                    )}
                    {card(
                        "VAE",
                        |i18n| t_string!(i18n, microscope.vae),
                        format!("{channels} × {rows} × {columns} → 3 × {} × {}", drawing.height, drawing.width),
                        times.decoded - times.looped,
                        count(2),
                    )}
                </ol>
            </section>
        }
            .into_any()
    }
}
