//! Attention in strips of queries: scores, softmax and weighted sum while a strip is in the cache.

use candle_core::{Device, Tensor};
use pulp::Arch;
use rayon::prelude::*;

use super::elementwise::exp;
use super::linear::rows_per_piece;
use super::norm::sum_of;
use super::panels::Panels;
use super::product::{Product, Rows};
use super::with_values;
use crate::Result;

/// Queries whose scores are held at once.
const STRIP: usize = 48;

/// Keys and values of one head, packed.
struct Head {
    keys: Panels,
    values: Panels,
}

/// Shapes of one call.
#[derive(Clone, Copy)]
struct Shape {
    heads: usize,
    size: usize,
    queries: usize,
    keys: usize,
    causal: bool,
}

impl Shape {
    fn width(self) -> usize {
        self.heads * self.size
    }

    fn head(self, head: usize, k: &[f32], v: &[f32]) -> Head {
        let (width, at) = (self.width(), head * self.size);
        Head {
            keys: Panels::pack(1, self.size, self.keys, |_, row, column, out| {
                for (n, value) in out.iter_mut().enumerate() {
                    *value = k[(column + n) * width + at + row];
                }
            }),
            values: Panels::pack(1, self.keys, self.size, |_, row, column, out| {
                out.copy_from_slice(&v[row * width + at + column..][..out.len()]);
            }),
        }
    }

    /// Queries `first..` of one head, as many as `out` has rows.
    fn strip(self, head: &Head, at: usize, q: &[f32], first: usize, scores: &mut [f32], out: &mut [f32]) {
        let (width, keys) = (self.width(), self.keys);
        let count = out.len() / width;
        let scores = &mut scores[..count * keys];
        Product {
            rows: Rows::Dense { values: &q[first * width + at..], stride: width },
            count,
            panels: &head.keys,
            taps: (0, 1),
            depth: self.size,
            out: scores,
            stride: keys,
            bias: None,
            residual: None,
        }
        .run();
        let scale = 1.0 / (self.size as f32).sqrt();
        Arch::new().dispatch(|| {
            for (m, row) in scores.chunks_exact_mut(keys).enumerate() {
                let seen = if self.causal { first + m + 1 } else { keys };
                let (seen, hidden) = row.split_at_mut(seen);
                softmax(seen, scale);
                hidden.fill(0.0);
            }
        });
        let scores = &*scores;
        Product {
            rows: Rows::Dense { values: scores, stride: keys },
            count,
            panels: &head.values,
            taps: (0, 1),
            depth: keys,
            out: &mut out[at..],
            stride: width,
            bias: None,
            residual: None,
        }
        .run();
    }
}

/// Softmax of `scale * row`, in place.
#[inline(always)]
pub fn softmax(row: &mut [f32], scale: f32) {
    let mut largest = [f32::NEG_INFINITY; 16];
    for chunk in row.chunks(16) {
        for (largest, x) in largest.iter_mut().zip(chunk) {
            *largest = largest.max(*x);
        }
    }
    let largest = largest.into_iter().fold(f32::NEG_INFINITY, f32::max);
    for x in row.iter_mut() {
        *x = exp((*x - largest) * scale);
    }
    let inverse = 1.0 / sum_of(row, |x| x);
    for x in row.iter_mut() {
        *x *= inverse;
    }
}

/// `q` `(batch, queries, width)`, `k` and `v` `(batch, keys, width)`.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
    let (batch, queries, width) = q.dims3()?;
    let shape = Shape { heads, size: width / heads, queries, keys: k.dim(1)?, causal };
    let (q, k, v) = (q.contiguous()?, k.contiguous()?, v.contiguous()?);
    let out = with_values(&q, |q| {
        with_values(&k, |k| {
            with_values(&v, |v| {
                let mut out = vec![0.0; batch * queries * width];
                for (item, out) in out.chunks_exact_mut((queries * width).max(1)).enumerate() {
                    let span = item * shape.keys * width..(item + 1) * shape.keys * width;
                    attend(
                        shape,
                        &q[item * queries * width..][..queries * width],
                        &k[span.clone()],
                        &v[span],
                        out,
                    );
                }
                Ok(out)
            })
        })
    })?;
    Ok(Tensor::from_vec(out, (batch, queries, width), &Device::Cpu)?)
}

/// One item of the batch.
fn attend(shape: Shape, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
    let width = shape.width();
    let heads: Vec<Head> = if shape.keys * width > 1 << 14 {
        (0..shape.heads).into_par_iter().map(|head| shape.head(head, k, v)).collect()
    } else {
        (0..shape.heads).map(|head| shape.head(head, k, v)).collect()
    };
    let rows = rows_per_piece(shape.queries, 2 * width * shape.keys).min(STRIP);
    out.par_chunks_mut(rows * width).enumerate().for_each(|(piece, out)| {
        super::with_scratch(rows * shape.keys, |scores| {
            for (index, head) in heads.iter().enumerate() {
                shape.strip(head, index * shape.size, q, piece * rows, scores, out);
            }
        });
    });
}
