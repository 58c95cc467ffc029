//! Gradients of weights: products over all rows, of which one side is small.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::super::panels::Panels;
use super::super::product::{Product, Rows};
use super::super::{channels_last, with_values};
use super::outer::{self, Sides};
use crate::Result;

/// `a^T b` for `a (rows, m)` and `b (rows, n)`: `(m, n)`.
pub fn product_over_rows(a: &[f32], b: &[f32], (m, n): (usize, usize), out: &mut [f32]) {
    let rows = a.len() / m;
    // The wider side is packed as it lies; the other is turned.
    let (narrow, wide, lines, columns) = if m <= n { (a, b, m, n) } else { (b, a, n, m) };
    let panels = Panels::pack(1, rows, columns, |_, row, column, out| {
        out.copy_from_slice(&wide[row * columns + column..][..out.len()]);
    });
    let turned = transposed(narrow, rows, lines);
    let mut product = Vec::new();
    let target = if m <= n {
        &mut *out
    } else {
        product.resize(m * n, 0.0);
        &mut product
    };
    Product {
        rows: Rows::Dense { values: &turned, stride: rows },
        count: lines,
        panels: &panels,
        taps: (0, 1),
        depth: rows,
        out: target,
        stride: columns,
        bias: None,
        residual: None,
    }
    .run();
    if m > n {
        out.copy_from_slice(&transposed(&product, n, m));
    }
}

/// `(rows, columns)` as `(columns, rows)`.
pub fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const BLOCK: usize = 16;
    let mut out = vec![0.0; rows * columns];
    for top in (0..rows).step_by(BLOCK) {
        for left in (0..columns).step_by(BLOCK) {
            for row in top..(top + BLOCK).min(rows) {
                for column in left..(left + BLOCK).min(columns) {
                    out[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    out
}

/// The gradient of a linear layer's weight, `(out, in)`, for its input `(.., in)` and the gradient of its output `(.., out)`.
pub fn linear_weight_gradient(
    x: &Tensor,
    gradient: &Tensor,
    inputs: usize,
    outputs: usize,
) -> Result<Tensor> {
    let (x, gradient) = (x.contiguous()?, gradient.contiguous()?);
    let found = with_values(&x, |right| {
        with_values(&gradient, |left| {
            if !outer::fits(inputs) {
                let mut out = vec![0.0; outputs * inputs];
                product_over_rows(left, right, (outputs, inputs), &mut out);
                return Ok(out);
            }
            let sides = Sides { left, right, outputs, inputs };
            Ok(outer::sums(sides, (left.len() / outputs, 1), |_, rows, out| {
                out.extend(rows.map(|row| ((row * outputs) as u32, (row * inputs) as u32)));
            }))
        })
    })?;
    Ok(Tensor::from_vec(found, (outputs, inputs), &Device::Cpu)?)
}

/// Rows summed up by one task.
const STRIP: usize = 1024;

/// Sums over all rows of `(.., columns)`, or over all pixels of each channel of a picture: the gradient of a bias.
pub fn column_sums(gradient: &Tensor) -> Result<Tensor> {
    let lying = if gradient.rank() == 4 { channels_last(gradient)? } else { gradient.contiguous()? };
    let columns = lying.dims().last().copied().unwrap_or(1).max(1);
    let found = with_values(&lying, |values| {
        let of_strip = |strip: &[f32]| {
            let mut sums = vec![0f64; columns];
            for row in strip.chunks_exact(columns) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += f64::from(*value);
                }
            }
            sums
        };
        let strips: Vec<Vec<f64>> = values.par_chunks(STRIP * columns).map(of_strip).collect();
        let total = |column: usize| strips.iter().map(|strip| strip[column]).sum::<f64>() as f32;
        Ok((0..columns).map(total).collect::<Vec<_>>())
    })?;
    Ok(Tensor::from_vec(found, columns, &Device::Cpu)?)
}
