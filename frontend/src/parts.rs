//! The parts of the program: what the browser fetches when it is first shown, not before. Here the program is cut.
//!
//! There are two: `studio`, the first page, and `rooms`, all other pages with those pieces of the studio that are not
//! seen at first sight, and with a style of their own, `style/rooms`. Once the first page stands the rooms are fetched
//! too: from then on the server may go. More parts would not be lighter: what several of them use makes a file for each
//! set of users.

#![expect(clippy::unnecessary_wraps, reason = "a load that fails becomes the error of these results")]

use std::{future::Future, pin::Pin, time::Duration};

use leptos::{prelude::*, reactive::computed::ScopedFuture, task::spawn_local};
use wasm_bindgen::prelude::*;
use wasm_split_helpers::SplitLoaderError;

use crate::{
    api::Failure,
    components::{dropped::DropAnywhere, notice::ErrorNotice},
    i18n::{self, use_i18n},
    pages::{
        arena::ArenaPage, compare::ComparePage, gallery::GalleryPage, lesson::LessonPage,
        microscope::MicroscopePage, models::ModelsPage, studio::StudioPage, training::TrainingPage,
    },
};

/// What code that may not be here shows.
pub type Piece = Result<AnyView, SplitLoaderError>;
type Shows = Pin<Box<dyn Future<Output = Piece>>>;

/// A page whose code comes when it is first shown.
#[derive(Clone, Copy)]
pub struct Part {
    show: fn() -> Shows,
    /// Whether it is a room, with the style of the rooms.
    is_room: bool,
}

#[wasm_bindgen]
extern "C" {
    /// Brings the style of the rooms, once; `start.js` knows where it lies.
    #[wasm_bindgen(js_name = dressRooms, catch)]
    async fn dress_rooms() -> Result<JsValue, JsValue>;
}

/// Declares a page as a part of its own.
macro_rules! part {
    ($module:ident, $name:ident, $part:ident, $page:ident, $is_room:literal) => {
        #[wasm_split_helpers::wasm_split($module, fallible)]
        fn $name() -> Piece {
            Ok(view! { <$page /> }.into_any())
        }

        pub const $part: Part = Part { show: || Box::pin($name()), is_room: $is_room };
    };
}

part!(studio, studio, STUDIO, StudioPage, false);
part!(rooms, gallery, GALLERY, GalleryPage, true);
part!(rooms, compare, COMPARE, ComparePage, true);
part!(rooms, lesson, LESSON, LessonPage, true);
part!(rooms, microscope, MICROSCOPE, MicroscopePage, true);
part!(rooms, training, TRAINING, TrainingPage, true);
part!(rooms, arena, ARENA, ArenaPage, true);
part!(rooms, models, MODELS, ModelsPage, true);

/// What takes pictures that are dropped anywhere.
#[wasm_split_helpers::wasm_split(rooms, fallible)]
pub fn drops() -> Piece {
    Ok(view! { <DropAnywhere /> }.into_any())
}

/// How long the first page is left alone before the rooms are fetched, and how long after a failure it is tried again.
const IDLE: Duration = Duration::from_secs(2);

/// Brings the code of the rooms.
#[wasm_split_helpers::wasm_split(rooms, fallible)]
fn rooms() -> Result<(), SplitLoaderError> {
    Ok(())
}

/// Whether the code of the rooms is here.
#[derive(Clone, Copy)]
struct RoomsHere(RwSignal<bool>);

/// Fetches the rooms a while after the first page stands.
pub fn provide() {
    let here = RwSignal::new(false);
    provide_context(RoomsHere(here));
    fetch_later(here);
}

fn fetch_later(here: RwSignal<bool>) {
    let fetch = move || {
        spawn_local(async move {
            let (code, style) = (rooms().await, dress_rooms().await);
            if code.is_ok() && style.is_ok() { here.set(true) } else { fetch_later(here) }
        });
    };
    set_timeout(fetch, IDLE);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Coming,
    Here,
    Missing,
}

/// The page of a part, as soon as its code is here.
pub fn page(part: Part) -> impl IntoView {
    arriving(part.show, part.is_room)
}

/// A piece of the first page whose code lies with the rooms and is fetched when the piece is first asked for.
pub fn piece<F: Future<Output = Piece> + 'static>(show: impl Fn() -> F + Clone + 'static) -> impl IntoView {
    arriving(show, true)
}

/// A piece that waits until the rooms have come by themselves: the first page does without it.
pub fn in_time<F: Future<Output = Piece> + 'static>(
    show: impl Fn() -> F + Clone + Send + 'static,
) -> impl IntoView {
    let RoomsHere(here) = expect_context();
    move || here.get().then(|| arriving(show.clone(), true))
}

/// Shows something as soon as its code is here; says so when it cannot come.
fn arriving<F: Future<Output = Piece> + 'static>(
    show: impl Fn() -> F + Clone + 'static,
    is_room: bool,
) -> impl IntoView {
    let i18n = use_i18n();
    let stage = RwSignal::new(Stage::Coming);
    let shown = StoredValue::new_local(None::<AnyView>);
    let show = StoredValue::new_local(show);
    let ask = move || {
        stage.set(Stage::Coming);
        // What is made in the future belongs to whoever asked for it.
        spawn_local(ScopedFuture::new_untracked(async move {
            let Some(show) = show.try_get_value() else { return };
            let dressed = !is_room || dress_rooms().await.is_ok();
            let made = show().await.ok().filter(|_| dressed);
            // Whoever has gone on to another page does not wait for this one any more.
            let next = if made.is_some() { Stage::Here } else { Stage::Missing };
            shown.try_set_value(made);
            let _ = stage.try_set(next);
        }));
    };
    ask();
    let retry = Callback::new(move |()| ask());
    move || match stage.get() {
        Stage::Here => shown.try_update_value(Option::take).flatten(),
        Stage::Coming => None,
        Stage::Missing => {
            let words = move || i18n::failure(i18n, &Failure::Offline);
            Some(
                view! {
                    <div class="sheet">
                        <ErrorNotice words=Signal::derive(words) retry />
                    </div>
                }
                .into_any(),
            )
        }
    }
}
