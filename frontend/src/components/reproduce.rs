//! "Can I reproduce this?": the picture is made again from its record, and the two are compared.

use std::time::Duration;

use chapan_api::{
    id::ImageId,
    image::ImageView,
    job::JobStatus,
    reproduction::{CircumstanceKind, ReproductionView, Verdict},
};
use leptos::{prelude::*, task::spawn_local};

use super::{icon::icon, notice::ErrorNotice, progress};
use crate::{
    api::{self, Failure},
    i18n::{self, Language, t_string, use_i18n},
};

const LOOK_AGAIN: Duration = Duration::from_millis(700);

/// The button and what came of it.
#[component]
pub fn Reproduce(
    /// The picture.
    image: ImageView,
) -> impl IntoView {
    let i18n = use_i18n();
    let found = RwSignal::new(None::<ReproductionView>);
    let failure = RwSignal::new(None::<Failure>);
    let can = can_be_made_again(&image);
    let id = image.id;
    let start = Callback::new(move |()| {
        let id = id.clone();
        failure.set(None);
        spawn_local(async move {
            let answer = api::image::reproduce(&id).await;
            take(found, failure, id, answer);
        });
    });
    let works = move || {
        found.with(|found| {
            found.as_ref().is_some_and(|view| view.verdict.is_none() && !view.job.status.is_final())
        })
    };
    can.then(|| {
        view! {
            <section class="reproduce" aria-live="polite">
                <button type="button" class="btn" disabled=works on:click=move |_| start.run(())>
                    {icon("again")}
                    {move || t_string!(i18n, gallery.reproduce)}
                </button>
                {move || {
                    found
                        .get()
                        .map(|view| match (view.verdict, view.job.status) {
                            (Some(verdict), _) => view! { <Told verdict /> }.into_any(),
                            (None, JobStatus::Failed | JobStatus::Cancelled) => {
                                view! { <p>{t_string!(i18n, studio.failed)}</p> }.into_any()
                            }
                            (None, _) => view! { <p class="numeric">{progress::words(i18n, &view.job)}</p> }.into_any(),
                        })
                }}
                {move || {
                    failure
                        .get()
                        .map(|failure| {
                            view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) retry=start /> }
                        })
                }}
            </section>
        }
    })
}

/// Whether a picture says enough of how it was made: a record, or what it was enlarged from.
fn can_be_made_again(image: &ImageView) -> bool {
    image.record.is_some() || image.enlargement.is_some()
}

/// Takes an answer, and asks again while the second picture is on its way.
fn take(
    found: RwSignal<Option<ReproductionView>>,
    failure: RwSignal<Option<Failure>>,
    id: ImageId,
    answer: Result<ReproductionView, Failure>,
) {
    match answer {
        Ok(view) => {
            let waits = view.verdict.is_none()
                && matches!(view.job.status, JobStatus::Queued | JobStatus::Running | JobStatus::Succeeded);
            // The page may have gone; then nobody waits any more.
            if found.try_set(Some(view)).is_none() && waits {
                set_timeout(
                    move || {
                        spawn_local(async move {
                            let answer = api::image::reproduction(&id).await;
                            take(found, failure, id, answer);
                        });
                    },
                    LOOK_AGAIN,
                );
            }
        }
        Err(refusal) => {
            failure.try_set(Some(refusal));
        }
    }
}

#[component]
fn Told(verdict: Verdict) -> impl IntoView {
    let i18n = use_i18n();
    let Verdict { identical, changed_pixels, max_difference, circumstances, .. } = verdict;
    let percent = format!("{:.1}", changed_pixels * 100.0);
    let explained = !circumstances.is_empty();
    view! {
        <p class="verdict-head">
            {icon(if identical { "check" } else { "info" })}
            <strong>
                {move || {
                    if identical { t_string!(i18n, lesson.identical) } else { t_string!(i18n, gallery.not_identical) }
                }}
            </strong>
        </p>
        {(!identical)
            .then(|| {
                view! {
                    <p class="numeric">
                        {move || t_string!(i18n, gallery.differs, percent = percent, most = max_difference)}
                    </p>
                }
            })}
        {explained
            .then(|| {
                view! {
                    <p>{move || t_string!(i18n, gallery.circumstances)}</p>
                    <dl class="record-rows">
                        {circumstances
                            .into_iter()
                            .map(|one| {
                                let what = one.what;
                                let value = |text: Option<String>| text.map_or_else(|| "?".to_owned(), |text| text.chars().take(20).collect());
                                view! {
                                    <div class="record-row">
                                        <dt>{move || circumstance(i18n, what)}</dt>
                                        <dd>{value(one.then)} " → " {value(one.now)}</dd>
                                    </div>
                                }
                            })
                            .collect_view()}
                    </dl>
                }
            })}
    }
}

fn circumstance(i18n: Language, what: CircumstanceKind) -> &'static str {
    match what {
        CircumstanceKind::ModelHash => t_string!(i18n, gallery.model_hash),
        CircumstanceKind::LoraHash => t_string!(i18n, gallery.lora_hash),
        CircumstanceKind::Scheduler => t_string!(i18n, studio.scheduler),
        CircumstanceKind::Device => t_string!(i18n, gallery.device),
        CircumstanceKind::Dtype => t_string!(i18n, models.precision),
        CircumstanceKind::Version => t_string!(i18n, gallery.version),
        CircumstanceKind::Engine => t_string!(i18n, gallery.engine),
        CircumstanceKind::Source => t_string!(i18n, studio.image),
    }
}

#[cfg(test)]
mod tests {
    use chapan_api::image::ImageKind;

    use super::*;
    use crate::components::record::tests::{full, picture};

    #[test]
    fn whatever_says_how_it_was_made_can_be_made_again() {
        for kind in [ImageKind::Made, ImageKind::Upload, ImageKind::Again] {
            let image = ImageView { kind, ..picture(Some(full())) };
            assert!(can_be_made_again(&image), "{kind:?}");
        }
        let enlargement = serde_json::json!({
            "image": {"sha256": ""}, "scale": 4.0, "model": "x4", "device": "cpu", "dtype": "f32", "version": "0",
        });
        let enlargement = Some(serde_json::from_value(enlargement).unwrap());
        assert!(can_be_made_again(&ImageView { enlargement, ..picture(None) }));
        assert!(!can_be_made_again(&picture(None)));
    }
}
