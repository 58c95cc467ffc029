//! Painting as plain numbers: strokes and lassos become levels of a mask, every change can be taken back, and the view
//! turns places on the screen into places of the picture.
//!
//! It knows no page and no canvas of a browser: `components::mask_editor` shows what is here.

mod board;
mod brush;
mod history;
mod lasso;
mod mask;
mod view;

pub use board::Board;
pub use brush::{Brush, Dab};
pub use mask::{Mask, Rect};
pub use view::{Point, View};
