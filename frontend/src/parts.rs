//! The parts of the program: what the browser fetches when it is first shown, not before. Here the program is cut.
//!
//! There are two: `studio`, the first page, and `rooms`, all other pages with those pieces of the studio that are not
//! seen at first sight. Once the first page stands the rooms are fetched too: from then on the server may go. More parts
//! would not be lighter: what several of them use makes a file for each set of users.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use leptos::{prelude::*, task::spawn_local};
use wasm_split_helpers::SplitLoaderError;

use crate::{
    api::Failure,
    components::notice::ErrorNotice,
    i18n::{self, use_i18n},
    pages::{
        compare::ComparePage, gallery::GalleryPage, lesson::LessonPage, microscope::MicroscopePage,
        models::ModelsPage, studio::StudioPage,
    },
};

/// What code that may not be here shows.
pub type Piece = Result<AnyView, SplitLoaderError>;
type Shows = Pin<Box<dyn Future<Output = Piece>>>;
type Comes = Pin<Box<dyn Future<Output = Result<(), SplitLoaderError>>>>;

/// A page whose code comes when it is first shown.
#[derive(Clone, Copy)]
pub struct Part {
    fetch: fn() -> Comes,
    show: fn() -> Shows,
}

/// Declares a page as a part of its own.
macro_rules! part {
    ($module:ident, $name:ident, $fetch:ident, $part:ident, $page:ident) => {
        #[wasm_split_helpers::wasm_split($module, preload($fetch), fallible)]
        fn $name() -> Piece {
            Ok(view! { <$page /> }.into_any())
        }

        pub const $part: Part = Part { fetch: || Box::pin($fetch()), show: || Box::pin($name()) };
    };
}

part!(studio, studio, fetch_studio, STUDIO, StudioPage);
part!(rooms, gallery, fetch_gallery, GALLERY, GalleryPage);
part!(rooms, compare, fetch_compare, COMPARE, ComparePage);
part!(rooms, lesson, fetch_lesson, LESSON, LessonPage);
part!(rooms, microscope, fetch_microscope, MICROSCOPE, MicroscopePage);
part!(rooms, models, fetch_models, MODELS, ModelsPage);

/// How long the first page is left alone before the rooms are fetched, and how long after a failure it is tried again.
const IDLE: Duration = Duration::from_secs(2);

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
            match fetch_gallery().await {
                Ok(()) => here.set(true),
                Err(_) => fetch_later(here),
            }
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
    arriving(part.fetch, part.show)
}

/// A piece of the first page whose code lies with the rooms and is fetched when the piece is first asked for.
pub fn piece<F: Future<Output = Piece> + 'static>(
    show: impl Fn() -> F + Send + Sync + 'static,
) -> impl IntoView {
    arriving(|| Box::pin(fetch_gallery()), show)
}

/// A piece that waits until the rooms have come by themselves: the first page does without it.
pub fn in_time<F: Future<Output = Piece> + 'static>(
    show: impl Fn() -> F + Send + Sync + 'static,
) -> impl IntoView {
    let RoomsHere(here) = expect_context();
    move || here.get().then(|| at_once(show())?.ok()).flatten()
}

/// Shows something as soon as its code is here; says so when it cannot come.
fn arriving<F: Future<Output = Piece> + 'static>(
    fetch: fn() -> Comes,
    show: impl Fn() -> F + Send + Sync + 'static,
) -> impl IntoView {
    let i18n = use_i18n();
    let stage = RwSignal::new(Stage::Coming);
    let fetch = move || match at_once(fetch()) {
        Some(Ok(())) => stage.set(Stage::Here),
        _ => {
            stage.set(Stage::Coming);
            spawn_local(async move {
                let came = fetch().await.is_ok();
                // Whoever has gone on to another page does not wait for this one any more.
                let _ = stage.try_set(if came { Stage::Here } else { Stage::Missing });
            });
        }
    };
    fetch();
    let retry = Callback::new(move |()| fetch());
    move || {
        let shown = match stage.get() {
            Stage::Here => at_once(show()).and_then(Result::ok),
            Stage::Coming => Some(().into_any()),
            Stage::Missing => None,
        };
        shown.unwrap_or_else(|| {
            let words = move || i18n::failure(i18n, &Failure::Offline);
            view! {
                <div class="sheet">
                    <ErrorNotice words=Signal::derive(words) retry />
                </div>
            }
            .into_any()
        })
    }
}

/// What a future has already to give: within the owner that asks, as a view needs it.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
