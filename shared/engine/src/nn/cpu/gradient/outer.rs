//! Sums of outer products: what the gradient of a weight is, one product for every pixel or token.
//!
//! Both sides are read where they lie, channels last. The sums of a tile stay in registers for a whole block of pixels, and a
//! block is small enough to stay in the cache while all tiles of all taps walk over it. The pixels are cut into parts whose
//! number follows from the sizes alone; the sums of parts are added in their order.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::super::panels::Registers;

/// Most parts that are summed up side by side.
const PARTS: usize = 8;
/// Pixels below which a part of its own is not worth it.
const WORTH_A_PART: usize = 512;
/// Numbers of both sides in a block, for the second-level cache.
const BLOCK_NUMBERS: usize = 1 << 16;

/// The two sides.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// Rows of `outputs` numbers.
    pub left: &'a [f32],
    /// Rows of `inputs` numbers: see [`fits`].
    pub right: &'a [f32],
    /// Width of the left rows.
    pub outputs: usize,
    /// Width of the right rows.
    pub inputs: usize,
}

/// Whether rows of this width can be the right side: they must fill registers.
pub fn fits(inputs: usize) -> bool {
    inputs.is_multiple_of(Registers::here().lanes)
}

/// For each of `taps` taps the sum of outer products `(outputs, inputs)`, one after the other. `pairs(tap, pixels, out)` lists
/// where the rows of `pixels` begin on both sides, without those of which one side is zero; there are `count` pixels.
pub fn sums(
    sides: Sides<'_>,
    (count, taps): (usize, usize),
    pairs: impl Fn(usize, std::ops::Range<usize>, &mut Vec<(u32, u32)>) + Sync,
) -> Vec<f32> {
    let Sides { outputs, inputs, .. } = sides;
    let parts = (count / WORTH_A_PART).clamp(1, PARTS);
    let share = count.div_ceil(parts);
    let block = (BLOCK_NUMBERS / (outputs + inputs)).clamp(64, 1024);
    let one = |part: usize| {
        let mut out = vec![0f32; taps * outputs * inputs];
        let mut listed = Vec::with_capacity(block);
        let (mut first, end) = (part * share, ((part + 1) * share).min(count));
        while first < end {
            let pixels = first..(first + block).min(end);
            first = pixels.end;
            for (tap, out) in out.chunks_exact_mut(outputs * inputs).enumerate() {
                listed.clear();
                pairs(tap, pixels.clone(), &mut listed);
                Arch::new().dispatch(Block { sides, pairs: &listed, out });
            }
        }
        out
    };
    let found: Vec<Vec<f32>> = (0..parts).into_par_iter().map(one).collect();
    let mut found = found.into_iter();
    let mut sum = found.next().unwrap_or_default();
    for part in found {
        for (sum, value) in sum.iter_mut().zip(part) {
            *sum += value;
        }
    }
    sum
}

/// Adds the products of some pairs of rows.
struct Block<'a> {
    sides: Sides<'a>,
    pairs: &'a [(u32, u32)],
    out: &'a mut [f32],
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let vectors = self.sides.inputs / S::F32_LANES;
        let widest = if S::REGISTER_COUNT >= 32 { 4 } else { 2 };
        let count = vectors.div_ceil(widest);
        for index in 0..count {
            let (first, end) = (index * vectors / count, (index + 1) * vectors / count);
            match end - first {
                1 => self.columns::<S, 1>(simd, first),
                2 => self.columns::<S, 2>(simd, first),
                3 => self.columns::<S, 3>(simd, first),
                _ => self.columns::<S, 4>(simd, first),
            }
        }
    }
}

impl Block<'_> {
    /// All rows of the result, `W` registers from register `first` on.
    #[inline(always)]
    fn columns<S: Simd, const W: usize>(&mut self, simd: S, first: usize) {
        let most = if W == 4 || S::REGISTER_COUNT < 32 && W == 2 { 6 } else { 8 };
        let (outputs, mut row) = (self.sides.outputs, 0);
        while row < outputs {
            row += match (outputs - row).min(most) {
                8 => self.tile::<S, 8, W>(simd, row, first),
                6 | 7 => self.tile::<S, 6, W>(simd, row, first),
                4 | 5 => self.tile::<S, 4, W>(simd, row, first),
                2 | 3 => self.tile::<S, 2, W>(simd, row, first),
                _ => self.tile::<S, 1, W>(simd, row, first),
            };
        }
    }

    /// `H` rows by `W` registers; returns `H`.
    #[inline(always)]
    fn tile<S: Simd, const H: usize, const W: usize>(&mut self, simd: S, row: usize, first: usize) -> usize {
        let Sides { left, right, inputs, .. } = self.sides;
        let column = first * S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); W]; H];
        for &(l, r) in self.pairs {
            let left = &left[l as usize + row..][..H];
            let right = &S::as_simd_f32s(&right[r as usize + column..][..W * S::F32_LANES]).0[..W];
            for i in 0..H {
                let g = simd.splat_f32s(left[i]);
                for j in 0..W {
                    sums[i][j] = simd.mul_add_e_f32s(g, right[j], sums[i][j]);
                }
            }
        }
        // Copied before they are walked through, as in the products of the way forward.
        let mut done = [[simd.splat_f32s(0.0); W]; H];
        for i in 0..H {
            for j in 0..W {
                done[i][j] = sums[i][j];
            }
        }
        for (i, sums) in done.iter().enumerate() {
            let at = (row + i) * inputs + column;
            let out = &mut S::as_mut_simd_f32s(&mut self.out[at..at + W * S::F32_LANES]).0[..W];
            for j in 0..W {
                out[j] = simd.add_f32s(out[j], sums[j]);
            }
        }
        H
    }
}
