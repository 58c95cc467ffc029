//! One run at the step that is looked at: what the network expects, its numbers, the channels of its latents.

use leptos::prelude::*;

use super::{
    Bench,
    chart::Chart,
    run::{Run, Stand, Step},
};
use crate::{
    components::{picture::PixelToggle, raster::Raster},
    i18n::{Says, t_string, use_i18n},
    state::pictures::Pictures,
};

/// A run.
#[component]
pub fn RunOnStage(bench: Bench, run: Run, label: Says) -> impl IntoView {
    let i18n = use_i18n();
    let at = bench.at;
    let size =
        Memo::new(move |_| run.drawing.with(|d| d.as_ref().map_or((128, 128), |d| (d.width, d.height))));
    let picture = Memo::new(move |_| run.expected(at.get()));
    let step = Memo::new(move |_| run.step(at.get()));
    let facts = move || {
        run.drawing.with(|drawing| {
            drawing.as_ref().map(|d| {
                let (seed, guidance) = (t_string!(i18n, studio.seed), t_string!(i18n, studio.guidance));
                format!("{seed} {} · {guidance} {}", d.seed, d.guidance_scale)
            })
        })
    };
    let alt = move || {
        let number = at.get() + 1;
        t_string!(i18n, microscope.expected_at, step = number).clone()
    };
    view! {
        <section class="scope-run" aria-label=move || label(i18n)>
            <header class="scope-head">
                <h2>{move || label(i18n)}</h2>
                <p class="numeric">{facts}</p>
                <PixelToggle />
            </header>
            <div class="scope-looks">
                <figure>
                    <div
                        class="mat"
                        style=("--w", move || size.get().0.to_string())
                        style=("--h", move || size.get().1.to_string())
                    >
                        <Show
                            when=move || picture.with(Option::is_some)
                            fallback=move || view! { <div class="mat-blank mat-waits"></div> }
                        >
                            <div class="mat-picture scope-fit">
                                <Raster picture=picture alt=Signal::derive(alt) />
                            </div>
                        </Show>
                    </div>
                    <figcaption>{move || t_string!(i18n, microscope.expected)}</figcaption>
                </figure>
                <figure class="scope-channels">
                    <Raster
                        picture=Signal::derive(move || step.get().and_then(|step| step.channels))
                        alt=Signal::derive(move || t_string!(i18n, microscope.channels).to_owned())
                        exact=true
                    />
                    <figcaption>{move || t_string!(i18n, microscope.channels_tip)}</figcaption>
                </figure>
            </div>
            {move || step.get().map(|step| view! { <Numbers step /> })}
            <Chart run at />
            <Duration run />
        </section>
    }
}

/// The numbers of a step.
#[component]
fn Numbers(step: Step) -> impl IntoView {
    let i18n = use_i18n();
    let report = step.report;
    let number = |name: Says, value: String, tip: Says| {
        view! {
            <div class="figure" title=move || tip(i18n)>
                <dt>{move || name(i18n)}</dt>
                <dd class="numeric">{value}</dd>
            </div>
        }
    };
    view! {
        <dl class="figures scope-numbers">
            {number(
                |i18n| t_string!(i18n, microscope.sigma),
                format!("{:.3}", report.sigma),
                |i18n| t_string!(i18n, microscope.sigma_tip),
            )}
            {number(
                |i18n| t_string!(i18n, microscope.timestep),
                format!("{:.0}", report.timestep),
                |i18n| t_string!(i18n, microscope.timestep_tip),
            )}
            {number(
                |i18n| t_string!(i18n, microscope.guidance_size),
                report.guidance.map_or_else(|| "–".to_owned(), |size| format!("{size:.3}")),
                |i18n| t_string!(i18n, microscope.guidance_size_tip),
            )}
        </dl>
    }
}

/// How long it took here, beside what the server took for such a picture.
#[component]
fn Duration(run: Run) -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let seconds = |ms: f64| format!("{:.1}", ms / 1000.0);
    let server = Memo::new(move |_| {
        let drawing = run.drawing.get()?;
        pictures.items().with(|items| {
            let alike = items.iter().find(|image| {
                image.record.as_ref().is_some_and(|record| {
                    record.model.as_str() == drawing.model
                        && record.num_inference_steps == drawing.num_inference_steps
                        && (record.width, record.height) == (drawing.width, drawing.height)
                })
            });
            alike.map(|image| image.duration_ms as f64)
        })
    });
    move || {
        (run.stand.get() == Stand::Done).then(|| {
            let here = seconds(run.times.get().decoded);
            let words = match server.get() {
                _ if run.job.with(Option::is_some) => {
                    t_string!(i18n, microscope.took_there, there = here).clone()
                }
                Some(there) => {
                    t_string!(i18n, microscope.took_both, here = here, there = seconds(there)).clone()
                }
                None => t_string!(i18n, microscope.took_here, here = here).clone(),
            };
            let took = run.times.get().decoded.to_string();
            view! { <p class="scope-took numeric" data-testid="took" data-took=took>{words}</p> }
        })
    }
}
