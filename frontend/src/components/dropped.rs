//! Pictures that are dropped or pasted: files, and pictures of ours that were dragged here by their address.

use chapan_api::{
    id::ImageId,
    image::{ImageKind, ImageView},
};
use leptos::{ev, prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use web_sys::DataTransfer;

use crate::{
    api::{self, Failure},
    i18n::{self, use_i18n},
    state::{connection::Connection, pictures::Pictures, toast::Toasts},
};

/// What was dropped.
pub enum Dropped {
    /// A file.
    File(web_sys::Blob),
    /// A picture of ours.
    Ours(ImageId),
}

impl Dropped {
    /// Looks what a drop or a paste brings; nothing when that is no picture.
    pub fn of(data: &DataTransfer) -> Option<Self> {
        if let Some(file) = data.files().and_then(|files| files.get(0)) {
            return Some(Self::File(file.into()));
        }
        let address = data.get_data("text/uri-list").ok()?;
        id_in(&address).map(Self::Ours)
    }

    /// The picture itself; a file is brought in for it.
    pub async fn picture(self, pictures: Pictures, connection: Connection) -> Result<ImageView, Failure> {
        match self {
            Self::Ours(id) => pictures.fetch(&id).await,
            Self::File(file) => {
                let view = connection.note(api::image::upload(&file, ImageKind::Upload).await)?;
                pictures.add(view.clone());
                Ok(view)
            }
        }
    }
}

/// Takes what is dropped on a place of its own, away from all places below; says so when it cannot be read.
pub fn dropped_on(then: impl Fn(ImageView) + Copy + 'static) -> impl Fn(ev::DragEvent) + Copy {
    let i18n = use_i18n();
    let toasts = expect_context::<Toasts>();
    let (pictures, connection) = (expect_context::<Pictures>(), expect_context::<Connection>());
    move |event: ev::DragEvent| {
        event.prevent_default();
        let Some(dropped) = event.data_transfer().and_then(|data| Dropped::of(&data)) else { return };
        spawn_local(async move {
            match dropped.picture(pictures, connection).await {
                Ok(view) => then(view),
                Err(failure) => toasts.warn(untrack(|| i18n::failure(i18n, &failure)).fact),
            }
        });
    }
}

/// Keeps the browser from leaving for a picture that is dropped where nothing takes one: the studio shows it.
#[component]
pub fn DropAnywhere() -> impl IntoView {
    let navigate = StoredValue::new_local(use_navigate());
    let take = dropped_on(move |view: ImageView| {
        let place = format!("/studio?image={}", view.id);
        navigate.try_with_value(|navigate| navigate(&place, NavigateOptions::default()));
    });
    // Text that is dragged into a field is no business of ours.
    let brings = |event: &ev::DragEvent| {
        let types = event.data_transfer().map(|data| data.types());
        types.is_some_and(|types| {
            types.iter().any(|name| matches!(name.as_string().as_deref(), Some("Files" | "text/uri-list")))
        })
    };
    let over = window_event_listener(ev::dragover, move |event| {
        if brings(&event) {
            event.prevent_default();
        }
    });
    let fallen = window_event_listener(ev::drop, move |event| {
        if brings(&event) && !event.default_prevented() {
            take(event);
        }
    });
    on_cleanup(move || {
        over.remove();
        fallen.remove();
    });
}

/// The picture of ours that an address names.
fn id_in(address: &str) -> Option<ImageId> {
    let places = ["/api/images/", "/gallery/", "/studio?image="];
    let (_, rest) = places.iter().find_map(|place| address.split_once(place))?;
    let id: String =
        rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter)).collect();
    (!id.is_empty()).then(|| ImageId::new(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dragged_picture_is_known_by_its_address() {
        for address in [
            "http://127.0.0.1:8080/api/images/abc-1_2/file",
            "http://host/gallery/abc-1_2",
            "/api/images/abc-1_2?x=1",
            "http://host/studio?image=abc-1_2&job=3",
        ] {
            assert_eq!(id_in(address), Some(ImageId::new("abc-1_2")), "{address}");
        }
        for address in ["https://elsewhere/cat.png", "/api/images/", "/studio?job=abc", ""] {
            assert_eq!(id_in(address), None);
        }
    }
}
