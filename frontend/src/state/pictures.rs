//! The user's pictures, newest first: one list for the film strip and the gallery.

use chapan_api::{
    id::ImageId,
    image::{ChangeImages, ImageChange, ImageView},
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
    /// What is looked for: the question of the list's address.
    query: Signal<String>,
    /// Which list this is, and which one changed the pictures last, how often.
    number: u32,
    changed: RwSignal<(u32, u32)>,
}

impl Pictures {
    /// Provides all pictures and loads the first page.
    pub fn provide(connection: Connection) -> Self {
        let pictures = Self::new(connection, Signal::stored(String::new()), 0, RwSignal::new((0, 0)));
        provide_context(pictures);
        pictures
    }

    /// A list of those that a page looks for; the page's own parts find it instead of the list of all.
    pub fn provide_some(self, query: Signal<String>) -> Self {
        let pictures = Self::new(self.connection, query, 1, self.changed);
        provide_context(pictures);
        pictures
    }

    fn new(
        connection: Connection,
        query: Signal<String>,
        number: u32,
        changed: RwSignal<(u32, u32)>,
    ) -> Self {
        let pictures = Self {
            items: RwSignal::new(Vec::new()),
            cursor: RwSignal::new(None),
            loaded: RwSignal::new(false),
            loading: RwSignal::new(false),
            failure: RwSignal::new(None),
            connection,
            query,
            number,
            changed,
        };
        Effect::new(move |_| {
            connection.returns();
            query.track();
            pictures.load();
        });
        // What another list changed is read anew; what this one changed it knows.
        Effect::new(move |before: Option<()>| {
            let (who, _) = changed.get();
            if before.is_some() && who != number {
                pictures.load();
            }
        });
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
            let query = self.query.get_untracked();
            let answer = self.connection.note(api::image::list(&query, cursor.as_deref()).await);
            // Whoever typed on meanwhile waits for another answer.
            if self.query.try_get_untracked().is_none_or(|now| now != query) {
                return;
            }
            match answer {
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

    /// Changes pictures on the server and in this list.
    pub async fn change(self, images: &[ImageId], change: ImageChange) -> Result<(), Failure> {
        let request = ChangeImages { images: images.to_vec(), change: change.clone() };
        self.connection.note(api::image::change(&request).await)?;
        self.items.try_update(|items| {
            items.retain_mut(|item| {
                if !images.contains(&item.id) {
                    return true;
                }
                match &change {
                    ImageChange::Star(starred) => item.starred = *starred,
                    ImageChange::Move(folder) => item.folder.clone_from(folder),
                    // Into the trash, or out of the list of what lies there.
                    ImageChange::Delete | ImageChange::Restore => return false,
                }
                true
            });
        });
        let number = self.number;
        self.changed.update(|(who, times)| {
            *who = number;
            *times += 1;
        });
        Ok(())
    }

    /// Takes pictures out of the trash, back into every list.
    pub async fn restore(self, images: &[ImageId]) -> Result<(), Failure> {
        self.change(images, ImageChange::Restore).await?;
        self.load();
        Ok(())
    }
}

/// The name under which a picture is saved: what it shows and the seed that makes it again.
pub fn file_name(image: &ImageView) -> String {
    let words: String = image
        .prompt()
        .chars()
        .map(|letter| if letter.is_alphanumeric() { letter } else { '-' })
        .take(48)
        .collect();
    let words = words.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let seed = image.record.as_ref().map_or_else(|| image.id.to_string(), |record| record.seed.to_string());
    if words.is_empty() { format!("{seed}.png") } else { format!("{words}-{seed}.png") }
}
