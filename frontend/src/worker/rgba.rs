//! Pixels that the worker made, for a canvas.

use std::sync::Arc;

/// A picture as red, green, blue and opacity, row by row. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgba {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Four bytes a pixel.
    pub bytes: Arc<Vec<u8>>,
}

impl Rgba {
    /// A picture of these bytes; none where they do not fit the size.
    pub fn new(width: u32, height: u32, bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == width as usize * height as usize * 4).then(|| Self {
            width,
            height,
            bytes: Arc::new(bytes),
        })
    }
}
