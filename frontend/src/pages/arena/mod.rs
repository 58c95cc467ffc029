//! The Arena: rounds in which a LoRA learns, everybody draws, and what was drawn is held against references.
//!
//! `/arena` lists competitions, `/arena?new` prepares one, `/arena/…` shows one.

mod bracket;
mod home;
mod lessons;
mod live;
mod order;
mod rounds;
mod scores;
mod setup;
mod stages;
mod vote;
mod why;

use chapan_api::id::CompetitionId;
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

use crate::i18n::{Language, t_string, use_i18n};
use home::Home;
use live::LivePart;
use setup::Setup;

/// The page.
#[component]
pub fn ArenaPage() -> impl IntoView {
    let i18n = use_i18n();
    let (params, query) = (use_params_map(), use_query_map());
    let run = Memo::new(move |_| params.with(|params| params.get("run").filter(|id| !id.is_empty())));
    let is_new = Memo::new(move |_| query.with(|query| query.get("new").is_some()));
    Effect::new(move |_| document().set_title(&format!("{} · Chapan", t_string!(i18n, frame.arena))));
    move || match run.get() {
        Some(id) => view! { <LivePart id=CompetitionId::new(id) /> }.into_any(),
        None if is_new.get() => view! { <Setup /> }.into_any(),
        None => view! { <Home /> }.into_any(),
    }
}

/// A contestant's name as people read it.
fn called(i18n: Language, contestant: &str) -> String {
    match order::round_of(contestant) {
        Some(round) => t_string!(i18n, arena.lora_of_round, round = round),
        None if contestant == "base" => t_string!(i18n, arena.base).to_owned(),
        None => contestant.to_owned(),
    }
}
