//! Back through normalisations. With `n = (x - mean) * inverse` and `h` the gradient of `n`, that of `x` is
//! `inverse * (h - mean(h) - n * mean(h * n))`; statistics are computed again, which costs less than keeping them.

use candle_core::{Device, Tensor};
use pulp::Arch;
use rayon::prelude::*;

use super::super::norm::{RUN, STRIP, Statistics, sum_of};
use super::super::{channels_last, picture, with_optional, with_values};
use super::elementwise::silu_slope;
use crate::Result;

/// Weight, bias, groups and epsilon of a group normalisation.
#[derive(Clone, Copy)]
pub struct Groups<'a> {
    /// `(channels)`.
    pub weight: &'a Tensor,
    /// `(channels)`.
    pub bias: &'a Tensor,
    /// How many there are.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
    /// Whether `silu` followed.
    pub silu: bool,
}

/// Gradients of a normalisation's weight and bias, each `(channels)`.
pub type OfWeights = (Tensor, Tensor);

/// The gradient of the input of a group normalisation, perhaps with `silu` after it, and those of its weight and bias.
pub fn group_norm_gradient(
    x: &Tensor,
    gradient: &Tensor,
    norm: Groups<'_>,
    before: Option<&Tensor>,
) -> Result<(Tensor, OfWeights)> {
    let shape = x.dims4()?;
    let (batch, channels, ..) = shape;
    let (x, gradient) = (channels_last(x)?, channels_last(gradient)?);
    let before = before.map(channels_last).transpose()?;
    let (weight, bias) = (norm.weight.contiguous()?, norm.bias.contiguous()?);
    let (out, of_pictures) = with_values(&x, |x| {
        with_values(&gradient, |gradient| {
            with_values(&weight, |weight| {
                with_values(&bias, |bias| {
                    with_optional(before.as_ref(), |before| {
                        let mut out = before.map_or_else(|| vec![0.0; x.len()], <[f32]>::to_vec);
                        let item = (x.len() / batch.max(1)).max(1);
                        let items = out.par_chunks_mut(item).zip(x.par_chunks(item));
                        let one = |((out, x), gradient): ((&mut [f32], &[f32]), &[f32])| {
                            let parameters = (weight, bias);
                            one_picture(out, x, gradient, parameters, (norm.groups, norm.eps, norm.silu))
                        };
                        let sums: Vec<[Vec<f64>; 2]> =
                            items.zip(gradient.par_chunks(item)).map(one).collect();
                        Ok((out, sums))
                    })
                })
            })
        })
    })?;
    let total = |which: usize| -> Result<Tensor> {
        let of = |c: usize| of_pictures.iter().map(|sums| sums[which][c]).sum::<f64>() as f32;
        Ok(Tensor::from_vec((0..channels).map(of).collect::<Vec<_>>(), channels, &Device::Cpu)?)
    };
    Ok((picture(out, shape)?, (total(0)?, total(1)?)))
}

/// Adds to `out` the gradient of one picture; returns those of weight and bias.
fn one_picture(
    out: &mut [f32],
    x: &[f32],
    gradient: &[f32],
    (weight, bias): (&[f32], &[f32]),
    (groups, eps, silu): (usize, f64, bool),
) -> [Vec<f64>; 2] {
    let channels = weight.len();
    let Statistics { means, inverses } = Statistics::of(x, channels, groups, eps);
    let size = channels / groups;
    let of = |values: &[f64], c: usize| values[c / size];
    let scale: Vec<f32> = (0..channels).map(|c| (of(&inverses, c) * f64::from(weight[c])) as f32).collect();
    let offset: Vec<f32> = (0..channels)
        .map(|c| (f64::from(bias[c]) - of(&means, c) * of(&inverses, c) * f64::from(weight[c])) as f32)
        .collect();
    let centre: Vec<f32> = (0..channels).map(|c| of(&means, c) as f32).collect();

    // The gradient before the activation, kept for the second pass, and its sums.
    let mut inner = gradient.to_vec();
    let strips = inner.par_chunks_mut(STRIP * channels).zip(x.par_chunks(STRIP * channels));
    let sums: Vec<Sums> = strips
        .map(|(inner, x)| {
            if silu {
                Arch::new().dispatch(|| {
                    for (inner, x) in inner.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                        for (((g, x), scale), offset) in inner.iter_mut().zip(x).zip(&scale).zip(&offset) {
                            *g *= silu_slope(x * scale + offset);
                        }
                    }
                });
            }
            Sums::of(inner, x, &centre)
        })
        .collect();
    let (mut plain, mut crossed) = (vec![0f64; channels], vec![0f64; channels]);
    for strip in &sums {
        for c in 0..channels {
            plain[c] += strip.plain[c];
            crossed[c] += strip.crossed[c];
        }
    }
    let count = (x.len() / channels * size) as f64;
    // What every number of a channel is: gradient * scale + x * slope + level.
    let (mut slope, mut level) = (vec![0f32; channels], vec![0f32; channels]);
    for group in 0..groups {
        let range = group * size..(group + 1) * size;
        let (mean, inverse) = (means[group], inverses[group]);
        let of_h: f64 = range.clone().map(|c| f64::from(weight[c]) * plain[c]).sum::<f64>() / count;
        let of_hn: f64 =
            range.clone().map(|c| f64::from(weight[c]) * crossed[c]).sum::<f64>() * inverse / count;
        for c in range {
            slope[c] = (-inverse * inverse * of_hn) as f32;
            level[c] = (inverse * inverse * of_hn * mean - inverse * of_h) as f32;
        }
    }
    let strips = out.par_chunks_mut(STRIP * channels).zip(x.par_chunks(STRIP * channels));
    strips.zip(inner.par_chunks(STRIP * channels)).for_each(|((out, x), inner)| {
        Arch::new().dispatch(|| {
            let pixels = out.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
            for ((out, x), inner) in pixels.zip(inner.chunks_exact(channels)) {
                for c in 0..channels {
                    out[c] += inner[c] * scale[c] + x[c] * slope[c] + level[c];
                }
            }
        });
    });
    // `x - centre` is off by the rounding of the centre, which the sums make good.
    let of_weight = (0..channels)
        .map(|c| (crossed[c] + (f64::from(centre[c]) - of(&means, c)) * plain[c]) * of(&inverses, c));
    [of_weight.collect(), plain]
}

/// Sums over pixels for each channel: of the gradient, and of its product with `x - centre`.
struct Sums {
    plain: Vec<f64>,
    crossed: Vec<f64>,
}

impl Sums {
    fn of(gradient: &[f32], x: &[f32], centre: &[f32]) -> Self {
        let channels = centre.len();
        let mut sums = Self { plain: vec![0.0; channels], crossed: vec![0.0; channels] };
        let (mut plain, mut crossed) = (vec![0f32; channels], vec![0f32; channels]);
        Arch::new().dispatch(|| {
            for (gradient, x) in gradient.chunks(RUN * channels).zip(x.chunks(RUN * channels)) {
                plain.fill(0.0);
                crossed.fill(0.0);
                for (gradient, x) in gradient.chunks_exact(channels).zip(x.chunks_exact(channels)) {
                    for c in 0..channels {
                        plain[c] += gradient[c];
                        crossed[c] += gradient[c] * (x[c] - centre[c]);
                    }
                }
                for c in 0..channels {
                    sums.plain[c] += f64::from(plain[c]);
                    sums.crossed[c] += f64::from(crossed[c]);
                }
            }
        });
        sums
    }
}

/// The gradient of the input of a layer normalisation.
pub fn layer_norm_gradient(
    x: &Tensor,
    gradient: &Tensor,
    weight: &Tensor,
    eps: f64,
    before: Option<&Tensor>,
) -> Result<Tensor> {
    let (x, gradient, weight) = (x.contiguous()?, gradient.contiguous()?, weight.contiguous()?);
    let out = with_values(&x, |x| {
        with_values(&gradient, |gradient| {
            with_values(&weight, |weight| {
                with_optional(before, |before| {
                    let size = weight.len();
                    let mut out = before.map_or_else(|| vec![0.0; x.len()], <[f32]>::to_vec);
                    let piece = RUN * size;
                    let pieces = out.par_chunks_mut(piece).zip(x.par_chunks(piece));
                    pieces.zip(gradient.par_chunks(piece)).for_each(|((out, x), gradient)| {
                        Arch::new().dispatch(|| {
                            let rows = out.chunks_exact_mut(size).zip(x.chunks_exact(size));
                            let mut h = vec![0f32; size];
                            let mut normal = vec![0f32; size];
                            for ((out, x), gradient) in rows.zip(gradient.chunks_exact(size)) {
                                let mean = sum_of(x, |x| x) / size as f32;
                                let variance = sum_of(x, |x| (x - mean) * (x - mean)) / size as f32;
                                let inverse = 1.0 / (variance + eps as f32).sqrt();
                                for c in 0..size {
                                    h[c] = gradient[c] * weight[c];
                                    normal[c] = (x[c] - mean) * inverse;
                                }
                                let of_h = sum_of(&h, |h| h) / size as f32;
                                let mut product = 0.0;
                                for (h, n) in h.iter().zip(&normal) {
                                    product += f64::from(*h) * f64::from(*n);
                                }
                                let of_hn = product as f32 / size as f32;
                                for c in 0..size {
                                    out[c] += inverse * (h[c] - of_h - normal[c] * of_hn);
                                }
                            }
                        });
                    });
                    Ok(out)
                })
            })
        })
    })?;
    Ok(Tensor::from_vec(out, x.dims(), &Device::Cpu)?)
}

/// Those of its weight and bias.
pub fn layer_norm_weight_gradient(x: &Tensor, gradient: &Tensor, eps: f64) -> Result<OfWeights> {
    let (x, gradient) = (x.contiguous()?, gradient.contiguous()?);
    let size = x.dims().last().copied().unwrap_or(1).max(1);
    let piece = STRIP * size;
    let strips: Vec<[Vec<f64>; 2]> = with_values(&x, |x| {
        with_values(&gradient, |gradient| {
            let of_strip = |(x, gradient): (&[f32], &[f32])| {
                let (mut weight, mut bias) = (vec![0f64; size], vec![0f64; size]);
                Arch::new().dispatch(|| {
                    for (x, gradient) in x.chunks_exact(size).zip(gradient.chunks_exact(size)) {
                        let mean = sum_of(x, |x| x) / size as f32;
                        let variance = sum_of(x, |x| (x - mean) * (x - mean)) / size as f32;
                        let inverse = 1.0 / (variance + eps as f32).sqrt();
                        for c in 0..size {
                            weight[c] += f64::from(gradient[c] * ((x[c] - mean) * inverse));
                            bias[c] += f64::from(gradient[c]);
                        }
                    }
                });
                [weight, bias]
            };
            Ok(x.par_chunks(piece).zip(gradient.par_chunks(piece)).map(of_strip).collect())
        })
    })?;
    let total = |which: usize| -> Result<Tensor> {
        let of = |c: usize| strips.iter().map(|sums| sums[which][c]).sum::<f64>() as f32;
        Ok(Tensor::from_vec((0..size).map(of).collect::<Vec<_>>(), size, &Device::Cpu)?)
    };
    Ok((total(0)?, total(1)?))
}
