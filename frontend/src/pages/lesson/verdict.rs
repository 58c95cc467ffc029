//! The verdict: the browser decodes both pictures, compares them pixel by pixel, and says what the numbers mean.

use chapan_api::{
    id::{ImageId, JobId},
    image::ImageView,
    lesson::{Check, Step},
};
use leptos::prelude::*;
use leptos_router::components::A;

use super::measure::{self, Repaint};
use crate::{
    api::Failure,
    components::{
        icon::icon,
        likeness::{Scale, band},
        notice::ErrorNotice,
    },
    i18n::{self, pick, t_string, use_i18n},
    state::{
        jobs::Jobs,
        mask::{levels, pixels},
        pictures::Pictures,
    },
    worker::{compare, messages::Comparison},
};

/// What was found out about the two pictures.
#[derive(Clone, Copy, PartialEq)]
enum Found {
    /// How alike they are.
    Alike(Comparison),
    /// What the second did to the first under a mask.
    Repainted(Repaint),
    /// How far the second is from the first once it is made small again; nothing when its size is wrong.
    Shrunk(Option<f64>),
}

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
    let asked = check.clone();
    let found = LocalResource::new(move || {
        let (both, check) = (both.get(), asked.clone());
        async move {
            let (a, b) = both?;
            let found = async {
                let (a, b) = (pictures.fetch(&a).await?, pictures.fetch(&b).await?);
                look(&check, &a, &b, pictures).await
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
                match found.get().flatten() {
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

/// Looks at both pictures as the step asks.
async fn look(check: &Check, a: &ImageView, b: &ImageView, pictures: Pictures) -> Result<Found, Failure> {
    let unreadable = || Failure::Unreadable("the pictures cannot be compared".to_owned());
    let size = (a.width as usize, a.height as usize);
    match check {
        Check::Repainted { .. } => {
            // What is painted by now may be another mask than the one that the second picture was made with.
            let mask = mask_of(b).ok_or_else(unreadable)?;
            let mask = pictures.fetch(mask).await?;
            let mask = levels(&mask.url, size.0, size.1).await.ok_or_else(unreadable)?;
            let before = pixels(&a.url, size.0, size.1).await.ok_or_else(unreadable)?;
            let after = pixels(&b.url, size.0, size.1).await.ok_or_else(unreadable)?;
            let found = measure::repaint(&before, &after, &mask);
            found.map(Found::Repainted).ok_or_else(unreadable)
        }
        Check::Enlarged { scale, .. } => {
            if (b.width, b.height) != (a.width * scale, a.height * scale) {
                return Ok(Found::Shrunk(None));
            }
            let small = pixels(&a.url, size.0, size.1).await.ok_or_else(unreadable)?;
            let large = pixels(&b.url, b.width as usize, b.height as usize).await.ok_or_else(unreadable)?;
            Ok(Found::Shrunk(measure::shrunk_difference(&small, &large, size.0, *scale as usize)))
        }
        _ => Ok(Found::Alike(compare(&a.url, &b.url).await?.found)),
    }
}

/// The mask with which a picture was made.
fn mask_of(image: &ImageView) -> Option<&ImageId> {
    image.record.as_ref()?.ingredients.mask_image.as_ref()?.id.as_ref()
}

/// Whether what was found is what the step asks for.
fn passes(check: &Check, found: &Found) -> bool {
    match (check, found) {
        (Check::IdenticalPictures, Found::Alike(found)) => found.is_identical(),
        (Check::DifferentSeed { below } | Check::Different { below, .. }, Found::Alike(found)) => {
            !found.is_identical() && found.ssim < *below
        }
        (Check::Similar { above, .. }, Found::Alike(found)) => !found.is_identical() && found.ssim > *above,
        (Check::Kept { above, below }, Found::Alike(found)) => found.ssim > *above && found.ssim < *below,
        (Check::Repainted { changed }, Found::Repainted(found)) => {
            found.outside == 0 && found.inside >= *changed
        }
        (Check::Enlarged { most, .. }, Found::Shrunk(found)) => found.is_some_and(|found| found <= *most),
        _ => false,
    }
}

#[component]
fn Told(found: Found, check: Check, next: Option<Step>, on_pass: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let passed = passes(&check, &found);
    if passed {
        on_pass.run(());
    }
    let headline = move || match found {
        Found::Alike(found) if found.is_identical() => t_string!(i18n, lesson.identical).to_owned(),
        Found::Alike(found) => {
            let value = format!("{:.2}", found.ssim);
            t_string!(i18n, lesson.ssim_is, value = value, band = band(i18n, found.ssim))
        }
        Found::Repainted(found) if found.outside == 0 => t_string!(i18n, lesson.outside_same).to_owned(),
        Found::Repainted(found) => t_string!(i18n, lesson.outside_differs, count = found.outside),
        Found::Shrunk(Some(mean)) => t_string!(i18n, lesson.shrunk, mean = format!("{mean:.1}")),
        Found::Shrunk(None) => t_string!(i18n, lesson.wrong_size).to_owned(),
    };
    let detail = move || match found {
        Found::Alike(found) if found.is_identical() => {
            t_string!(i18n, lesson.identical_detail, total = found.pixels())
        }
        Found::Alike(found) => {
            t_string!(i18n, lesson.differing_detail, differing = found.differing, total = found.pixels())
        }
        Found::Repainted(found) => {
            t_string!(i18n, lesson.inside_detail, percent = format!("{:.0}", found.inside * 100.0))
        }
        Found::Shrunk(_) => String::new(),
    };
    let ssim = match found {
        Found::Alike(found) => Some(found.ssim),
        _ => None,
    };
    let meaning = move || match (&check, passed) {
        (Check::IdenticalPictures, true) => t_string!(i18n, lesson.passed_same),
        (Check::IdenticalPictures, false) => t_string!(i18n, lesson.failed_same),
        (Check::DifferentSeed { .. }, true) => t_string!(i18n, lesson.passed_other),
        (Check::DifferentSeed { .. }, false) => t_string!(i18n, lesson.failed_other),
        (Check::Different { .. }, true) => t_string!(i18n, lesson.passed_different),
        (Check::Different { .. }, false) => t_string!(i18n, lesson.failed_different),
        (Check::Similar { .. }, true) => t_string!(i18n, lesson.passed_similar),
        (Check::Similar { .. }, false) => t_string!(i18n, lesson.failed_similar),
        (Check::Kept { .. }, true) => t_string!(i18n, lesson.passed_kept),
        (Check::Kept { .. }, false) => t_string!(i18n, lesson.failed_kept),
        (Check::Repainted { .. }, true) => t_string!(i18n, lesson.passed_repainted),
        (Check::Repainted { .. }, false) => t_string!(i18n, lesson.failed_repainted),
        (Check::Enlarged { .. }, true) => t_string!(i18n, lesson.passed_enlarged),
        (Check::Enlarged { .. }, false) => t_string!(i18n, lesson.failed_enlarged),
    };
    view! {
        <div class="verdict-told" class:verdict-good=passed data-testid="verdict">
            <p class="verdict-head">
                {icon(if passed { "check" } else { "info" })} <strong>{headline}</strong>
            </p>
            <p class="verdict-detail numeric">{detail}</p>
            {ssim.map(|ssim| view! { <Scale ssim /> })}
            <p>{meaning}</p>
            {(passed)
                .then(|| {
                    next.map(|next| {
                        let title = next.title.clone();
                        view! {
                            <A href=format!("/lesson/{}", next.id) attr:class="btn">
                                {move || t_string!(i18n, lesson.next, title = pick(i18n, &title))}
                                {icon("right")}
                            </A>
                        }
                    })
                })}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::record::tests::{full, picture};

    fn alike(ssim: f64) -> Found {
        Found::Alike(Comparison {
            width: 10,
            height: 10,
            differing: if ssim < 1.0 { 9 } else { 0 },
            ssim,
            ssim_gaussian: None,
            psnr: None,
            histogram: 0.0,
            took_ms: 0.0,
            ssim_ms: 0.0,
            gaussian_ms: 0.0,
        })
    }

    #[test]
    fn a_picture_is_judged_by_the_mask_that_made_it() {
        let made = picture(Some(full()));
        assert_eq!(mask_of(&made), Some(&ImageId::new("mask")));
        assert_eq!(mask_of(&picture(None)), None);
    }

    #[test]
    fn every_check_can_pass_and_fail() {
        let field = || "seed".to_owned();
        let repaint = |outside, inside| Found::Repainted(Repaint { outside, inside });
        let cases = [
            (Check::IdenticalPictures, vec![alike(1.0)], vec![alike(0.999)]),
            (Check::DifferentSeed { below: 0.9 }, vec![alike(0.5)], vec![alike(0.95), alike(1.0)]),
            (
                Check::Different { field: field(), below: 0.9 },
                vec![alike(0.5)],
                vec![alike(0.95), alike(1.0)],
            ),
            (Check::Similar { field: field(), above: 0.9 }, vec![alike(0.95)], vec![alike(0.5), alike(1.0)]),
            (
                Check::Kept { above: 0.3, below: 0.9 },
                vec![alike(0.5)],
                vec![alike(0.2), alike(0.95), alike(1.0)],
            ),
            (
                Check::Repainted { changed: 0.2 },
                vec![repaint(0, 0.5)],
                vec![repaint(1, 0.5), repaint(0, 0.1)],
            ),
            (
                Check::Enlarged { scale: 4, most: 6.0 },
                vec![Found::Shrunk(Some(2.0))],
                vec![Found::Shrunk(Some(9.0)), Found::Shrunk(None)],
            ),
        ];
        for (check, good, bad) in cases {
            assert!(good.iter().all(|found| passes(&check, found)), "{check:?}");
            assert!(!bad.iter().any(|found| passes(&check, found)), "{check:?}");
        }
    }
}
