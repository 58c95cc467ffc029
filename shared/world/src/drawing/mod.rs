//! The drawing board: soft shapes in a style, with a note of where each named thing is.

mod canvas;
mod palette;
pub mod shape;

pub use canvas::{Canvas, Layer};
pub use palette::Rgb;
pub(crate) use palette::{CREAM, FELT, GOLD, INDIGO, INK, RUST, SAFFRON, TURQUOISE, WOOD, mix};
