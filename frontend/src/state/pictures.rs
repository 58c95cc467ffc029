//! The user's pictures, newest first: one list for the film strip and the gallery.

use chapan_api::{
    id::ImageId,
    image::{ImageRecord, ImageView},
};
use leptos::{prelude::*, task::spawn_local};

use super::connection::Connection;
use crate::api::{self, Failure};

/// The pictures as far as they are known.
#[derive(Clone, Copy)]
pub struct Pictures {
    items: RwSignal<Vec<ImageView>>,
    cursor: RwSignal<Option<String>>,
    /// Set once the first page came.
    loaded: RwSignal<bool>,
    loading: RwSignal<bool>,
    failure: RwSignal<Option<Failure>>,
    connection: Connection,
}

impl Pictures {
    /// Provides the pictures and loads the first page.
    pub fn provide(connection: Connection) -> Self {
        let pictures = Self {
            items: RwSignal::new(Vec::new()),
            cursor: RwSignal::new(None),
            loaded: RwSignal::new(false),
            loading: RwSignal::new(false),
            failure: RwSignal::new(None),
            connection,
        };
        Effect::new(move |_| {
            connection.returns();
            pictures.load();
        });
        provide_context(pictures);
        pictures
    }

    /// Reads the first page anew.
    pub fn load(self) {
        self.read(None);
    }

    /// Reads the next page, if there is one and none is on its way.
    pub fn load_more(self) {
        if let Some(cursor) = self.cursor.get_untracked()
            && !self.loading.get_untracked()
        {
            self.read(Some(cursor));
        }
    }

    fn read(self, cursor: Option<String>) {
        self.loading.set(true);
        spawn_local(async move {
            match self.connection.note(api::image::list(cursor.as_deref()).await) {
                Ok(page) => {
                    self.items.update(|items| {
                        if cursor.is_none() {
                            items.clear();
                        }
                        let new: Vec<_> = page
                            .items
                            .into_iter()
                            .filter(|image| items.iter().all(|known| known.id != image.id))
                            .collect();
                        items.extend(new);
                    });
                    self.cursor.set(page.next_cursor);
                    self.failure.set(None);
                    self.loaded.set(true);
                }
                Err(failure) => self.failure.set(Some(failure)),
            }
            self.loading.set(false);
        });
    }

    /// All known pictures.
    pub fn items(self) -> Signal<Vec<ImageView>> {
        self.items.into()
    }

    /// Whether the first page has come.
    pub fn is_loaded(self) -> bool {
        self.loaded.get()
    }

    /// Whether a page is on its way.
    pub fn is_loading(self) -> bool {
        self.loading.get()
    }

    /// Whether there are more pages.
    pub fn has_more(self) -> bool {
        self.cursor.with(Option::is_some)
    }

    /// Why the last page did not come.
    pub fn failure(self) -> Option<Failure> {
        self.failure.get()
    }

    /// A known picture.
    pub fn find(self, id: &ImageId) -> Option<ImageView> {
        self.items.with(|items| items.iter().find(|image| image.id == *id).cloned())
    }

    /// A picture, from the list or from the server.
    pub async fn fetch(self, id: &ImageId) -> Result<ImageView, Failure> {
        if let Some(known) = self.items.with_untracked(|items| items.iter().find(|i| i.id == *id).cloned()) {
            return Ok(known);
        }
        self.connection.note(api::image::get(id).await)
    }

    /// Puts a picture in its place by time.
    pub fn add(self, image: ImageView) {
        self.items.update(|items| {
            if items.iter().all(|known| known.id != image.id) {
                let place = items.partition_point(|known| known.created_at_ms > image.created_at_ms);
                items.insert(place, image);
            }
        });
    }

    /// Puts a picture into the trash; it leaves the list at once and comes back if the server refuses.
    pub async fn delete(self, image: &ImageView) -> Result<(), Failure> {
        self.items.update(|items| items.retain(|known| known.id != image.id));
        let answer = self.connection.note(api::image::delete(&image.id).await);
        if answer.is_err() {
            self.add(image.clone());
        }
        answer
    }

    /// Takes a picture out of the trash.
    pub async fn restore(self, image: &ImageView) -> Result<(), Failure> {
        self.connection.note(api::image::restore(&image.id).await)?;
        self.add(ImageView { deleted_at_ms: None, ..image.clone() });
        Ok(())
    }
}

/// The name under which a picture is saved: what it shows and the seed that makes it again.
pub fn file_name(image: &ImageView) -> String {
    image.record.as_ref().map_or_else(|| format!("chapan-{}.png", image.id), file_name_of)
}

/// The same for a picture that may not be made yet.
pub fn file_name_of(record: &ImageRecord) -> String {
    let words: String = record
        .prompt
        .chars()
        .map(|letter| if letter.is_alphanumeric() { letter } else { '-' })
        .take(48)
        .collect();
    let words = words.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    format!("{words}-{}.png", record.seed)
}
