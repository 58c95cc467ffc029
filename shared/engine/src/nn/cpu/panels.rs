//! Matrices packed for the product kernels: panels of a few registers' width, each a straight run through memory.

use std::sync::OnceLock;

use candle_core::Tensor;
use pulp::{Arch, Simd, WithSimd};

use super::winograd;
use crate::Result;
use crate::nn::Conv2dShape;

/// Larger weights are packed for every call: beside a large matrix the work on it is larger still, and keeping both forms
/// would double the memory of a large model.
const KEPT_ELEMENTS: usize = 1 << 20;

/// Bytes of a cache line, on which panels start.
const LINE_BYTES: usize = 64;

/// Shape of the machine's registers.
#[derive(Debug, Clone, Copy)]
pub struct Registers {
    /// Floats in one register.
    pub lanes: usize,
    /// Registers in the width of a panel, at most.
    pub widest: usize,
}

impl Registers {
    /// Those of this machine.
    pub fn here() -> Self {
        static HERE: OnceLock<Registers> = OnceLock::new();
        struct Ask;
        impl WithSimd for Ask {
            type Output = Registers;
            fn with_simd<S: Simd>(self, _: S) -> Registers {
                Registers { lanes: S::F32_LANES, widest: if S::REGISTER_COUNT >= 32 { 4 } else { 2 } }
            }
        }
        *HERE.get_or_init(|| Arch::new().dispatch(Ask))
    }
}

/// `taps` matrices of `depth` rows and `columns` columns.
///
/// Memory order: panel, tap, row, column of the panel; missing columns of the last register are zero.
#[derive(Debug)]
pub struct Panels {
    values: Vec<f32>,
    /// First value on a cache line.
    start: usize,
    taps: usize,
    depth: usize,
    columns: usize,
    lanes: usize,
    count: usize,
}

/// One panel.
pub struct Panel<'a> {
    /// Its first column.
    pub column: usize,
    /// Its columns without padding.
    pub columns: usize,
    /// Its width in registers.
    pub registers: usize,
    values: &'a [f32],
    tap_len: usize,
}

impl<'a> Panel<'a> {
    /// Rows of `tap` and of all after it, one after the other.
    #[inline(always)]
    pub fn rows_from(&self, tap: usize) -> &'a [f32] {
        &self.values[tap * self.tap_len..]
    }
}

impl Panels {
    /// Packs; `fill` writes the `columns` values of row `depth` of `tap` from a first column on.
    pub fn pack(
        taps: usize,
        depth: usize,
        columns: usize,
        fill: impl Fn(usize, usize, usize, &mut [f32]),
    ) -> Self {
        let Registers { lanes, widest } = Registers::here();
        let registers = columns.div_ceil(lanes);
        let values = vec![0.0; taps * depth * registers * lanes + LINE_BYTES / size_of::<f32>()];
        let start = values.as_ptr().align_offset(LINE_BYTES).min(LINE_BYTES / size_of::<f32>());
        let mut panels =
            Self { values, start, taps, depth, columns, lanes, count: registers.div_ceil(widest) };
        for index in 0..panels.count {
            let (first, end) = panels.bounds(index);
            let (column, width) = (first * lanes, (end - first) * lanes);
            let used = width.min(columns - column);
            let from = start + column * taps * depth;
            let rows = panels.values[from..][..width * taps * depth].chunks_exact_mut(width);
            for (row, out) in rows.enumerate() {
                fill(row / depth, row % depth, column, &mut out[..used]);
            }
        }
        panels
    }

    /// First and one past the last register of panel `index`: all as wide as possible, none much narrower than another.
    fn bounds(&self, index: usize) -> (usize, usize) {
        let registers = self.columns.div_ceil(self.lanes);
        (index * registers / self.count, (index + 1) * registers / self.count)
    }

    /// Matrices.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Rows of each.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Columns of each.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All panels from left to right.
    pub fn iter(&self) -> impl Iterator<Item = Panel<'_>> {
        (0..self.count).map(|index| {
            let (first, end) = self.bounds(index);
            let (column, width) = (first * self.lanes, (end - first) * self.lanes);
            let len = width * self.taps * self.depth;
            Panel {
                column,
                columns: width.min(self.columns - column),
                registers: end - first,
                values: &self.values[self.start + column * self.taps * self.depth..][..len],
                tap_len: width * self.depth,
            }
        })
    }
}

/// Packed forms of one layer's weights, made when first needed.
#[derive(Debug, Default)]
pub struct PackedCell {
    direct: OnceLock<Panels>,
    winograd: OnceLock<Panels>,
    /// For the way back: inputs and outputs have changed places.
    direct_back: OnceLock<Panels>,
    winograd_back: OnceLock<Panels>,
}

/// Weights of one call: packed before, or for this call only.
#[derive(Debug)]
pub enum Packed<'a> {
    /// Kept in the layer.
    Kept(&'a Panels),
    /// Dropped after the call.
    Made(Panels),
}

impl std::ops::Deref for Packed<'_> {
    type Target = Panels;
    fn deref(&self) -> &Panels {
        match self {
            Self::Kept(panels) => panels,
            Self::Made(panels) => panels,
        }
    }
}

impl PackedCell {
    /// Weights `(out, in)` of a linear layer.
    pub fn linear(&self, weight: &Tensor) -> Result<Packed<'_>> {
        let (outputs, inputs) = weight.dims2()?;
        keep(&self.direct, weight, |w| {
            Panels::pack(1, inputs, outputs, |_, row, column, out| {
                for (n, value) in out.iter_mut().enumerate() {
                    *value = w[(column + n) * inputs + row];
                }
            })
        })
    }

    /// The same for products with the weights as they are, from outputs to inputs.
    pub fn linear_back(&self, weight: &Tensor) -> Result<Packed<'_>> {
        let (outputs, inputs) = weight.dims2()?;
        keep(&self.direct_back, weight, |w| {
            Panels::pack(1, outputs, inputs, |_, row, column, out| {
                out.copy_from_slice(&w[row * inputs + column..][..out.len()]);
            })
        })
    }

    /// The same for the way back: the kernel turned round, from outputs to inputs.
    pub fn conv2d_back(&self, weight: &Tensor, shape: Conv2dShape) -> Result<Packed<'_>> {
        let (outputs, inputs, taps) = (weight.dim(0)?, weight.dim(1)?, shape.kernel * shape.kernel);
        keep(&self.direct_back, weight, |w| {
            Panels::pack(taps, outputs, inputs, |tap, row, column, out| {
                for (n, value) in out.iter_mut().enumerate() {
                    *value = w[(row * inputs + column + n) * taps + taps - 1 - tap];
                }
            })
        })
    }

    /// The same for the way back through Winograd's algorithm.
    pub fn winograd_back(&self, weight: &Tensor) -> Result<Packed<'_>> {
        let (outputs, inputs) = (weight.dim(0)?, weight.dim(1)?);
        keep(&self.winograd_back, weight, |w| {
            let transformed: Vec<[f32; 16]> = (w.chunks_exact(9))
                .map(|kernel| {
                    let turned: Vec<f32> = kernel.iter().rev().copied().collect();
                    winograd::transform_kernel(&turned)
                })
                .collect();
            Panels::pack(16, outputs, inputs, |tap, row, column, out| {
                for (n, value) in out.iter_mut().enumerate() {
                    *value = transformed[row * inputs + column + n][tap];
                }
            })
        })
    }

    /// Weights `(out, in, kernel, kernel)` of a convolution, one tap for each place of the kernel.
    pub fn conv2d(&self, weight: &Tensor, shape: Conv2dShape) -> Result<Packed<'_>> {
        let (outputs, inputs, taps) = (weight.dim(0)?, weight.dim(1)?, shape.kernel * shape.kernel);
        keep(&self.direct, weight, |w| {
            Panels::pack(taps, inputs, outputs, |tap, row, column, out| {
                for (n, value) in out.iter_mut().enumerate() {
                    *value = w[((column + n) * inputs + row) * taps + tap];
                }
            })
        })
    }

    /// Weights `(out, in, 3, 3)` of a convolution, transformed for Winograd's algorithm: sixteen taps.
    pub fn winograd(&self, weight: &Tensor) -> Result<Packed<'_>> {
        let (outputs, inputs) = (weight.dim(0)?, weight.dim(1)?);
        keep(&self.winograd, weight, |w| {
            // A first pass transforms, the second packs what has been transformed.
            let transformed: Vec<[f32; 16]> = w.chunks_exact(9).map(winograd::transform_kernel).collect();
            Panels::pack(16, inputs, outputs, |tap, row, column, out| {
                for (n, value) in out.iter_mut().enumerate() {
                    *value = transformed[(column + n) * inputs + row][tap];
                }
            })
        })
    }
}

fn keep<'a>(
    cell: &'a OnceLock<Panels>,
    weight: &Tensor,
    pack: impl FnOnce(&[f32]) -> Panels,
) -> Result<Packed<'a>> {
    if let Some(panels) = cell.get() {
        return Ok(Packed::Kept(panels));
    }
    let panels = super::with_values(&weight.contiguous()?, |values| Ok(pack(values)))?;
    if weight.elem_count() > KEPT_ELEMENTS {
        return Ok(Packed::Made(panels));
    }
    Ok(Packed::Kept(cell.get_or_init(|| panels)))
}
