//! Large pictures in overlapping tiles, as diffusers' `enable_tiling` does.
//!
//! Every tile is a picture of its own for the network: its normalisations and its attention see the tile only, so the
//! result is near that of the whole at once but not equal. Neighbours overlap by a quarter of a tile, and there one fades into
//! the other.

use candle_core::Tensor;

use super::VaeConfig;
use crate::Result;
use crate::models::PerBlock;

/// Share of a tile that its neighbour covers too.
const OVERLAP: f64 = 0.25;

/// Sides of tiles, in pixels of a picture and in cells of latents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// Side of a tile of pixels: the `sample_size` of the configuration.
    pub pixels: usize,
    /// Side of a tile of latents.
    pub cells: usize,
}

impl Tiling {
    /// The tiles that a configuration implies.
    pub fn of(config: &VaeConfig) -> Self {
        let pixels = match &config.sample_size {
            PerBlock::All(side) => *side,
            PerBlock::Each(sides) => sides.first().copied().unwrap_or(1),
        };
        let cells = (pixels / config.downscale()).max(1);
        Self { pixels: pixels.max(config.downscale()), cells }
    }

    /// Decodes tile by tile.
    pub(super) fn decode(&self, x: &Tensor, network: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        blend_tiles(x, self.cells, self.pixels, network)
    }

    /// Encodes tile by tile.
    pub(super) fn encode(&self, x: &Tensor, network: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        blend_tiles(x, self.pixels, self.cells, network)
    }
}

/// `network` of every tile of `side`, whose outputs have `side_out`, blended where they overlap.
fn blend_tiles(
    x: &Tensor,
    side: usize,
    side_out: usize,
    network: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    // Cut towards zero, as Python's `int`.
    let step = ((side as f64 * (1.0 - OVERLAP)) as usize).max(1);
    let overlap = (side_out as f64 * OVERLAP) as usize;
    let shown = side_out - overlap;
    let mut rows = Vec::new();
    let mut above: Vec<Tensor> = Vec::new();
    for top in (0..height).step_by(step) {
        let mut row: Vec<Tensor> = Vec::new();
        let mut pieces = Vec::new();
        for (index, left) in (0..width).step_by(step).enumerate() {
            let tile = x.narrow(2, top, side.min(height - top))?.narrow(3, left, side.min(width - left))?;
            let mut tile = network(&tile)?.contiguous()?;
            if let Some(above) = above.get(index) {
                tile = fade(above, &tile, 2, overlap)?;
            }
            if let Some(before) = row.last() {
                tile = fade(before, &tile, 3, overlap)?;
            }
            let piece = tile.narrow(2, 0, shown.min(tile.dim(2)?))?;
            pieces.push(piece.narrow(3, 0, shown.min(piece.dim(3)?))?.contiguous()?);
            row.push(tile);
        }
        rows.push(Tensor::cat(&pieces, 3)?);
        above = row;
    }
    Ok(Tensor::cat(&rows, 2)?)
}

/// `b`, whose first `overlap` places along `dim` come gradually out of the last ones of `a`.
fn fade(a: &Tensor, b: &Tensor, dim: usize, overlap: usize) -> Result<Tensor> {
    let (before, after) = (a.dim(dim)?, b.dim(dim)?);
    let overlap = overlap.min(before).min(after);
    if overlap == 0 {
        return Ok(b.clone());
    }
    let ramp = |weight: fn(f64) -> f64| -> Result<Tensor> {
        let weights: Vec<f32> = (0..overlap).map(|i| weight(i as f64 / overlap as f64) as f32).collect();
        let shape = if dim == 2 { (1, 1, overlap, 1) } else { (1, 1, 1, overlap) };
        Ok(Tensor::from_vec(weights, shape, b.device())?.to_dtype(b.dtype())?)
    };
    let leaving = a.narrow(dim, before - overlap, overlap)?.broadcast_mul(&ramp(|share| 1.0 - share)?)?;
    let coming = b.narrow(dim, 0, overlap)?.broadcast_mul(&ramp(|share| share)?)?;
    let mixed = (leaving + coming)?;
    Ok(Tensor::cat(&[&mixed, &b.narrow(dim, overlap, after - overlap)?.contiguous()?], dim)?)
}
