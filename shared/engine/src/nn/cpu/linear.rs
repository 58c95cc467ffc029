//! Linear layers.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::panels::Panels;
use super::product::{Product, Rows};
use super::{elementwise, with_optional, with_values};
use crate::Result;
use crate::nn::Activation;

/// Multiplications below which a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 1 << 18;

/// Rows of each piece when `count` rows of `work` multiplications each are split over the pool's threads.
pub fn rows_per_piece(count: usize, work: usize) -> usize {
    let threads = rayon::current_num_threads();
    let pieces = (count * work / WORTH_A_THREAD).clamp(1, threads * 2);
    // Tiles of six and eight rows both fit into pieces of 24.
    if pieces == 1 { count.max(1) } else { count.div_ceil(pieces).next_multiple_of(24) }
}

/// `x W^T + bias`, then the activation, then `+ residual`.
pub fn linear(
    x: &Tensor,
    weights: &Panels,
    bias: Option<&Tensor>,
    shape: &[usize],
    activation: Option<Activation>,
    residual: Option<&Tensor>,
) -> Result<Tensor> {
    let (depth, columns) = (weights.depth(), weights.columns());
    let x = x.contiguous()?;
    let out = with_values(&x, |x| {
        with_optional(bias, |bias| {
            with_optional(residual, |residual| {
                let count = x.len() / depth;
                let mut out = vec![0.0; count * columns];
                let rows = rows_per_piece(count, depth * columns);
                out.par_chunks_mut(rows * columns).enumerate().for_each(|(piece, out)| {
                    let (first, count) = (piece * rows, out.len() / columns);
                    let x = &x[first * depth..][..count * depth];
                    let residual = residual.map(|r| &r[first * columns..][..count * columns]);
                    Product {
                        rows: Rows::Dense { values: x, stride: depth },
                        count,
                        panels: weights,
                        taps: (0, 1),
                        depth,
                        out,
                        stride: columns,
                        bias,
                        // An activation comes between: then the residual is added after it.
                        residual: residual.filter(|_| activation.is_none()),
                    }
                    .run();
                    if let Some(activation) = activation {
                        elementwise::activate_in_place(out, activation);
                        if let Some(residual) = residual {
                            elementwise::add_in_place(out, residual);
                        }
                    }
                });
                Ok(out)
            })
        })
    })?;
    Ok(Tensor::from_vec(out, shape, &Device::Cpu)?)
}
