//! The model in the browser: whether it is here, how far its fetching is.

use leptos::prelude::*;

use crate::{
    api::Failure,
    worker::{
        self,
        messages::{Answer, ModelFacts, Task},
    },
};

/// How far the browser's model is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Kept {
    /// Nobody asked for it yet.
    #[default]
    Unknown,
    /// It is being fetched: bytes here, bytes in all.
    Fetching(u64, u64),
    /// It is here.
    Ready(ModelFacts),
    /// It could not be fetched.
    Failed(Failure),
}

/// The browser's model.
#[derive(Clone, Copy)]
pub struct Place {
    /// How far it is.
    pub kept: RwSignal<Kept>,
}

impl Place {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self { kept: RwSignal::default() }
    }

    /// Fetches the model, so that the server is not needed any more.
    pub fn prepare(self, model: String) {
        self.kept.set(Kept::Fetching(0, 0));
        worker::easel().ask(Task::Prepare { model }, &[], move |told| {
            let kept = match told.map(|given| given.answer) {
                Ok(Answer::Fetching { done, total }) => Kept::Fetching(done, total),
                Ok(Answer::Prepared(facts)) => Kept::Ready(facts),
                Ok(_) => return,
                Err(failure) => Kept::Failed(failure),
            };
            // Nothing remains to be told to a page that is gone.
            drop(self.kept.try_set(kept));
        });
    }
}
