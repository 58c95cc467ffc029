//! The mask over the input picture: painted by the editor, kept in the browser, sent with the request.
//!
//! It belongs to the draft and not to a page: no change of a parameter, no other page and no reload loses it.

mod png;

use std::time::Duration;

use chapan_api::{id::ImageId, image::ImageKind};
use leptos::prelude::*;

use super::memory;
use crate::{
    api::{self, Failure},
    canvas::{Board, Mask, Rect},
};

pub use png::{Shade, pixels};

const KEPT: &str = "chapan.mask";
/// Painting goes on while the last change waits to be kept.
const KEEP_AFTER: Duration = Duration::from_millis(150);

/// The mask of the studio.
#[derive(Clone, Copy)]
pub struct MaskDraft {
    board: StoredValue<Board>,
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
        let draft = Self {
            board: StoredValue::new(Board::new(Mask::new(0, 0))),
            share: RwSignal::new(0.0),
            ways: RwSignal::new((false, false)),
            picture: RwSignal::new(memory::get(KEPT)),
            changes: StoredValue::new(0),
            sent: StoredValue::new(None),
        };
        provide_context(draft);
        draft
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
            && let Some(levels) = png::levels(&picture, width, height).await
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
        let levels = png::levels(address, width, height).await?;
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
        match &address {
            Some(address) => memory::set(KEPT, address),
            None => memory::remove(KEPT),
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
