//! Pixels from the worker on a canvas, scaled by the style as any picture is.

use leptos::{html, prelude::*};
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, ImageData};

use crate::{components::picture::Pixels, worker::Rgba};

/// A picture of raw pixels.
#[component]
pub fn Raster(
    /// The pixels.
    #[prop(into)]
    picture: Signal<Option<Rgba>>,
    /// What it shows; empty for an ornament.
    #[prop(into)]
    alt: Signal<String>,
    /// Class of the canvas.
    #[prop(optional)]
    class: &'static str,
    /// Whether pixels are always shown as they are.
    #[prop(optional)]
    exact: bool,
) -> impl IntoView {
    let canvas = NodeRef::<html::Canvas>::new();
    let pixels = expect_context::<Pixels>();
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        picture.with(|picture| {
            if let Some(picture) = picture {
                draw(&canvas, picture);
            }
        });
    });
    view! {
        <canvas
            node_ref=canvas
            class=class
            class:pixelated=move || exact || pixels.shown()
            role=move || alt.with(|alt| if alt.is_empty() { "presentation" } else { "img" })
            aria-label=move || Some(alt.get()).filter(|alt| !alt.is_empty())
            style=("--w", move || picture.with(|picture| picture.as_ref().map_or(1, |p| p.width).to_string()))
            style=("--h", move || picture.with(|picture| picture.as_ref().map_or(1, |p| p.height).to_string()))
        ></canvas>
    }
}

fn draw(canvas: &web_sys::HtmlCanvasElement, picture: &Rgba) {
    let (width, height) = (picture.width, picture.height);
    if (canvas.width(), canvas.height()) != (width, height) {
        canvas.set_width(width);
        canvas.set_height(height);
    }
    let context = canvas.get_context("2d").ok().flatten();
    let context = context.and_then(|context| context.dyn_into::<CanvasRenderingContext2d>().ok());
    let data = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&picture.bytes), width, height);
    if let (Some(context), Ok(data)) = (context, data) {
        // It fails for pictures of other origins only; these are our own.
        drop(context.put_image_data(&data, 0.0, 0.0));
    }
}
