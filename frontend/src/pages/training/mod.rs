//! Training: references are brought in and looked at, settings chosen, and a LoRA learns while one watches.
//!
//! `/training` is where it begins, `/training?dataset=…` prepares one dataset, `/training/…` shows one training.

mod analysis;
mod bring;
mod collection;
mod files;
mod findings;
mod home;
mod outcome;
mod pictures;
mod prepare;
mod run;
pub mod samples;
mod settings;
pub mod watch;

pub use findings::duration;
pub use home::badge;

use chapan_api::id::{DatasetId, TrainingId};
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

use crate::i18n::{t_string, use_i18n};
use home::Home;
use prepare::Prepare;
use run::RunPart;

/// The page.
#[component]
pub fn TrainingPage() -> impl IntoView {
    let i18n = use_i18n();
    let (params, query) = (use_params_map(), use_query_map());
    let run = Memo::new(move |_| params.with(|params| params.get("run").filter(|id| !id.is_empty())));
    let dataset = Memo::new(move |_| query.with(|query| query.get("dataset")));
    Effect::new(move |_| document().set_title(&format!("{} · Chapan", t_string!(i18n, frame.training))));
    move || match (run.get(), dataset.get()) {
        (Some(id), _) => view! { <RunPart id=TrainingId::new(id) /> }.into_any(),
        (None, Some(id)) => view! { <Prepare id=DatasetId::new(id) /> }.into_any(),
        (None, None) => view! { <Home /> }.into_any(),
    }
}
