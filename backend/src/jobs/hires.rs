//! "Hires fix": the second pass of a picture, which command and server share.
//!
//! The picture is enlarged by an upscaler and drawn over at its new size by image to image; where that is larger than
//! the model's own size, in overlapping windows of it, and with all kept that the first picture shows. Seed, prompts, guidance, scheduler and LoRAs are those of the first
//! pass.

use chapan_api::generation::Hires;
use chapan_engine::Error;
use chapan_engine::models::Upscaler;
use chapan_engine::pipelines::upscale::DEFAULT_TILE;
use chapan_engine::pipelines::{Flow, GenerationParams, ImageToImage, Picture, Start, TileProgress, Windows};

use super::upscale::enlarge_to;

/// Enlarges the first picture to the size of the second pass.
///
/// # Errors
/// What the engine refuses, and [`Error::Cancelled`].
pub fn enlarge_for_hires(
    upscaler: &Upscaler,
    first: &Picture,
    hires: &Hires,
    report: &mut dyn FnMut(TileProgress) -> Flow,
) -> Result<Picture, Error> {
    let (width, height) = hires.size(first.width as u32, first.height as u32);
    enlarge_to(upscaler, first, (width as usize, height as usize), DEFAULT_TILE, report)
}

/// The call that draws over the enlarged picture; `side` is the model's own size in pixels.
pub fn second_pass(
    first: &GenerationParams,
    hires: &Hires,
    enlarged: Picture,
    side: usize,
) -> GenerationParams {
    let (width, height) = (enlarged.width, enlarged.height);
    let in_windows = width.max(height) > side;
    GenerationParams {
        width,
        height,
        num_inference_steps: hires.steps.map_or(first.num_inference_steps, |steps| steps as usize),
        windows: in_windows.then(|| Windows::of_size(side)),
        // A window is drawn as if it were the whole picture: what the first picture shows must be held against that.
        keep_coarse: in_windows.then_some(hires.scale),
        start: Start::Picture(ImageToImage { image: enlarged, strength: hires.strength }),
        ..first.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_pass_is_the_first_at_another_size() {
        let first = GenerationParams { prompt: "a man".to_owned(), seed: 5, ..GenerationParams::default() };
        let picture = |side: usize| Picture { width: side, height: 64, rgb: vec![0; side * 64 * 3] };
        let hires = Hires { strength: 0.3, steps: Some(30), ..Hires::default() };
        let second = second_pass(&first, &hires, picture(256), 128);
        assert_eq!((second.prompt.as_str(), second.seed, second.num_inference_steps), ("a man", 5, 30));
        assert_eq!((second.width, second.windows), (256, Some(Windows { side: 128, overlap: 32 })));
        assert_eq!(second.keep_coarse, Some(2.0));
        let Start::Picture(start) = second.start else { panic!("{:?}", second.start) };
        assert_eq!((start.strength, start.image.width), (0.3, 256));
        let small = second_pass(&first, &Hires::default(), picture(128), 128);
        assert_eq!((small.windows, small.keep_coarse, small.num_inference_steps), (None, None, 50));
    }
}
