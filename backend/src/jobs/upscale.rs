//! Enlarging a picture by any factor: what the command and the server's job share.
//!
//! A network enlarges by its own scale only. For another one it runs as often as needed and the rest is made smaller with
//! Pillow's Lanczos filter: before the last run where there are several, so that no run is larger than it has to be.

use chapan_engine::Error;
use chapan_engine::models::Upscaler;
use chapan_engine::pipelines::upscale::{MAX_PIXELS, check_tile, tile_count};
use chapan_engine::pipelines::{Flow, Picture, TileProgress, upscale};
use chapan_metrics::{Filter, MetricError, resize};

/// The largest factor.
pub const MAX_SCALE: f64 = 16.0;

/// How to enlarge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Enlargement {
    /// Side of the result over side of the picture, above 1 and up to [`MAX_SCALE`]; it need not be whole.
    pub scale: f64,
    /// Side of a tile in pixels of the network's input; 0 computes everything at once.
    pub tile: usize,
}

impl Enlargement {
    /// Refuses what makes no sense for any picture.
    ///
    /// # Errors
    /// A factor or a tile out of range.
    pub fn check(&self) -> Result<(), Error> {
        let Self { scale, tile } = *self;
        if scale > 1.0 && scale <= MAX_SCALE {
            return check_tile(tile);
        }
        Err(Error::Parameter {
            parameter: "scale",
            fault: format!("is `{scale}`"),
            hint: format!("choose a number above 1 and up to {MAX_SCALE}; 2 and 4 are usual"),
        })
    }
}

/// Enlarges a picture. `report` is told after every tile of every run, and can stop the work there.
///
/// # Errors
/// A factor out of range, a result that would be too large, and what the engine refuses.
pub fn enlarge(
    upscaler: &Upscaler,
    picture: &Picture,
    how: Enlargement,
    report: &mut dyn FnMut(TileProgress) -> Flow,
) -> Result<Picture, Error> {
    how.check()?;
    let times = |side: usize| ((side as f64 * how.scale).round() as usize).max(1);
    enlarge_to(upscaler, picture, (times(picture.width), times(picture.height)), how.tile, report)
}

/// The same to a width and a height, neither of which is smaller than the picture's.
pub(super) fn enlarge_to(
    upscaler: &Upscaler,
    picture: &Picture,
    target: Size,
    tile: usize,
    report: &mut dyn FnMut(TileProgress) -> Flow,
) -> Result<Picture, Error> {
    let inputs = plan((picture.width, picture.height), upscaler.scale(), target)?;
    let total = inputs.iter().map(|size| tile_count(upscaler, *size, tile)).sum();
    let mut before = 0;
    let mut at_hand: Option<Picture> = None;
    for size in inputs {
        let input = resized(at_hand.as_ref().unwrap_or(picture), size)?;
        let input = input.as_ref().or(at_hand.as_ref()).unwrap_or(picture);
        let mut latest = 0;
        let made = upscale(upscaler, input, tile, &mut |tiles| {
            latest = tiles.done;
            report(TileProgress { done: before + tiles.done, total })
        })?;
        before += latest;
        at_hand = Some(made);
    }
    let made = at_hand.unwrap_or_else(|| picture.clone());
    Ok(resized(&made, target)?.unwrap_or(made))
}

/// Opacity at another size, by Pillow's Lanczos filter: networks know colours only.
///
/// # Errors
/// When there are not as many levels as the size says.
pub fn enlarge_alpha(alpha: &[u8], size: Size, target: Size) -> Result<Vec<u8>, Error> {
    resize(alpha, size, 1, target, Filter::Lanczos).map_err(|error| unusable(&error))
}

/// Width and height.
type Size = (usize, usize);

/// The sizes that go into the runs of a network that enlarges by `native`, on the way to `target`.
fn plan(size: Size, native: usize, target: Size) -> Result<Vec<Size>, Error> {
    if target.0.saturating_mul(target.1) > MAX_PIXELS {
        return Err(Error::Parameter {
            parameter: "scale",
            fault: format!("would make a picture of {}x{}", target.0, target.1),
            hint: format!("at most {MAX_PIXELS} pixels (8192x8192) are made; choose a smaller factor"),
        });
    }
    if native < 2 {
        return Err(Error::Parameter {
            parameter: "model",
            fault: "does not enlarge: its scale is 1".to_owned(),
            hint: "choose a model that enlarges by 2 or 4".to_owned(),
        });
    }
    let mut inputs = vec![size];
    let mut reached = size;
    loop {
        reached = (reached.0 * native, reached.1 * native);
        if reached.0 >= target.0 && reached.1 >= target.1 {
            return Ok(inputs);
        }
        // The next run need not start from more than its share of the target.
        let share = |reached: usize, target: usize| reached.min(target.div_ceil(native));
        reached = (share(reached.0, target.0), share(reached.1, target.1));
        inputs.push(reached);
    }
}

/// The picture at another size, or `None` where it has that size already.
fn resized(picture: &Picture, (width, height): Size) -> Result<Option<Picture>, Error> {
    let size = (picture.width, picture.height);
    if size == (width, height) {
        return Ok(None);
    }
    let rgb = resize(&picture.rgb, size, 3, (width, height), Filter::Lanczos);
    Ok(Some(Picture { width, height, rgb: rgb.map_err(|error| unusable(&error))? }))
}

fn unusable(error: &MetricError) -> Error {
    let (fault, hint) = (error.to_string(), "give another picture".to_owned());
    Error::Parameter { parameter: "image", fault, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_as_many_and_as_small_as_the_factor_needs() {
        let size = (100, 60);
        for (native, target, inputs) in [
            (4, (400, 240), vec![size]),
            (4, (200, 120), vec![size]),
            (4, (300, 180), vec![size]),
            (4, (150, 90), vec![size]),
            (4, (800, 480), vec![size, (200, 120)]),
            (2, (400, 240), vec![size, (200, 120)]),
            (2, (500, 300), vec![size, (200, 120), (250, 150)]),
            (2, (301, 181), vec![size, (151, 91)]),
        ] {
            assert_eq!(plan(size, native, target).unwrap(), inputs, "{native} {target:?}");
        }
    }

    #[test]
    fn factors_that_make_no_sense_are_refused_with_a_hint() {
        for scale in [1.0, 0.5, -2.0, 16.5, f64::NAN, f64::INFINITY] {
            let error = Enlargement { scale, tile: 0 }.check().unwrap_err().to_string();
            assert!(error.starts_with("`scale`") && error.contains("hint: "), "{error}");
        }
        assert!(plan((8192, 8192), 4, (8274, 8274)).unwrap_err().to_string().contains("8274x8274"));
        assert!(plan((10, 10), 1, (20, 20)).is_err());
    }
}
