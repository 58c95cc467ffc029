//! What the parts of the editor share: the tool in the hand, the view, and the mask below them.

use leptos::{html, prelude::*};

use crate::{
    canvas::{Brush, Dab, Point, Rect, View},
    state::mask::{MaskDraft, Shade},
};

/// What the hand holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Paints the mask.
    Brush,
    /// Takes it away.
    Eraser,
    /// Fills what a line encloses.
    Lasso,
}

impl Tool {
    /// All tools, in the order of the switch.
    pub const ALL: [Self; 3] = [Self::Brush, Self::Eraser, Self::Lasso];
}

/// Screen pixels around a picture that is shown as a whole.
const MARGIN: f64 = 20.0;

/// The desk.
#[derive(Clone, Copy)]
pub struct Desk {
    /// The mask.
    pub masks: MaskDraft,
    /// Width and height of the picture.
    pub size: (f64, f64),
    /// The tool.
    pub tool: RwSignal<Tool>,
    /// Diameter of the brush in pixels of the picture.
    pub diameter: RwSignal<f64>,
    /// How much of the brush fades, in percent.
    pub softness: RwSignal<f64>,
    /// Where the picture lies.
    pub view: RwSignal<View>,
    /// Where the brush is, in pixels of the picture, while it is over the stage.
    pub at: RwSignal<Option<Point>>,
    /// The line of the lasso as it is drawn.
    pub line: RwSignal<Vec<Point>>,
    /// Whether the space bar makes the hand move the picture.
    pub moves: RwSignal<bool>,
    /// Whether the tint of the mask is seen; a hidden mask stays what it is.
    pub shows: RwSignal<bool>,
    /// Where the picture stands.
    pub place: NodeRef<html::Div>,
    /// The tint over the picture.
    pub canvas: NodeRef<html::Canvas>,
}

impl Desk {
    pub fn new(masks: MaskDraft, (width, height): (u32, u32)) -> Self {
        let size = (f64::from(width), f64::from(height));
        Self {
            masks,
            size,
            tool: RwSignal::new(Tool::Brush),
            diameter: RwSignal::new((size.0.max(size.1) / 6.0).round()),
            softness: RwSignal::new(20.0),
            view: RwSignal::new(View::fit((1.0, 1.0), size, 0.0)),
            at: RwSignal::new(None),
            line: RwSignal::new(Vec::new()),
            moves: RwSignal::new(false),
            shows: RwSignal::new(true),
            place: NodeRef::new(),
            canvas: NodeRef::new(),
        }
    }

    /// The largest diameter that the slider offers.
    pub fn widest(self) -> f64 {
        self.size.0.max(self.size.1)
    }

    /// The brush as it is set; `erases` for the other end of a pen.
    pub fn brush(self, erases: bool) -> Brush {
        Brush {
            softness: number(self.softness, 0.0) / 100.0,
            erases: erases || self.tool.get_untracked() == Tool::Eraser,
        }
    }

    /// A place of a stroke, thinner under a light pen.
    pub fn dab(self, at: Point, pressure: f64) -> Dab {
        let radius = number(self.diameter, 1.0).max(1.0) / 2.0;
        Dab { x: at.x, y: at.y, radius: radius * (0.25 + 0.75 * pressure) }
    }

    /// Paints a piece of a stroke and shows it.
    pub fn paint(self, brush: Brush, from: Dab, to: Dab) {
        if let Some(rect) = self.masks.work(|board| board.paint(brush, from, to)).flatten() {
            self.show(rect);
        }
    }

    /// Shows what a finished change did, and keeps it.
    pub fn done(self, rect: Option<Rect>) {
        if let Some(rect) = rect {
            self.show(rect);
        }
        self.masks.changed();
    }

    /// Makes a change that is over at once, such as undo or invert.
    pub fn act(self, change: impl FnOnce(&mut crate::canvas::Board) -> Option<Rect>) {
        self.done(self.masks.work(change).flatten());
    }

    /// Makes the brush larger or smaller, by at least a pixel.
    pub fn grow(self, larger: bool) {
        let now = number(self.diameter, 1.0);
        let next = if larger { (now * 1.2).max(now + 1.0) } else { (now / 1.2).min(now - 1.0) };
        self.diameter.set(next.round().clamp(1.0, self.widest()));
    }

    /// Shows the whole picture.
    pub fn fit(self) {
        if let Some(place) = self.place.get_untracked() {
            let room = (f64::from(place.client_width()), f64::from(place.client_height()));
            self.view.set(View::fit(room, self.size, MARGIN));
        }
    }

    /// Zooms around the middle of the stage.
    pub fn zoom(self, factor: f64) {
        if let Some(place) = self.place.get_untracked() {
            let at =
                Point { x: f64::from(place.client_width()) / 2.0, y: f64::from(place.client_height()) / 2.0 };
            self.view.update(|view| *view = view.zoomed(at, factor));
        }
    }

    /// Puts the keys where the brush is.
    pub fn focus(self) {
        if let Some(place) = self.place.get_untracked() {
            let _ = place.focus();
        }
    }

    /// Draws the tint of the whole mask.
    pub fn show_all(self) {
        self.show(self.masks.read(crate::canvas::Mask::whole));
    }

    fn show(self, rect: Rect) {
        let Some(canvas) = self.canvas.get_untracked() else { return };
        // The tint is a token of the theme; the browser computes it.
        let colour = window().get_computed_style(&canvas).ok().flatten();
        let colour = colour.and_then(|style| style.get_property_value("color").ok()).unwrap_or_default();
        self.masks.read(|mask| Shade::of(&colour).lay(&canvas, mask, rect));
    }
}

/// A number that may be `NaN` while its field is empty.
fn number(signal: RwSignal<f64>, otherwise: f64) -> f64 {
    let value = signal.get_untracked();
    if value.is_finite() { value } else { otherwise }
}
