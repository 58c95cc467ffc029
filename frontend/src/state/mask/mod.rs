//! The mask over the input picture: painted by the editor, kept in the browser, sent with the request.
//!
//! It belongs to the draft and not to a page: no change of a parameter, no other page and no reload loses it.

mod png;

use std::time::Duration;

use chapan_api::{
    id::ImageId,
    image::{ImageKind, ImageView},
};
use leptos::prelude::*;

use super::memory;
use crate::{
    api::{self, Failure},
    canvas::{Board, Mask, Rect},
};

pub use png::{Shade, levels, pixels};

const KEPT: &str = "chapan.mask";
/// Painting goes on while the last change waits to be kept.
const KEEP_AFTER: Duration = Duration::from_millis(150);

/// The mask of the studio.
#[derive(Clone, Copy)]
pub struct MaskDraft {
    board: StoredValue<Board>,
    /// Name under which the browser keeps it; a mask without one is gone with its page.
    kept: Option<&'static str>,
    /// Share of the picture that is masked, 0 to 1.
    share: RwSignal<f64>,
    /// Whether there is something to take back, and something to make again.
    ways: RwSignal<(bool, bool)>,
    /// The mask as a picture in a data address; nothing while it is blank.
    picture: RwSignal<Option<String>>,
    changes: StoredValue<u32>,
    /// The mask that the server has, and its id there.
    sent: StoredValue<Option<(String, ImageId)>>,
}

impl MaskDraft {
    /// Provides the mask, as it was left.
    pub fn provide() -> Self {
        let draft = Self::new(Some(KEPT));
        provide_context(draft);
        draft
    }

    /// Provides the parts of a page with a blank mask of their own.
    pub fn provide_blank() -> Self {
        let draft = Self::new(None);
        provide_context(draft);
        draft
    }

    fn new(kept: Option<&'static str>) -> Self {
        Self {
            board: StoredValue::new(Board::new(Mask::new(0, 0))),
            kept,
            share: RwSignal::new(0.0),
            ways: RwSignal::new((false, false)),
            picture: RwSignal::new(kept.and_then(memory::get)),
            changes: StoredValue::new(0),
            sent: StoredValue::new(None),
        }
    }

    /// Takes a mask that the server has, instead of what is painted.
    pub async fn take(self, view: &ImageView) -> bool {
        let (width, height) = (view.width as usize, view.height as usize);
        let Some(levels) = levels(&view.url, width, height).await else { return false };
        let mut mask = Mask::new(width, height);
        mask.replace(&levels);
        self.board.set_value(Board::new(mask));
        self.look();
        self.keep();
        // What comes from the server needs no second way there.
        self.sent.set_value(self.picture.get_untracked().map(|address| (address, view.id.clone())));
        true
    }

    /// Makes the mask fit a picture; one of another size is scaled.
    pub async fn fit(self, width: usize, height: usize) {
        let fits =
            self.board.with_value(|board| (board.mask().width(), board.mask().height()) == (width, height));
        if fits {
            return;
        }
        let mut mask = Mask::new(width, height);
        if let Some(picture) = self.picture.get_untracked()
            && let Some(levels) = levels(&picture, width, height).await
        {
            mask.replace(&levels);
        }
        self.board.set_value(Board::new(mask));
        self.look();
    }

    /// Works on the board; what is done here counts once `changed` is called.
    pub fn work<T>(self, act: impl FnOnce(&mut Board) -> T) -> Option<T> {
        self.board.try_update_value(act)
    }

    /// Reads the mask.
    pub fn read<T>(self, look: impl FnOnce(&Mask) -> T) -> T {
        self.board.with_value(|board| look(board.mask()))
    }

    /// Takes a picture's levels as the mask, scaled to fit. Nothing comes back when it is no picture.
    pub async fn load(self, address: &str) -> Option<Rect> {
        let (width, height) = self.read(|mask| (mask.width(), mask.height()));
        let levels = levels(address, width, height).await?;
        self.work(|board| board.load(&levels)).flatten()
    }

    /// Takes note of a finished change and keeps it soon.
    pub fn changed(self) {
        self.look();
        let number = self.changes.get_value() + 1;
        self.changes.set_value(number);
        set_timeout(
            move || {
                if self.changes.get_value() == number {
                    self.keep();
                }
            },
            KEEP_AFTER,
        );
    }

    /// Keeps the mask now. One that has met no picture yet is kept as it was.
    pub fn keep(self) {
        if self.read(|mask| mask.levels().is_empty()) {
            return;
        }
        let address = self.read(|mask| if mask.is_blank() { None } else { png::address(mask) });
        match (self.kept, &address) {
            (Some(kept), Some(address)) => memory::set(kept, address),
            (Some(kept), None) => memory::remove(kept),
            (None, _) => {}
        }
        self.picture.set(address);
    }

    /// Sends the mask to the server and returns its id there; the same mask is sent once.
    pub async fn sent(self) -> Result<Option<ImageId>, Failure> {
        self.keep();
        let Some(address) = self.picture.get_untracked() else { return Ok(None) };
        if let Some((known, id)) = self.sent.get_value()
            && known == address
        {
            return Ok(Some(id));
        }
        let Some(file) = png::file(&address) else { return Ok(None) };
        let view = api::image::upload(&file, ImageKind::Mask).await?;
        self.sent.set_value(Some((address, view.id.clone())));
        Ok(Some(view.id))
    }

    /// Share of the picture that is masked, 0 to 1.
    pub fn share(self) -> f64 {
        self.share.get()
    }

    /// Whether there is something to take back, and something to make again.
    pub fn ways(self) -> (bool, bool) {
        self.ways.get()
    }

    /// The mask as a picture; nothing while it is blank.
    pub fn picture(self) -> Option<String> {
        self.picture.get()
    }

    fn look(self) {
        self.share.set(self.read(Mask::share));
        self.ways.set(self.board.with_value(Board::ways));
    }
}
