//! Back through functions of single numbers.

use candle_core::{Device, Tensor};
use pulp::Arch;
use rayon::prelude::*;

use super::super::elementwise::{PIECE, erf, exp};
use super::super::{channels_last, picture, with_optional, with_values};
use crate::Result;
use crate::nn::Activation;

/// `d silu(x) / dx`.
#[inline(always)]
pub fn silu_slope(x: f32) -> f32 {
    let s = 1.0 / (1.0 + exp(-x));
    s * (1.0 + x * (1.0 - s))
}

#[inline(always)]
fn quick_gelu_slope(x: f32) -> f32 {
    let s = 1.0 / (1.0 + exp(-1.702 * x));
    s * (1.0 + 1.702 * x * (1.0 - s))
}

/// `Phi(x)` and `Phi(x) + x phi(x)`, the slope of the exact GELU.
#[inline(always)]
fn gelu_parts(x: f32) -> (f32, f32) {
    const INVERSE_ROOT_TWO_PI: f32 = 0.398_942_3;
    let share = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
    (share, share + x * INVERSE_ROOT_TWO_PI * exp(-0.5 * x * x))
}

fn multiply_by_slopes(gradient: &mut [f32], x: &[f32], activation: Activation) {
    let pairs = gradient.iter_mut().zip(x);
    let arch = Arch::new();
    match activation {
        Activation::Silu => arch.dispatch(|| pairs.for_each(|(g, x)| *g *= silu_slope(*x))),
        Activation::Gelu => arch.dispatch(|| pairs.for_each(|(g, x)| *g *= gelu_parts(*x).1)),
        Activation::QuickGelu => arch.dispatch(|| pairs.for_each(|(g, x)| *g *= quick_gelu_slope(*x))),
    }
}

/// The gradient of an activation's input.
pub fn activation_gradient(x: &Tensor, gradient: &Tensor, activation: Activation) -> Result<Tensor> {
    let (x, gradient) = (x.contiguous()?, gradient.contiguous()?);
    let out = with_values(&x, |x| {
        with_values(&gradient, |gradient| {
            let mut out = gradient.to_vec();
            let pieces = out.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE));
            pieces.for_each(|(out, x)| multiply_by_slopes(out, x, activation));
            Ok(out)
        })
    })?;
    Ok(Tensor::from_vec(out, x.dims(), &Device::Cpu)?)
}

/// Back through `value * gelu(gate)`: gradients of both halves, side by side as they lay.
pub fn gate_gradient(both: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let (both, gradient) = (both.contiguous()?, gradient.contiguous()?);
    let half = gradient.dims().last().copied().unwrap_or(1).max(1);
    let out = with_values(&both, |both| {
        with_values(&gradient, |gradient| {
            let mut out = vec![0.0; both.len()];
            let rows = (PIECE / half).max(1);
            let pieces = out.par_chunks_mut(rows * half * 2).zip(both.par_chunks(rows * half * 2));
            pieces.zip(gradient.par_chunks(rows * half)).for_each(|((out, both), gradient)| {
                Arch::new().dispatch(|| {
                    let rows = out.chunks_exact_mut(half * 2).zip(both.chunks_exact(half * 2));
                    for ((out, both), gradient) in rows.zip(gradient.chunks_exact(half)) {
                        let ((value_out, gate_out), (value, gate)) =
                            (out.split_at_mut(half), both.split_at(half));
                        let out = value_out.iter_mut().zip(gate_out);
                        for (((value_out, gate_out), (value, gate)), g) in
                            out.zip(value.iter().zip(gate)).zip(gradient)
                        {
                            let (share, slope) = gelu_parts(*gate);
                            *value_out = g * gate * share;
                            *gate_out = g * value * slope;
                        }
                    }
                });
            });
            Ok(out)
        })
    })?;
    Ok(Tensor::from_vec(out, both.dims(), &Device::Cpu)?)
}

/// Sums over all pixels of each channel, `(batch, channels)`, plus `before`: back to what was added to every pixel.
pub fn sum_over_pixels(gradient: &Tensor, before: Option<&Tensor>) -> Result<Tensor> {
    let (batch, channels, height, width) = gradient.dims4()?;
    let pixels = (height * width * channels).max(1);
    let out = with_values(&channels_last(gradient)?, |gradient| {
        with_optional(before, |before| {
            let mut out = before.map_or_else(|| vec![0.0; batch * channels], <[f32]>::to_vec);
            for (out, item) in out.chunks_exact_mut(channels).zip(gradient.chunks_exact(pixels)) {
                let mut sums = vec![0f64; channels];
                for pixel in item.chunks_exact(channels) {
                    for (sum, value) in sums.iter_mut().zip(pixel) {
                        *sum += f64::from(*value);
                    }
                }
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out += sum as f32;
                }
            }
            Ok(out)
        })
    })?;
    Ok(Tensor::from_vec(out, (batch, channels), &Device::Cpu)?)
}

/// Every row of `(.., columns)` times `factors`, plus `offsets` if there are any.
pub fn scale_columns(x: &Tensor, factors: &[f32], offsets: Option<&[f32]>) -> Result<Tensor> {
    let x = x.contiguous()?;
    let out = with_values(&x, |x| {
        let mut out = x.to_vec();
        let rows = (PIECE / factors.len().max(1)).max(1);
        out.par_chunks_mut(rows * factors.len()).for_each(|out| {
            Arch::new().dispatch(|| {
                for row in out.chunks_exact_mut(factors.len()) {
                    row.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
                    if let Some(offsets) = offsets {
                        row.iter_mut().zip(offsets).for_each(|(x, offset)| *x += offset);
                    }
                }
            });
        });
        Ok(out)
    })?;
    Ok(Tensor::from_vec(out, x.dims(), &Device::Cpu)?)
}

/// Sums over all rows of `a * b`, each `(.., columns)`, in 64 bits and one order.
pub fn column_products(a: &Tensor, b: &Tensor) -> Result<Vec<f32>> {
    let columns = a.dims().last().copied().unwrap_or(1).max(1);
    let (a, b) = (a.contiguous()?, b.contiguous()?);
    let mut sums = vec![0f64; columns];
    with_values(&a, |a| {
        with_values(&b, |b| {
            for (a, b) in a.chunks_exact(columns).zip(b.chunks_exact(columns)) {
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum += f64::from(a * b);
                }
            }
            Ok(())
        })
    })?;
    Ok(sums.into_iter().map(|sum| sum as f32).collect())
}

/// The first `first` channels of a picture, and the others.
pub fn split_channels(x: &Tensor, first: usize) -> Result<(Tensor, Tensor)> {
    let (batch, channels, height, width) = x.dims4()?;
    let second = channels - first;
    let (a, b) = with_values(&channels_last(x)?, |x| {
        let pixels = batch * height * width;
        let (mut a, mut b) = (Vec::with_capacity(pixels * first), Vec::with_capacity(pixels * second));
        for pixel in x.chunks_exact(channels) {
            a.extend_from_slice(&pixel[..first]);
            b.extend_from_slice(&pixel[first..]);
        }
        Ok((a, b))
    })?;
    Ok((picture(a, (batch, first, height, width))?, picture(b, (batch, second, height, width))?))
}

/// Back through a rectifier: what came from below zero is multiplied by its channel's slope.
pub fn rectifier_gradient(x: &Tensor, gradient: &Tensor, slopes: &Tensor) -> Result<Tensor> {
    let shape = x.dims4()?;
    let channels = shape.1.max(1);
    let slopes = slopes.contiguous()?;
    let out = with_values(&channels_last(x)?, |x| {
        with_values(&channels_last(gradient)?, |gradient| {
            with_values(&slopes, |slopes| {
                let mut out = gradient.to_vec();
                let piece = (PIECE / channels).max(1) * channels;
                out.par_chunks_mut(piece).zip(x.par_chunks(piece)).for_each(|(out, x)| {
                    Arch::new().dispatch(|| {
                        for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                            for ((out, x), slope) in out.iter_mut().zip(x).zip(slopes) {
                                *out *= if *x > 0.0 { 1.0 } else { *slope };
                            }
                        }
                    });
                });
                Ok(out)
            })
        })
    })?;
    picture(out, shape)
}
