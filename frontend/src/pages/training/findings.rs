//! What is found before a training, in plain words, worst first.

use chapan_api::training::{Finding, FindingCode, Preflight, Severity};
use leptos::prelude::*;

use crate::{
    components::icon::icon,
    i18n::{Language, Locale, t_string, use_i18n},
    pages::models::bytes,
};

/// The words of a finding. English is the server's own; the others say the same by its code.
pub fn words(i18n: Language, finding: &Finding) -> String {
    if i18n.get_locale() == Locale::en {
        return finding.message.clone();
    }
    let text = match finding.code {
        FindingCode::NoReferences => t_string!(i18n, training.no_references),
        FindingCode::FewReferences => t_string!(i18n, training.few_references),
        FindingCode::ManyReferences => t_string!(i18n, training.many_references),
        FindingCode::Unreadable => t_string!(i18n, training.unreadable),
        FindingCode::Duplicate => t_string!(i18n, training.duplicate),
        FindingCode::Small => t_string!(i18n, training.small),
        FindingCode::Cut => t_string!(i18n, training.cut),
        FindingCode::Turned => t_string!(i18n, training.turned),
        FindingCode::NoCaption => t_string!(i18n, training.without_caption),
        FindingCode::BadCaption => t_string!(i18n, training.bad_caption),
        FindingCode::LongCaption => t_string!(i18n, training.long_caption),
        FindingCode::Memory => t_string!(i18n, training.memory),
        FindingCode::Disk => t_string!(i18n, training.disk),
    };
    match &finding.file {
        Some(file) => format!("{file}: {text}"),
        None => text.to_owned(),
    }
}

/// How long something takes, as people say it.
pub fn duration(i18n: Language, ms: f64) -> String {
    let seconds = (ms / 1000.0).round();
    if seconds < 90.0 {
        t_string!(i18n, training.seconds, count = seconds.max(1.0))
    } else if seconds < 5400.0 {
        t_string!(i18n, training.minutes, count = (seconds / 60.0).round())
    } else {
        t_string!(i18n, training.hours, count = format!("{:.1}", seconds / 3600.0))
    }
}

/// A list of findings.
#[component]
pub fn Findings(findings: Vec<Finding>) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <ul class="findings">
            {findings
                .into_iter()
                .map(|finding| {
                    let (class, sign, name) = match finding.severity {
                        Severity::Error => ("finding finding-error", "alert", 0),
                        Severity::Warning => ("finding finding-warning", "alert", 1),
                        Severity::Note => ("finding", "info", 2),
                    };
                    let severity = move || match name {
                        0 => t_string!(i18n, training.severity_error),
                        1 => t_string!(i18n, training.severity_warning),
                        _ => t_string!(i18n, training.severity_note),
                    };
                    view! {
                        <li class=class>
                            {icon(sign)}
                            <p>
                                <strong>{severity}</strong> " " {move || words(i18n, &finding)}
                            </p>
                        </li>
                    }
                })
                .collect_view()}
        </ul>
    }
}

/// What a training will need.
#[component]
pub fn PreflightReport(
    /// What was found.
    found: Preflight,
) -> impl IntoView {
    let i18n = use_i18n();
    let time = found.estimated_ms;
    let sizes = found.buckets.iter().map(|(size, count)| format!("{count} × {}", size.replace('x', " × ")));
    let sizes = sizes.collect::<Vec<_>>().join(", ");
    let is_fine = found.findings.is_empty();
    let (memory, disk) = (
        format!("{} / {}", bytes(found.memory_planned_bytes), bytes(found.memory_free_bytes)),
        match found.disk_free_bytes {
            Some(free) => format!("{} / {}", bytes(found.disk_planned_bytes), bytes(free)),
            None => bytes(found.disk_planned_bytes),
        },
    );
    let pictures =
        move || t_string!(i18n, training.learnt_and_held, learnt = found.references, held = found.held_out);
    view! {
        <dl class="record-rows preflight">
            <div class="record-row">
                <dt>{move || t_string!(i18n, training.pictures)}</dt>
                <dd class="numeric">{pictures}</dd>
            </div>
            {(!sizes.is_empty())
                .then(|| {
                    view! {
                        <div class="record-row">
                            <dt>{move || t_string!(i18n, training.trained_at)}</dt>
                            <dd class="numeric">{sizes}</dd>
                        </div>
                    }
                })}
            <div class="record-row">
                <dt>{move || t_string!(i18n, training.time)}</dt>
                <dd class="numeric">
                    {move || match time {
                        Some(ms) => t_string!(i18n, training.about, time = duration(i18n, ms as f64)),
                        None => t_string!(i18n, training.time_unknown).to_owned(),
                    }}
                </dd>
            </div>
            <div class="record-row">
                <dt>{move || t_string!(i18n, training.memory_of)}</dt>
                <dd class="numeric">{memory}</dd>
            </div>
            <div class="record-row">
                <dt>{move || t_string!(i18n, training.disk_of)}</dt>
                <dd class="numeric">{disk}</dd>
            </div>
        </dl>
        <Show when=move || is_fine>
            <p class="preflight-fine">{icon("check")} {move || t_string!(i18n, training.all_fine)}</p>
        </Show>
        <Findings findings=found.findings />
    }
}
