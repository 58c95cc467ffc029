//! The installed models, read once and again when the server comes back.

use chapan_api::model::{LoraView, ModelView, UpscalerView};
use leptos::{prelude::*, task::spawn_local};

use super::connection::Connection;
use crate::api::{self, Failure};

/// The list as far as it is known.
#[derive(Clone, Copy)]
pub struct Models {
    list: RwSignal<Option<Result<Vec<ModelView>, Failure>>>,
    loras: RwSignal<Vec<LoraView>>,
    upscalers: RwSignal<Vec<UpscalerView>>,
    connection: Connection,
}

impl Models {
    /// Provides the models and loads them.
    pub fn provide(connection: Connection) -> Self {
        let models = Self {
            list: RwSignal::new(None),
            loras: RwSignal::default(),
            upscalers: RwSignal::default(),
            connection,
        };
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
            // Without them their fields stay hidden and say why; the next return of the server asks again.
            self.loras.set(self.connection.note(api::model::loras().await).unwrap_or_default());
            self.upscalers.set(self.connection.note(api::model::upscalers().await).unwrap_or_default());
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

    /// The model with this id; the server's first when the id is empty or unknown.
    pub fn chosen(self, id: &str) -> Option<ModelView> {
        let known = self.known();
        known.iter().find(|model| model.id.as_str() == id).or(known.first()).cloned()
    }

    /// The side of the square that a model was made for.
    pub fn side(self, id: &str) -> u32 {
        self.chosen(id).map_or(128, |model| model.default_side)
    }

    /// The installed LoRAs.
    pub fn loras(self) -> Vec<LoraView> {
        self.loras.get()
    }

    /// Looks at the LoRAs that are installed now.
    pub fn with_loras<T>(self, look: impl FnOnce(&[LoraView]) -> T) -> T {
        self.loras.with_untracked(|loras| look(loras))
    }

    /// The installed upscalers.
    pub fn upscalers(self) -> Vec<UpscalerView> {
        self.upscalers.get()
    }
}
