//! Where a round stands: five parts, one after another.

use chapan_api::competition::CompetitionStage;
use leptos::prelude::*;

use crate::{
    components::icon::icon,
    i18n::{Language, t_string, use_i18n},
};

const STAGES: [CompetitionStage; 5] = [
    CompetitionStage::Analyse,
    CompetitionStage::Train,
    CompetitionStage::Draw,
    CompetitionStage::Score,
    CompetitionStage::Learn,
];

/// What a part is called.
pub fn name(i18n: Language, stage: CompetitionStage) -> &'static str {
    match stage {
        CompetitionStage::Analyse => t_string!(i18n, arena.analyse),
        CompetitionStage::Train => t_string!(i18n, arena.train),
        CompetitionStage::Draw => t_string!(i18n, arena.draw),
        CompetitionStage::Score => t_string!(i18n, arena.score),
        CompetitionStage::Learn => t_string!(i18n, arena.learn),
        CompetitionStage::Finished => t_string!(i18n, arena.over),
    }
}

/// What it does, in a sentence.
fn about(i18n: Language, stage: CompetitionStage) -> &'static str {
    match stage {
        CompetitionStage::Analyse => t_string!(i18n, arena.analyse_about),
        CompetitionStage::Train => t_string!(i18n, arena.train_about),
        CompetitionStage::Draw => t_string!(i18n, arena.draw_about),
        CompetitionStage::Score => t_string!(i18n, arena.score_about),
        CompetitionStage::Learn => t_string!(i18n, arena.learn_about),
        CompetitionStage::Finished => t_string!(i18n, arena.over),
    }
}

/// The parts, with those done ticked and the one that goes on marked.
#[component]
pub fn Stages(
    /// The round.
    #[prop(into)]
    round: Signal<u32>,
    /// The most rounds.
    #[prop(into)]
    of: Signal<u32>,
    /// The part that goes on.
    #[prop(into)]
    stage: Signal<CompetitionStage>,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <section class="stages" aria-label=move || t_string!(i18n, arena.round_of, round = round.get().max(1), of = of.get())>
            <p class="stages-round numeric">
                {move || t_string!(i18n, arena.round_of, round = round.get().max(1), of = of.get())}
            </p>
            <ol class="stages-row">
                {STAGES
                    .map(|one| {
                        let is_done = move || stage.get() > one;
                        let is_now = move || stage.get() == one;
                        view! {
                            <li
                                class="stages-one"
                                class:stages-done=is_done
                                class:stages-now=is_now
                                aria-current=move || is_now().then_some("step")
                            >
                                <span class="stages-mark" aria-hidden="true">
                                    {move || is_done().then(|| icon("check"))}
                                </span>
                                <span>{move || name(i18n, one)}</span>
                            </li>
                        }
                    })
                    .collect_view()}
            </ol>
            <p class="stages-about" aria-live="polite">{move || about(i18n, stage.get())}</p>
        </section>
    }
}
