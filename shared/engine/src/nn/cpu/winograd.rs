//! Winograd's algorithm F(2x2, 3x3): four outputs of a 3x3 convolution from sixteen products instead of thirty-six.
//!
//! Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2015). A tile of 2x2 outputs reads 4x4 inputs;
//! both the inputs and the kernel are transformed (`B^T d B` and `G g G^T`), multiplied place by place, which over all
//! channels is sixteen matrix products, and transformed back (`A^T m A`). The transforms are additions only; the error grows
//! by a small factor, well inside the gates. Larger tiles multiply less still, but their error does not stay inside.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::conv2d::{Added, Source};
use super::elementwise::rectify_in_place;
use super::panels::Panels;
use super::product::{Product, Rows};

/// Tiles whose transformed values are held at once: enough rows to be worth loading weights for, few enough for the cache.
const TILES: usize = 64;

/// `G g G^T` of one 3x3 kernel.
pub fn transform_kernel(g: &[f32]) -> [f32; 16] {
    // In 64-bit floats, rounded once at the end.
    let at = |y: usize, x: usize| f64::from(g[y * 3 + x]);
    let line = |a: f64, b: f64, c: f64| [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c];
    let columns: [[f64; 4]; 3] = std::array::from_fn(|x| line(at(0, x), at(1, x), at(2, x)));
    let mut out = [0.0; 16];
    for (y, row) in out.chunks_exact_mut(4).enumerate() {
        for (value, exact) in row.iter_mut().zip(line(columns[0][y], columns[1][y], columns[2][y])) {
            *value = exact as f32;
        }
    }
    out
}

/// A 3x3 convolution of one picture, padded by one, with output as large as the input.
pub fn conv2d(source: &Source<'_>, weights: &Panels, added: &Added<'_>, out: &mut [f32]) {
    let Added { bias, residual, slopes } = *added;
    let (height, width) = source.size;
    let outputs = weights.columns();
    let tiles_wide = width.div_ceil(2);
    // A piece is some rows of tiles, fixed by the picture's width alone.
    let tile_rows = (TILES / tiles_wide).clamp(1, height.div_ceil(2));
    let piece_len = tile_rows * 2 * width * outputs;
    out.par_chunks_mut(piece_len).enumerate().for_each(|(piece, out)| {
        let rows_out = out.len() / (width * outputs);
        let count = rows_out.div_ceil(2) * tiles_wide;
        let residual = residual.map(|r| &r[piece * piece_len..][..out.len()]);
        let first_row = piece * tile_rows * 2;
        let depth = source.channels;
        let sizes = (count * 16 * depth, count * 16 * outputs);
        super::with_scratch(sizes.0 + sizes.1, |scratch| {
            let (transformed, products) = scratch.split_at_mut(sizes.0);
            Arch::new().dispatch(Forward { source, first_row, tiles_wide, out: transformed });
            let transformed = &*transformed;
            for place in 0..16 {
                Product {
                    rows: Rows::Dense { values: &transformed[place * depth..], stride: 16 * depth },
                    count,
                    panels: weights,
                    taps: (place, 1),
                    depth,
                    out: &mut products[place * outputs..],
                    stride: 16 * outputs,
                    bias: None,
                    residual: None,
                }
                .run();
            }
            Arch::new().dispatch(Back { products, tiles_wide, width, bias, residual, out: &mut *out });
        });
        if let Some(slopes) = slopes {
            rectify_in_place(out, slopes);
        }
    });
}

/// Transforms 4x4 inputs of every tile: `B^T d B`.
struct Forward<'a> {
    source: &'a Source<'a>,
    first_row: usize,
    tiles_wide: usize,
    /// For each tile sixteen places, for each place all channels.
    out: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vectors = self.source.channels / S::F32_LANES;
        for (tile, out) in self.out.chunks_exact_mut(16 * self.source.channels).enumerate() {
            let (y, x) = (self.first_row + tile / self.tiles_wide * 2, tile % self.tiles_wide * 2);
            let empty: &[S::f32s] = &[];
            let mut pixels = [[empty; 4]; 4];
            for i in 0..4 {
                for j in 0..4 {
                    let pixel = self.source.pixel((y + i).wrapping_sub(1), (x + j).wrapping_sub(1));
                    pixels[i][j] = &S::as_simd_f32s(pixel).0[..vectors];
                }
            }
            let out = &mut S::as_mut_simd_f32s(out).0[..16 * vectors];
            for v in 0..vectors {
                let mut columns = [[simd.splat_f32s(0.0); 4]; 4];
                for j in 0..4 {
                    columns[j] =
                        forward(simd, pixels[0][j][v], pixels[1][j][v], pixels[2][j][v], pixels[3][j][v]);
                }
                for i in 0..4 {
                    let row = forward(simd, columns[0][i], columns[1][i], columns[2][i], columns[3][i]);
                    for j in 0..4 {
                        out[(i * 4 + j) * vectors + v] = row[j];
                    }
                }
            }
        }
    }
}

/// `B^T` times a column.
#[inline(always)]
fn forward<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s, d: S::f32s) -> [S::f32s; 4] {
    [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)]
}

/// Transforms sixteen products of every tile into 2x2 outputs: `A^T m A`, plus what is added.
struct Back<'a> {
    products: &'a [f32],
    tiles_wide: usize,
    width: usize,
    bias: &'a [f32],
    residual: Option<&'a [f32]>,
    out: &'a mut [f32],
}

impl WithSimd for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let outputs = self.bias.len();
        let vectors = outputs / S::F32_LANES;
        let rows = self.out.len() / (self.width * outputs);
        let (bias, _) = S::as_simd_f32s(self.bias);
        let (out, _) = S::as_mut_simd_f32s(self.out);
        let residual = self.residual.map(|residual| S::as_simd_f32s(residual).0);
        for (tile, products) in self.products.chunks_exact(16 * outputs).enumerate() {
            let (y, x) = (tile / self.tiles_wide * 2, tile % self.tiles_wide * 2);
            let products = &S::as_simd_f32s(products).0[..16 * vectors];
            for v in 0..vectors {
                let mut columns = [[simd.splat_f32s(0.0); 2]; 4];
                for j in 0..4 {
                    let place = |i: usize| (i * 4 + j) * vectors + v;
                    let (a, b) = (products[place(0)], products[place(1)]);
                    columns[j] = back(simd, a, b, products[place(2)], products[place(3)]);
                }
                for i in 0..2 {
                    let row = back(simd, columns[0][i], columns[1][i], columns[2][i], columns[3][i]);
                    for j in 0..2 {
                        if y + i >= rows || x + j >= self.width {
                            continue;
                        }
                        let at = ((y + i) * self.width + x + j) * vectors + v;
                        let mut value = simd.add_f32s(row[j], bias[v]);
                        if let Some(residual) = residual {
                            value = simd.add_f32s(value, residual[at]);
                        }
                        out[at] = value;
                    }
                }
            }
        }
    }
}

/// `A^T` times a column.
#[inline(always)]
fn back<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s, d: S::f32s) -> [S::f32s; 2] {
    [simd.add_f32s(simd.add_f32s(a, b), c), simd.sub_f32s(simd.sub_f32s(b, c), d)]
}
