//! Under a prompt: how much of it the text encoders read, what they will misread, and what they make of it. Checked in the
//! worker as one types, without the server.

mod mend;

use leptos::{prelude::*, task::spawn_local};

use crate::{
    components::icon::icon,
    i18n::{Language, t_string, use_i18n},
    worker::{
        self,
        messages::{Feature, Negation, PromptReport, Said},
    },
};

/// A wanted attribute counts as said from this probability within its group on.
const SAID: f64 = 0.5;
/// Attributes that are shown where nothing is wanted.
const SHOWN: usize = 8;

/// What a check needs of its surroundings.
#[derive(Clone, Copy)]
pub struct Checked {
    /// The prompt.
    pub prompt: RwSignal<String>,
    /// Where denied things belong.
    pub negative_prompt: RwSignal<String>,
    /// The model that will read it.
    pub model: Signal<String>,
    /// Whether weights are read in it: then nothing of it is cut.
    pub weighting: RwSignal<bool>,
}

/// The report on a prompt, always of its latest words.
#[component]
pub fn PromptCheck(
    /// What is checked.
    checked: Checked,
    /// What the prompt should say, by the lesson's wish.
    #[prop(optional)]
    wanted: Vec<Feature>,
) -> impl IntoView {
    let report = RwSignal::new(None::<(String, PromptReport)>);
    let under_way = StoredValue::new(false);
    let wants = !wanted.is_empty();
    let wanted = StoredValue::new(wanted);
    // One check at a time: what was typed meanwhile is checked next, and only its last state.
    Effect::new(move |_| {
        checked.prompt.track();
        checked.model.track();
        checked.weighting.track();
        if under_way.get_value() || checked.prompt.with_untracked(|prompt| prompt.trim().is_empty()) {
            return;
        }
        under_way.set_value(true);
        spawn_local(async move {
            let mut last = None;
            while let Some(now) = words(checked)
                && last.as_ref() != Some(&now)
            {
                let (model, prompt, weighting) = now.clone();
                let Some(wanted) = wanted.try_get_value() else { return };
                match worker::check_prompt(model, prompt.clone(), weighting, wanted).await {
                    Ok(found) => drop(report.try_set(Some((prompt, found)))),
                    // A check is an extra: without it the prompt is as good as before.
                    Err(_) => drop(report.try_set(None)),
                }
                last = Some(now);
            }
            under_way.try_set_value(false);
        });
    });
    let shown = Memo::new(move |_| {
        let empty = checked.prompt.with(|prompt| prompt.trim().is_empty());
        report.get().filter(|_| !empty)
    });
    move || shown.get().map(|(prompt, found)| view! { <Told checked prompt found wants /> })
}

/// What is to be checked now; nothing once the page is gone.
fn words(checked: Checked) -> Option<(String, String, bool)> {
    let prompt = checked.prompt.try_get_untracked()?;
    let (model, weighting) = (checked.model.try_get_untracked()?, checked.weighting.try_get_untracked()?);
    (!prompt.trim().is_empty()).then_some((model, prompt, weighting))
}

#[component]
fn Told(checked: Checked, prompt: String, found: PromptReport, wants: bool) -> impl IntoView {
    let i18n = use_i18n();
    let most = found.tokens.iter().copied().max().unwrap_or(0);
    let (limit, exact) = (found.limit, found.exact);
    let counts = counted(&found.tokens);
    let part = format!("{:.1}%", (most as f64 * 100.0 / limit.max(1) as f64).min(100.0));
    let all_read = found.all_read;
    let over = most > limit && !all_read;
    let count = move || {
        let words = if all_read {
            t_string!(i18n, prompt.all_read, count = counts)
        } else {
            t_string!(i18n, prompt.tokens, count = counts, limit = limit)
        };
        if exact { words } else { format!("{words} {}", t_string!(i18n, prompt.inexact)) }
    };
    let cut = found.cut.map(|at| (prompt[..at].to_owned(), prompt[at..].to_owned()));
    let untidy = !found.empty.is_empty() || !found.repeated.is_empty();
    let repeated: Vec<String> =
        found.repeated.iter().map(|span| prompt[span.start..span.end].to_owned()).collect();
    let tidy = mend::without(&prompt, found.empty.iter().chain(&found.repeated));
    let said: Vec<Said> =
        if wants { found.wanted.clone() } else { found.said.iter().take(SHOWN).cloned().collect() };
    let took = format!("{:.1}", found.took_ms);
    view! {
        <div class="check" data-testid="prompt-check" data-took=took>
            <p class="check-count numeric" class:check-over=over>
                <span class="check-bar" aria-hidden="true" style=("--done", part)></span>
                {over.then(|| icon("alert"))}
                <span>{count}</span>
            </p>
            {cut
                .map(|(read, unread)| {
                    view! {
                        <p class="check-cut">
                            <span class="check-label">{move || t_string!(i18n, prompt.cut)}</span>
                            " "
                            <span>{tail(&read)}</span>
                            <s>{unread}</s>
                        </p>
                    }
                })}
            {found
                .negations
                .into_iter()
                .map(|negation| view! { <Denied checked prompt=prompt.clone() negation /> })
                .collect_view()}
            {untidy
                .then(|| {
                    view! {
                        <div class="check-note">
                            {icon("info")}
                            <p>
                                {move || {
                                    if repeated.is_empty() {
                                        t_string!(i18n, prompt.empty).to_owned()
                                    } else {
                                        t_string!(i18n, prompt.repeated, words = repeated.join(", ")).clone()
                                    }
                                }}
                            </p>
                            <button type="button" class="btn" on:click=move |_| checked.prompt.set(tidy.clone())>
                                {move || t_string!(i18n, prompt.tidy)}
                            </button>
                        </div>
                    }
                })}
            {(!said.is_empty()).then(|| view! { <Reading said wants /> })}
        </div>
    }
}

/// One number where all encoders agree, else all of them.
fn counted(tokens: &[usize]) -> String {
    match tokens {
        [first, rest @ ..] if rest.iter().all(|count| count == first) => first.to_string(),
        all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" / "),
    }
}

/// The last words of what is read, so that the cut is seen where it falls.
fn tail(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let last = words[words.len().saturating_sub(4)..].join(" ");
    if words.len() > 4 { format!("… {last} ") } else { format!("{last} ") }
}

/// A negation, and the way to where it belongs.
#[component]
fn Denied(checked: Checked, prompt: String, negation: Negation) -> impl IntoView {
    let i18n = use_i18n();
    let words = prompt[negation.span.start..negation.span.end].to_owned();
    let denied = negation.denied.clone();
    let fact = move || t_string!(i18n, prompt.negation, words = words.clone()).clone();
    let rest = mend::without(&prompt, std::iter::once(&negation.span));
    let move_over = (!denied.is_empty()).then(|| {
        let denied = denied.clone();
        view! {
            <button
                type="button"
                class="btn"
                on:click=move |_| {
                    checked.negative_prompt.update(|text| mend::append(text, &denied));
                    checked.prompt.set(rest.clone());
                }
            >
                {move || t_string!(i18n, prompt.to_negative)}
            </button>
        }
    });
    view! {
        <div class="check-note check-warn">
            {icon("alert")}
            <p>{fact}</p>
            {move_over}
        </div>
    }
}

/// What CLIP makes of the prompt.
#[component]
fn Reading(said: Vec<Said>, wants: bool) -> impl IntoView {
    let i18n = use_i18n();
    let one = move |said: Said| {
        let clear = said.share >= SAID;
        let (similarity, share) = (format!("{:.2}", said.similarity), said.share);
        let meaning = Signal::derive(move || meaning(i18n, &similarity, share));
        view! {
            <li class="check-said" class:check-missing=!clear title=move || meaning.get()>
                {wants.then(|| icon(if clear { "check" } else { "minus" }))}
                <span lang="en">{said.phrase}</span>
                <span class="numeric" aria-label=move || meaning.get()>{format!("{:.2}", said.similarity)}</span>
            </li>
        }
    };
    view! {
        <p class="check-label">
            {move || if wants { t_string!(i18n, prompt.wanted) } else { t_string!(i18n, prompt.said) }}
        </p>
        <ul class="check-list">{said.into_iter().map(one).collect_view()}</ul>
    }
}

fn meaning(i18n: Language, similarity: &str, share: f64) -> String {
    let share = format!("{:.0}", share * 100.0);
    t_string!(i18n, prompt.similarity, similarity = similarity, share = share).clone()
}
