//! Masks to PNG and back, by the browser's own coder; and a mask's levels as a tint that can be laid over a picture.

use leptos::prelude::{document, window};
use wasm_bindgen::{Clamped, JsCast};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlImageElement, ImageData};

use crate::canvas::{Mask, Rect};

/// The tint of the masked part: red, green, blue.
#[derive(Clone, Copy)]
pub struct Shade([u8; 3]);

impl Shade {
    /// Takes a colour as the browser computes it: `rgb(1, 2, 3)`.
    pub fn of(colour: &str) -> Self {
        let mut numbers =
            colour.split(|letter: char| !letter.is_ascii_digit()).filter_map(|part| part.parse().ok());
        Self([0; 3].map(|_: u8| numbers.next().unwrap_or_default()))
    }

    /// Lays the tint over a part of a canvas, as strongly as the mask is there.
    pub fn lay(self, canvas: &HtmlCanvasElement, mask: &Mask, rect: Rect) {
        let mut pixels = Vec::with_capacity(rect.width() * rect.height() * 4);
        for level in mask.cut(rect) {
            pixels.extend([self.0[0], self.0[1], self.0[2], level]);
        }
        put(canvas, &pixels, rect);
    }
}

/// The mask as an opaque picture: white is painted anew.
fn canvas(mask: &Mask) -> Option<HtmlCanvasElement> {
    let canvas = blank(mask.width(), mask.height())?;
    let pixels: Vec<u8> = mask.levels().iter().flat_map(|level| [*level, *level, *level, 255]).collect();
    put(&canvas, &pixels, mask.whole());
    Some(canvas)
}

/// The mask as a PNG in a data address.
pub fn address(mask: &Mask) -> Option<String> {
    canvas(mask)?.to_data_url().ok()
}

/// A PNG in a data address as a file.
pub fn file(address: &str) -> Option<web_sys::Blob> {
    let (_, text) = address.split_once("base64,")?;
    let bytes: Vec<u8> = window().atob(text).ok()?.chars().map(|letter| letter as u8).collect();
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(&bytes[..]));
    web_sys::Blob::new_with_u8_array_sequence(&parts).ok()
}

/// The levels of any picture that the browser can read, scaled to a size: how bright it is, and how opaque.
pub async fn levels(address: &str, width: usize, height: usize) -> Option<Vec<u8>> {
    let pixels = pixels(address, width, height).await?;
    Some(pixels.chunks_exact(4).map(|pixel| level([pixel[0], pixel[1], pixel[2], pixel[3]])).collect())
}

/// The pixels of any picture that the browser can read, scaled to a size: red, green, blue, opacity.
pub async fn pixels(address: &str, width: usize, height: usize) -> Option<Vec<u8>> {
    let picture = HtmlImageElement::new().ok()?;
    picture.set_src(address);
    JsFuture::from(picture.decode()).await.ok()?;
    let canvas = blank(width, height)?;
    let context = context(&canvas)?;
    context
        .draw_image_with_html_image_element_and_dw_and_dh(&picture, 0.0, 0.0, width as f64, height as f64)
        .ok()?;
    Some(context.get_image_data(0.0, 0.0, width as f64, height as f64).ok()?.data().0)
}

/// Rec. 601 luma of a pixel, over black.
fn level([red, green, blue, alpha]: [u8; 4]) -> u8 {
    let luma = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    ((luma * u32::from(alpha) + 127_500) / 255_000) as u8
}

fn blank(width: usize, height: usize) -> Option<HtmlCanvasElement> {
    let canvas: HtmlCanvasElement = document().create_element("canvas").ok()?.dyn_into().ok()?;
    canvas.set_width(width as u32);
    canvas.set_height(height as u32);
    Some(canvas)
}

fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok()??.dyn_into().ok()
}

fn put(canvas: &HtmlCanvasElement, pixels: &[u8], rect: Rect) {
    let data = ImageData::new_with_u8_clamped_array(Clamped(pixels), rect.width() as u32);
    if let (Ok(data), Some(context)) = (data, context(canvas)) {
        // It fails only for a canvas that has gone, where there is nothing to show.
        let _ = context.put_image_data(&data, rect.left as f64, rect.top as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grey_picture_keeps_its_levels() {
        for shade in 0..=255 {
            assert_eq!(level([shade, shade, shade, 255]), shade);
        }
    }

    #[test]
    fn what_cannot_be_seen_masks_nothing() {
        assert_eq!(level([255, 255, 255, 0]), 0);
        assert_eq!(level([255, 255, 255, 128]), 128);
        assert_eq!(level([0, 255, 0, 255]), 150);
    }

    #[test]
    fn a_computed_colour_is_read() {
        let computed = format!("{}({})", "rgb", "12, 3, 255");
        assert_eq!(Shade::of(&computed).0, [12, 3, 255]);
        assert_eq!(Shade::of("").0, [0, 0, 0]);
    }
}
