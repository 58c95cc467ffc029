//! Products of rows and packed panels: the loop in which nearly all time is spent.

use pulp::{Arch, Simd, WithSimd};

use super::panels::{Panel, Panels};

/// `out[m] = bias + residual[m] + sum over taps of rows(tap, m) * panels[tap]` for `count` rows.
pub struct Product<'a, R> {
    /// Row `m` of tap `t`: `depth` numbers.
    pub rows: R,
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

impl<'a, R: Fn(usize, usize) -> &'a [f32]> Product<'a, R> {
    /// Computes it on this thread.
    pub fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl<'a, R: Fn(usize, usize) -> &'a [f32]> WithSimd for Product<'a, R> {
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

impl<'a, R: Fn(usize, usize) -> &'a [f32]> Product<'a, R> {
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
            let rows: [&[f32]; H] = std::array::from_fn(|i| &(self.rows)(tap, row + i)[..depth]);
            let (weights, _) = pulp::as_arrays::<W, _>(S::as_simd_f32s(panel.from_tap(first_tap + tap)).0);
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
        for (i, sums) in sums.into_iter().enumerate() {
            let from = (row + i) * self.stride + panel.column;
            for (j, mut sum) in sums.into_iter().enumerate() {
                let (begin, end) = (j * S::F32_LANES, ((j + 1) * S::F32_LANES).min(panel.columns));
                if let Some(bias) = self.bias {
                    let bias = &bias[panel.column + begin..panel.column + end];
                    sum = simd.add_f32s(sum, simd.partial_load_f32s(bias));
                }
                if let Some(residual) = self.residual {
                    let residual = &residual[from + begin..from + end];
                    sum = simd.add_f32s(sum, simd.partial_load_f32s(residual));
                }
                simd.partial_store_f32s(&mut self.out[from + begin..from + end], sum);
            }
        }
        H
    }
}
