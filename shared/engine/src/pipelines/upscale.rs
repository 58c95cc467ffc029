//! Enlarging a picture piece by piece.
//!
//! A network is a chain of stages (see [`Upscaler::stages`]). Each is computed for the whole picture before the next
//! one starts, in tiles that read as much beyond their edges as the stage looks, so that **there are no seams to hide**: with
//! any tile size the result is that of the whole picture at once, but for the last bit of a float. (Tiling the whole network
//! would need a margin as wide as all stages together, 350 pixels for Real-ESRGAN, or leave seams.) What is held in memory
//! is two or three maps of features, and the working set of one tile.

use candle_core::{DType, Device, Tensor};

use crate::models::Upscaler;
use crate::models::upscaler::Stage;
use crate::pipelines::{Flow, Picture};
use crate::{Error, Result};

/// Side of a tile, in pixels of the network's input, when nobody says: large enough for margins to cost little, small enough
/// for the working set of a wide network to stay near 150 MB.
pub const DEFAULT_TILE: usize = 256;
/// The smallest tile: below, nearly all work is margins.
pub const MIN_TILE: usize = 16;
/// The most pixels of a result: 8192x8192. Beyond, the maps of a wide network leave the memory of a usual machine.
pub const MAX_PIXELS: usize = 1 << 26;

/// How far an enlargement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileProgress {
    /// Tiles done, over all stages.
    pub done: usize,
    /// Tiles in all.
    pub total: usize,
}

/// Enlarges `picture` by the network's own scale. `tile` is the side of a tile (see [`DEFAULT_TILE`]); 0 computes
/// everything at once. `progress` is told after every tile, and can stop the work there.
///
/// # Errors
/// A picture without pixels or one that would become too large, a tile that is too small, [`Error::Cancelled`].
pub fn upscale(
    upscaler: &Upscaler,
    picture: &Picture,
    tile: usize,
    progress: &mut dyn FnMut(TileProgress) -> Flow,
) -> Result<Picture> {
    check_tile(tile)?;
    let (scale, side) = (upscaler.scale(), upscaler.multiple());
    let target = (picture.height * scale, picture.width * scale);
    check_size(picture, target)?;
    let (height, width) = (picture.height.next_multiple_of(side), picture.width.next_multiple_of(side));
    let values = unit_planes(picture, height, width);
    let input = Tensor::from_vec(values, (1, 3, height, width), upscaler.device())?;
    let input = upscaler.enter(&input.to_dtype(upscaler.dtype())?)?;

    let stages = upscaler.stages();
    let size = (input.dim(2)?, input.dim(3)?);
    let total = tile_count(upscaler, (picture.width, picture.height), tile);
    let mut done = 0;
    let mut tell = || {
        done += 1;
        match progress(TileProgress { done, total }) {
            Flow::Continue => Ok(()),
            Flow::Cancel => Err(Error::Cancelled),
        }
    };
    let (mut map, mut kept) = (input.clone(), input);
    for (index, stage) in stages.iter().enumerate() {
        let run = |map: &Tensor, kept: &Tensor| upscaler.run(index, map, kept);
        map = run_stage(stage, grid(size, tile, stage), &map, &kept, run, &mut tell)?;
        if index + 1 == upscaler.kept() {
            kept = map.clone();
        }
    }
    // What is left to do needs memory too.
    drop(kept);
    picture_of(&map, target)
}

/// Refuses tiles that are all margin.
///
/// # Errors
/// A side below [`MIN_TILE`] that is not 0.
pub fn check_tile(tile: usize) -> Result<()> {
    if tile == 0 || tile >= MIN_TILE {
        return Ok(());
    }
    Err(Error::Parameter {
        parameter: "tile",
        fault: format!("is `{tile}`"),
        hint: format!("choose {MIN_TILE} or more, or 0 for no tiles; {DEFAULT_TILE} is usual"),
    })
}

/// A rectangle of a map: first row, first column, rows, columns.
type Rectangle = (usize, usize, usize, usize);

/// The tiles of a stage over a map of `size` (rows, columns): all of nearly one size, in rows.
fn grid(size: (usize, usize), tile: usize, stage: &Stage) -> impl Iterator<Item = Rectangle> + use<> {
    let side = if tile == 0 { usize::MAX } else { (tile / stage.finer).max(MIN_TILE) };
    let (down, across) = (size.0.div_ceil(side), size.1.div_ceil(side));
    (0..down * across).map(move |index| {
        let (row, column) = (index / across, index % across);
        let cut =
            |i: usize, count: usize, len: usize| (i * len / count, (i + 1) * len / count - i * len / count);
        let ((top, height), (left, width)) = (cut(row, down, size.0), cut(column, across, size.1));
        (top, left, height, width)
    })
}

/// One stage over all tiles.
fn run_stage(
    stage: &Stage,
    tiles: impl Iterator<Item = Rectangle>,
    map: &Tensor,
    kept: &Tensor,
    run: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
    tell: &mut dyn FnMut() -> Result<()>,
) -> Result<Tensor> {
    let (_, _, rows, columns) = map.dims4()?;
    let Stage { radius, scale, channels, .. } = *stage;
    let width = columns * scale;
    // Channels last, as the layers keep pictures.
    let mut out = Vec::new();
    for (top, left, height, across) in tiles {
        if (height, across) == (rows, columns) {
            let whole = run(map, kept)?;
            tell()?;
            return Ok(whole);
        }
        // A margin as wide as the stage looks; at the picture's edge the network sees its own zeros.
        let (y, x) = (top.saturating_sub(radius), left.saturating_sub(radius));
        let (end_y, end_x) = ((top + height + radius).min(rows), (left + across + radius).min(columns));
        let piece = |map: &Tensor| map.narrow(2, y, end_y - y)?.narrow(3, x, end_x - x);
        let made = run(&piece(map)?, &piece(kept)?)?;
        let made = made.narrow(2, (top - y) * scale, height * scale)?;
        let made = made.narrow(3, (left - x) * scale, across * scale)?;
        let made = made.permute((0, 2, 3, 1))?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
        let values = made.flatten_all()?.to_vec1::<f32>()?;
        out.resize(rows * scale * width * channels, 0.0);
        let line = across * scale * channels;
        for (row, values) in values.chunks_exact(line).enumerate() {
            let start = ((top * scale + row) * width + left * scale) * channels;
            out[start..start + line].copy_from_slice(values);
        }
        tell()?;
    }
    let out = Tensor::from_vec(out, (1, rows * scale, width, channels), &Device::Cpu)?;
    Ok(out.permute((0, 3, 1, 2))?.to_device(map.device())?.to_dtype(map.dtype())?)
}

/// How many tiles [`upscale`] computes for a picture of this width and height.
pub fn tile_count(upscaler: &Upscaler, (width, height): (usize, usize), tile: usize) -> usize {
    let side = upscaler.multiple();
    let size = (height.div_ceil(side), width.div_ceil(side));
    upscaler.stages().iter().map(|stage| grid(size, tile, stage).count()).sum()
}

/// Refuses pictures that cannot be enlarged, before anything is allocated.
fn check_size(picture: &Picture, (height, width): (usize, usize)) -> Result<()> {
    let pixels = picture.width.saturating_mul(picture.height);
    if pixels == 0 || picture.rgb.len() != pixels.saturating_mul(3) {
        return Err(Error::Parameter {
            parameter: "image",
            fault: format!("has {}x{} pixels", picture.width, picture.height),
            hint: "give a picture that is not empty".to_owned(),
        });
    }
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(Error::Parameter {
            parameter: "image",
            fault: format!("would become {width}x{height} pixels"),
            hint: format!("at most {MAX_PIXELS} pixels (8192x8192) are made; start from a smaller picture"),
        });
    }
    Ok(())
}

/// Planes of red, green and blue in 0..1; rows and columns beyond the picture mirror its last ones.
fn unit_planes(picture: &Picture, height: usize, width: usize) -> Vec<f32> {
    let mirrored =
        |at: usize, len: usize| if at < len { at } else { (2 * len).saturating_sub(at + 2).min(len - 1) };
    let mut values = Vec::with_capacity(3 * height * width);
    for channel in 0..3 {
        for y in 0..height {
            let row = mirrored(y, picture.height) * picture.width;
            let level = |x: usize| picture.rgb[(row + mirrored(x, picture.width)) * 3 + channel];
            values.extend((0..width).map(|x| f32::from(level(x)) / 255.0));
        }
    }
    values
}

/// Levels of a map of three channels in 0..1, cut to `size` (height, width), rounded half to even as Real-ESRGAN does.
fn picture_of(map: &Tensor, (height, width): (usize, usize)) -> Result<Picture> {
    let map = map.narrow(2, 0, height)?.narrow(3, 0, width)?;
    let values = map.permute((0, 2, 3, 1))?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
    let values = values.flatten_all()?.to_vec1::<f32>()?;
    if values.iter().any(|value| value.is_nan()) {
        return Err(Error::NotFinite {
            what: "the enlarged picture".to_owned(),
            hint: "the network overflows in this number format; use f32 or bf16".to_owned(),
        });
    }
    let level = |x: f32| (x.clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
    Ok(Picture { width, height, rgb: values.into_iter().map(level).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_every_pixel_once() {
        for (size, tile) in [((37, 100), 16), ((16, 16), 16), ((17, 1), 16), ((300, 41), 128), ((64, 64), 0)]
        {
            for finer in [1, 2] {
                let stage = Stage { radius: 3, scale: 1, channels: 1, finer };
                let mut seen = vec![0; size.0 * size.1];
                for (top, left, height, width) in grid(size, tile, &stage) {
                    assert!(tile == 0 || height <= tile && width <= tile);
                    for y in top..top + height {
                        seen[y * size.1 + left..][..width].iter_mut().for_each(|count| *count += 1);
                    }
                }
                assert!(seen.iter().all(|count| *count == 1), "{size:?} in tiles of {tile}");
            }
        }
    }

    #[test]
    fn what_is_beyond_the_picture_mirrors_it() {
        let rgb = [0, 10, 20].iter().flat_map(|level| [*level; 3]).collect();
        let picture = Picture { width: 3, height: 1, rgb };
        let planes = unit_planes(&picture, 2, 4);
        let levels: Vec<f32> = planes[..8].iter().map(|value| (value * 255.0).round()).collect();
        assert_eq!(levels, [0.0, 10.0, 20.0, 10.0, 0.0, 10.0, 20.0, 10.0]);
    }
}
