//! The verdict: the browser decodes both pictures, compares them pixel by pixel, and says what the numbers mean.

use chapan_api::{
    id::{ImageId, JobId},
    lesson::{Check, Step},
};
use leptos::prelude::*;
use leptos_router::components::A;

use crate::{
    components::{icon::icon, notice::ErrorNotice},
    i18n::{self, Language, pick, t_string, use_i18n},
    state::{jobs::Jobs, pictures::Pictures},
    worker::{Comparison, compare},
};

/// The verdict on the two pictures, once both are there.
#[component]
pub fn Verdict(
    /// The jobs of both pictures.
    ids: [Memo<Option<JobId>>; 2],
    /// What the step checks.
    check: Check,
    /// The step after it.
    next: Option<Step>,
    /// Called when the check is passed.
    #[prop(into)]
    passed: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let jobs = expect_context::<Jobs>();
    let pictures = expect_context::<Pictures>();
    let image = move |id: Memo<Option<JobId>>| -> Option<ImageId> {
        jobs.find(&id.get()?)?.state.with(|state| state.view.image.clone())
    };
    let both = Memo::new(move |_| Some((image(ids[0])?, image(ids[1])?)));
    let comparison = LocalResource::new(move || {
        let both = both.get();
        async move {
            let (a, b) = both?;
            let found = async {
                let (a, b) = (pictures.fetch(&a).await?, pictures.fetch(&b).await?);
                compare(&a.url, &b.url).await
            };
            Some(found.await)
        }
    });
    view! {
        <section class="verdict" aria-live="polite" aria-label=move || t_string!(i18n, lesson.verdict)>
            {move || {
                if both.get().is_none() {
                    return view! { <p class="verdict-waits">{t_string!(i18n, lesson.waits)}</p> }.into_any();
                }
                match comparison.get().flatten() {
                    None => view! { <p class="verdict-waits">{t_string!(i18n, lesson.comparing)}</p> }.into_any(),
                    Some(Err(failure)) => {
                        view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> }.into_any()
                    }
                    Some(Ok(found)) => {
                        view! { <Told found check=check.clone() next=next.clone() on_pass=passed /> }.into_any()
                    }
                }
            }}
        </section>
    }
}

#[component]
fn Told(found: Comparison, check: Check, next: Option<Step>, on_pass: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let passed = match check {
        Check::IdenticalPictures => found.is_identical(),
        Check::DifferentSeed { below } => !found.is_identical() && found.ssim < below,
    };
    let same_wanted = matches!(check, Check::IdenticalPictures);
    if passed {
        on_pass.run(());
    }
    let total = found.pixels;
    let differing = found.differing;
    let ssim = found.ssim;
    let headline = move || {
        if differing == 0 {
            t_string!(i18n, lesson.identical).to_owned()
        } else {
            let value = format!("{ssim:.2}");
            t_string!(i18n, lesson.ssim_is, value = value, band = band(i18n, ssim)).clone()
        }
    };
    let detail = move || {
        if differing == 0 {
            t_string!(i18n, lesson.identical_detail, total = total).clone()
        } else {
            t_string!(i18n, lesson.differing_detail, differing = differing, total = total).clone()
        }
    };
    let meaning = move || match (passed, same_wanted) {
        (true, true) => t_string!(i18n, lesson.passed_same),
        (true, false) => t_string!(i18n, lesson.passed_other),
        (false, true) => t_string!(i18n, lesson.failed_same),
        (false, false) => t_string!(i18n, lesson.failed_other),
    };
    view! {
        <div class="verdict-told" class:verdict-good=passed data-testid="verdict">
            <p class="verdict-head">
                {icon(if passed { "check" } else { "info" })} <strong>{headline}</strong>
            </p>
            <p class="verdict-detail numeric">{detail}</p>
            <Scale ssim />
            <p>{meaning}</p>
            {(passed)
                .then(|| {
                    next.map(|next| {
                        let title = next.title.clone();
                        view! {
                            <A href=format!("/lesson/{}", next.id) attr:class="btn">
                                {move || t_string!(i18n, lesson.next, title = pick(i18n, &title)).clone()}
                                {icon("right")}
                            </A>
                        }
                    })
                })}
        </div>
    }
}

/// What an SSIM means, in words.
fn band(i18n: Language, ssim: f64) -> &'static str {
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
fn Scale(ssim: f64) -> impl IntoView {
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
