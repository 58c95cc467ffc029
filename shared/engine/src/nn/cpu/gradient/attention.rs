//! Back through attention. With weights `p = softmax(s)`, `s = scale q k^T` and `d` the gradient of the output: `v` gets
//! `p^T d`; the gradient of `s` is `p * (d v^T - rowsum(p * (d v^T)))`; `q` and `k` get its products with the other. The
//! weights are computed again, a strip of queries at a time.

use candle_core::{Device, Tensor};
use pulp::Arch;
use rayon::prelude::*;

use super::super::attention::softmax;
use super::super::panels::Panels;
use super::super::product::{Product, Rows};
use super::super::with_values;
use super::weights::product_over_rows;
use crate::Result;

/// Queries whose weights are held at once.
const STRIP: usize = 256;

#[derive(Clone, Copy)]
struct Shape {
    size: usize,
    queries: usize,
    keys: usize,
    causal: bool,
}

/// Gradients of `q`, `k` and `v`, in their shapes.
pub fn attention_gradient(
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    gradient: &Tensor,
    heads: usize,
    causal: bool,
) -> Result<[Tensor; 3]> {
    let (batch, queries, width) = q.dims3()?;
    let keys = k.dim(1)?;
    let shape = Shape { size: width / heads, queries, keys, causal };
    let (q, k, v, gradient) = (q.contiguous()?, k.contiguous()?, v.contiguous()?, gradient.contiguous()?);
    let heads_done: Vec<[Vec<f32>; 3]> = with_values(&q, |q| {
        with_values(&k, |k| {
            with_values(&v, |v| {
                with_values(&gradient, |gradient| {
                    let one = |index: usize| {
                        let (item, head) = (index / heads, index % heads);
                        let of = |values: &[f32], tokens: usize| {
                            let item = &values[item * tokens * width..][..tokens * width];
                            column(item, width, head * shape.size, shape.size)
                        };
                        head_gradient(
                            shape,
                            &of(q, queries),
                            &of(k, keys),
                            &of(v, keys),
                            &of(gradient, queries),
                        )
                    };
                    Ok((0..batch * heads).into_par_iter().map(one).collect())
                })
            })
        })
    })?;
    let gathered = |which: usize, tokens: usize| -> Result<Tensor> {
        let mut out = vec![0.0; batch * tokens * width];
        for (index, head) in heads_done.iter().enumerate() {
            let (item, head_index) = (index / heads, index % heads);
            let rows = out[item * tokens * width..][..tokens * width].chunks_exact_mut(width);
            for (row, values) in rows.zip(head[which].chunks_exact(shape.size)) {
                row[head_index * shape.size..][..shape.size].copy_from_slice(values);
            }
        }
        Ok(Tensor::from_vec(out, (batch, tokens, width), &Device::Cpu)?)
    };
    Ok([gathered(0, queries)?, gathered(1, keys)?, gathered(2, keys)?])
}

/// The numbers of one head.
fn column(values: &[f32], width: usize, at: usize, size: usize) -> Vec<f32> {
    values.chunks_exact(width).flat_map(|row| &row[at..at + size]).copied().collect()
}

/// Packs rows `(tokens, size)` as columns: for products along `size`.
fn as_columns(values: &[f32], size: usize) -> Panels {
    Panels::pack(1, size, values.len() / size, |_, row, column, out| {
        for (n, value) in out.iter_mut().enumerate() {
            *value = values[(column + n) * size + row];
        }
    })
}

fn product(rows: &[f32], depth: usize, panels: &Panels, out: &mut [f32]) {
    Product {
        rows: Rows::Dense { values: rows, stride: depth },
        count: rows.len() / depth,
        panels,
        taps: (0, 1),
        depth,
        out,
        stride: panels.columns(),
        bias: None,
        residual: None,
    }
    .run();
}

fn head_gradient(shape: Shape, q: &[f32], k: &[f32], v: &[f32], gradient: &[f32]) -> [Vec<f32>; 3] {
    let Shape { size, queries, keys, causal } = shape;
    let scale = 1.0 / (size as f32).sqrt();
    let (key_columns, value_columns) = (as_columns(k, size), as_columns(v, size));
    let key_rows = Panels::pack(1, keys, size, |_, row, column, out| {
        out.copy_from_slice(&k[row * size + column..][..out.len()]);
    });
    let (mut dq, mut dk, mut dv) =
        (vec![0f32; queries * size], vec![0f32; keys * size], vec![0f32; keys * size]);
    let strip = STRIP.min(queries);
    let (mut weights, mut slopes) = (vec![0f32; strip * keys], vec![0f32; strip * keys]);
    let mut part = vec![0f32; keys * size];
    for first in (0..queries).step_by(strip) {
        let count = strip.min(queries - first);
        let span = first * size..(first + count) * size;
        let (weights, slopes) = (&mut weights[..count * keys], &mut slopes[..count * keys]);
        product(&q[span.clone()], size, &key_columns, weights);
        product(&gradient[span.clone()], size, &value_columns, slopes);
        Arch::new().dispatch(|| {
            let rows = weights.chunks_exact_mut(keys).zip(slopes.chunks_exact_mut(keys));
            for (m, (weights, slopes)) in rows.enumerate() {
                let seen = if causal { first + m + 1 } else { keys };
                let (weights, hidden) = weights.split_at_mut(seen);
                let (slopes, hidden_slopes) = slopes.split_at_mut(seen);
                softmax(weights, scale);
                hidden.fill(0.0);
                hidden_slopes.fill(0.0);
                let mean = dot(weights, slopes);
                for (slope, weight) in slopes.iter_mut().zip(weights) {
                    *slope = *weight * (*slope - mean) * scale;
                }
            }
        });
        product(slopes, keys, &key_rows, &mut dq[span.clone()]);
        product_over_rows(slopes, &q[span.clone()], (keys, size), &mut part);
        add(&mut dk, &part);
        product_over_rows(weights, &gradient[span], (keys, size), &mut part);
        add(&mut dv, &part);
    }
    [dq, dk, dv]
}

/// A sum in sixteen interleaved parts: one order of additions for every width of registers.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut parts = [0f32; 16];
    for (a, b) in a.chunks(16).zip(b.chunks(16)) {
        for ((part, a), b) in parts.iter_mut().zip(a).zip(b) {
            *part += a * b;
        }
    }
    for width in [8, 4, 2, 1] {
        for i in 0..width {
            parts[i] += parts[i + width];
        }
    }
    parts[0]
}

fn add(sum: &mut [f32], part: &[f32]) {
    for (sum, part) in sum.iter_mut().zip(part) {
        *sum += part;
    }
}
