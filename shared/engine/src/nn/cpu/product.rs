//! Products of rows and packed panels: the loop in which nearly all time is spent.

use pulp::{Arch, Simd, WithSimd};

use super::conv2d::Source;
use super::panels::{Panel, Panels};

/// Where the rows of a product are read.
#[derive(Clone, Copy)]
pub enum Rows<'a> {
    /// One after the other, `stride` numbers apart; there is one tap.
    Dense {
        /// All of them.
        values: &'a [f32],
        /// Distance of two rows.
        stride: usize,
    },
    /// Pixels of a picture: row `m` of tap `t` is the pixel at `places[m] + offsets[t]`.
    Pixels {
        /// The picture.
        source: &'a Source<'a>,
        /// Rows and columns of the picture, wrapped around below zero.
        places: &'a [(usize, usize)],
        /// Places of the kernel.
        offsets: &'a [(usize, usize)],
    },
}

impl<'a> Rows<'a> {
    /// Row `m` of tap `tap`.
    #[inline(always)]
    fn get(self, tap: usize, m: usize, depth: usize) -> &'a [f32] {
        match self {
            Self::Dense { values, stride } => &values[m * stride..m * stride + depth],
            Self::Pixels { source, places, offsets } => {
                let ((y, x), (dy, dx)) = (places[m], offsets[tap]);
                &source.pixel(y.wrapping_add(dy), x.wrapping_add(dx))[..depth]
            }
        }
    }
}

/// `out[m] = bias + residual[m] + sum over taps of rows(tap, m) * panels[tap]` for `count` rows.
pub struct Product<'a> {
    /// The rows, of `depth` numbers each.
    pub rows: Rows<'a>,
    /// Number of rows.
    pub count: usize,
    /// The matrices to multiply with.
    pub panels: &'a Panels,
    /// The first tap of the panels, and how many are used.
    pub taps: (usize, usize),
    /// Numbers in a row of one tap: the panels' depth, or all of them where taps are taken as one long row.
    pub depth: usize,
    /// Where the result goes; row `m` starts at `m * stride`.
    pub out: &'a mut [f32],
    /// Distance of two rows of the result.
    pub stride: usize,
    /// Added to every row.
    pub bias: Option<&'a [f32]>,
    /// Added element by element; lies as the result does.
    pub residual: Option<&'a [f32]>,
}

impl Product<'_> {
    /// Computes it on this thread.
    pub fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for panel in self.panels.iter() {
            match panel.registers {
                1 => self.panel::<S, 1>(simd, &panel),
                2 => self.panel::<S, 2>(simd, &panel),
                3 => self.panel::<S, 3>(simd, &panel),
                _ => self.panel::<S, 4>(simd, &panel),
            }
        }
    }
}

impl Product<'_> {
    /// All rows of one panel, in tiles of as many rows as the registers can hold sums of.
    #[inline(always)]
    fn panel<S: Simd, const W: usize>(&mut self, simd: S, panel: &Panel<'_>) {
        let most = if W == 4 || S::REGISTER_COUNT < 32 && W == 2 { 6 } else { 8 };
        let mut row = 0;
        while row < self.count {
            row += match (self.count - row).min(most) {
                8 => self.tile::<S, 8, W>(simd, panel, row),
                6 | 7 => self.tile::<S, 6, W>(simd, panel, row),
                4 | 5 => self.tile::<S, 4, W>(simd, panel, row),
                2 | 3 => self.tile::<S, 2, W>(simd, panel, row),
                _ => self.tile::<S, 1, W>(simd, panel, row),
            };
        }
    }

    /// `H` rows by `W` registers; returns `H`.
    #[inline(always)]
    fn tile<S: Simd, const H: usize, const W: usize>(
        &mut self,
        simd: S,
        panel: &Panel<'_>,
        row: usize,
    ) -> usize {
        let depth = self.depth;
        let mut sums = [[simd.splat_f32s(0.0); W]; H];
        let (first_tap, taps) = self.taps;
        for tap in 0..taps {
            // All slices are cut to the same length, so that the inner loop needs no bounds checks.
            let mut rows = [&[] as &[f32]; H];
            for i in 0..H {
                rows[i] = &self.rows.get(tap, row + i, depth)[..depth];
            }
            let (weights, _) = pulp::as_arrays::<W, _>(S::as_simd_f32s(panel.rows_from(first_tap + tap)).0);
            let weights = &weights[..depth];
            for k in 0..depth {
                let w = weights[k];
                for i in 0..H {
                    let x = simd.splat_f32s(rows[i][k]);
                    for j in 0..W {
                        sums[i][j] = simd.mul_add_e_f32s(x, w[j], sums[i][j]);
                    }
                }
            }
        }
        // The sums are copied before they are walked through: an array that is indexed by a variable lives in memory, and
        // every step of the loop above would write all of it there.
        let mut done = [[simd.splat_f32s(0.0); W]; H];
        for i in 0..H {
            for j in 0..W {
                done[i][j] = sums[i][j];
            }
        }
        let whole = panel.columns == W * S::F32_LANES;
        for (i, sums) in done.iter().enumerate() {
            let from = (row + i) * self.stride + panel.column;
            let (columns, end) = (panel.column..panel.column + panel.columns, from + panel.columns);
            let bias = self.bias.map(|bias| &bias[columns]);
            let residual = self.residual.map(|residual| &residual[from..end]);
            let out = &mut self.out[from..end];
            if whole {
                finish(simd, sums, bias, residual, out);
            } else {
                finish_partly(simd, sums, bias, residual, out);
            }
        }
        H
    }
}

/// Adds and writes a row of whole registers.
#[inline(always)]
fn finish<S: Simd, const W: usize>(
    simd: S,
    sums: &[S::f32s; W],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    out: &mut [f32],
) {
    let out = &mut S::as_mut_simd_f32s(out).0[..W];
    let mut sums = *sums;
    if let Some(bias) = bias {
        let bias = &S::as_simd_f32s(bias).0[..W];
        for j in 0..W {
            sums[j] = simd.add_f32s(sums[j], bias[j]);
        }
    }
    if let Some(residual) = residual {
        let residual = &S::as_simd_f32s(residual).0[..W];
        for j in 0..W {
            sums[j] = simd.add_f32s(sums[j], residual[j]);
        }
    }
    out.copy_from_slice(&sums);
}

/// The same where the last register is not full.
#[inline(always)]
fn finish_partly<S: Simd, const W: usize>(
    simd: S,
    sums: &[S::f32s; W],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    out: &mut [f32],
) {
    let columns = out.len();
    for (j, sum) in sums.iter().enumerate() {
        let (begin, end) = (j * S::F32_LANES, ((j + 1) * S::F32_LANES).min(columns));
        let mut sum = *sum;
        if let Some(bias) = bias {
            sum = simd.add_f32s(sum, simd.partial_load_f32s(&bias[begin..end]));
        }
        if let Some(residual) = residual {
            sum = simd.add_f32s(sum, simd.partial_load_f32s(&residual[begin..end]));
        }
        simd.partial_store_f32s(&mut out[begin..end], sum);
    }
}
