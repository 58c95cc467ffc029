//! All competitions, and the way to a new one.

use chapan_api::{competition::CompetitionView, job::JobStatus};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::components::A;

use super::stages;
use crate::{
    api::{self, Failure},
    components::{empty::Empty, icon::icon, notice::ErrorNotice},
    i18n::{self, t_string, use_i18n},
    pages::training::badge,
    state::connection::Connection,
};

/// The part.
#[component]
pub fn Home() -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let list = RwSignal::new(None::<Result<Vec<CompetitionView>, Failure>>);
    let load = move || {
        spawn_local(async move {
            let answer = connection.note(api::competition::list().await);
            list.try_set(Some(answer.map(|page| page.items)));
        });
    };
    Effect::new(move |_| {
        connection.returns();
        load();
    });
    let fresh = move || {
        view! {
            <A href="/arena?new" attr:class="btn btn-primary">
                {icon("plus")}
                {move || t_string!(i18n, arena.new)}
            </A>
        }
    };
    view! {
        <div class="sheet">
            <header class="sheet-head">
                <h1>{move || t_string!(i18n, frame.arena)}</h1>
                <p>{move || t_string!(i18n, arena.lead)}</p>
            </header>
            {move || match list.get() {
                None => {
                    view! { <p class="loading" role="status">{t_string!(i18n, frame.loading)}</p> }.into_any()
                }
                Some(Err(failure)) => {
                    view! {
                        <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) retry=move |()| load() />
                    }
                        .into_any()
                }
                Some(Ok(items)) if items.is_empty() => {
                    view! {
                        <Empty title=|i18n| t_string!(i18n, arena.empty) words=|i18n| t_string!(i18n, arena.empty_hint)>
                            {fresh()}
                        </Empty>
                    }
                        .into_any()
                }
                Some(Ok(items)) => {
                    view! {
                        <p class="arena-new">{fresh()}</p>
                        <ul class="runs">
                            {items.into_iter().map(|competition| view! { <Card competition /> }).collect_view()}
                        </ul>
                    }
                        .into_any()
                }
            }}
        </div>
    }
}

#[component]
fn Card(competition: CompetitionView) -> impl IntoView {
    let i18n = use_i18n();
    let job = competition.job.clone();
    let (look, sign, _) = untrack(|| badge(i18n, &job, false));
    let (round, of, stage) = (competition.round, competition.parameters.iterations, competition.stage);
    let best = competition.history.as_ref().and_then(|history| {
        let best = history.best_round?;
        history.rounds.iter().find(|round| round.round == best).map(|round| round.quality_score)
    });
    let goes_on = job.status == JobStatus::Running;
    view! {
        <li>
            <A href=format!("/arena/{}", competition.id) attr:class="card run-card">
                <span class="card-head">
                    <span class="run-name">{competition.name.clone()}</span>
                    <span class=look>{icon(sign)} {move || badge(i18n, &job, false).2}</span>
                </span>
                <span class="run-facts numeric">
                    {move || t_string!(i18n, arena.round_of, round = round.max(1), of = of)}
                    {move || goes_on.then(|| format!(" · {}", stages::name(i18n, stage)))}
                    {move || best.map(|best| format!(" · {} {best:.2}", t_string!(i18n, arena.quality)))}
                </span>
                <span class="run-facts run-prompt" lang="en">{competition.parameters.prompts.join(" · ")}</span>
            </A>
        </li>
    }
}
