//! The installed models, read once and again when the server comes back.

use chapan_api::model::ModelView;
use leptos::{prelude::*, task::spawn_local};

use super::connection::Connection;
use crate::api::{self, Failure};

/// The list as far as it is known.
#[derive(Clone, Copy)]
pub struct Models {
    list: RwSignal<Option<Result<Vec<ModelView>, Failure>>>,
    connection: Connection,
}

impl Models {
    /// Provides the models and loads them.
    pub fn provide(connection: Connection) -> Self {
        let models = Self { list: RwSignal::new(None), connection };
        Effect::new(move |_| {
            connection.returns();
            models.load();
        });
        provide_context(models);
        models
    }

    /// Reads the list.
    pub fn load(self) {
        spawn_local(async move {
            let answer = self.connection.note(api::model::list().await);
            self.list.set(Some(answer));
        });
    }

    /// The list, its failure, or nothing while it is on its way.
    pub fn list(self) -> Option<Result<Vec<ModelView>, Failure>> {
        self.list.get()
    }

    /// The models that are known now.
    pub fn known(self) -> Vec<ModelView> {
        self.list.get().and_then(Result::ok).unwrap_or_default()
    }
}
