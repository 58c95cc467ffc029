//! Group and layer normalisation.

use candle_core::{DType, Device, Tensor};
use pulp::Arch;
use rayon::prelude::*;

use super::elementwise::activate_in_place;
use super::{channels_last, picture, with_values};
use crate::Result;
use crate::nn::Activation;

/// Pixels summed up by one task: fixed, so that the order of additions never depends on the number of threads.
pub const STRIP: usize = 1024;
/// Pixels whose sums are kept in 32-bit floats before they are carried over to 64-bit ones.
pub const RUN: usize = 32;

/// Sums over pixels for each channel: of `x - shift` and of its square, where `shift` is the channel's first value.
struct Sums {
    linear: Vec<f64>,
    square: Vec<f64>,
}

impl Sums {
    fn zeros(channels: usize) -> Self {
        Self { linear: vec![0.0; channels], square: vec![0.0; channels] }
    }

    fn of(pixels: &[f32], shift: &[f32]) -> Self {
        let channels = shift.len();
        let mut sums = Self::zeros(channels);
        let (mut linear, mut square) = (vec![0f32; channels], vec![0f32; channels]);
        Arch::new().dispatch(|| {
            for run in pixels.chunks(RUN * channels) {
                linear.fill(0.0);
                square.fill(0.0);
                for pixel in run.chunks_exact(channels) {
                    for (((x, shift), linear), square) in
                        pixel.iter().zip(shift).zip(&mut linear).zip(&mut square)
                    {
                        let x = x - shift;
                        *linear += x;
                        *square += x * x;
                    }
                }
                for (total, x) in sums.linear.iter_mut().zip(&linear) {
                    *total += f64::from(*x);
                }
                for (total, x) in sums.square.iter_mut().zip(&square) {
                    *total += f64::from(*x);
                }
            }
        });
        sums
    }

    fn add(&mut self, other: &Self) {
        for (total, x) in self.linear.iter_mut().zip(&other.linear) {
            *total += x;
        }
        for (total, x) in self.square.iter_mut().zip(&other.square) {
            *total += x;
        }
    }
}

/// Mean and inverse of the standard deviation of each group of channels of one picture.
pub struct Statistics {
    /// One for each group.
    pub means: Vec<f64>,
    /// `1 / sqrt(variance + eps)`.
    pub inverses: Vec<f64>,
}

impl Statistics {
    /// Those of a picture whose pixels lie channels last.
    pub fn of(pixels: &[f32], channels: usize, groups: usize, eps: f64) -> Self {
        let shift = &pixels[..channels];
        let strips: Vec<Sums> =
            pixels.par_chunks(STRIP * channels).map(|strip| Sums::of(strip, shift)).collect();
        let mut sums = Sums::zeros(channels);
        for strip in &strips {
            sums.add(strip);
        }
        let count = (pixels.len() / channels) as f64;
        let size = channels / groups;
        let mut statistics = Self { means: Vec::with_capacity(groups), inverses: Vec::with_capacity(groups) };
        for group in 0..groups {
            let range = group * size..(group + 1) * size;
            // Mean and spread of each channel, then of the group around its own mean.
            let means: Vec<f64> =
                range.clone().map(|c| f64::from(shift[c]) + sums.linear[c] / count).collect();
            let mean = means.iter().sum::<f64>() / size as f64;
            let spread: f64 = (range.zip(&means))
                .map(|(c, m)| sums.square[c] / count - (sums.linear[c] / count).powi(2) + (m - mean).powi(2))
                .sum();
            statistics.means.push(mean);
            statistics.inverses.push(1.0 / (spread.max(0.0) / size as f64 + eps).sqrt());
        }
        statistics
    }
}

/// Mean and biased variance of each channel over all pixels of a batch.
pub fn channel_statistics(x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
    let channels = x.dim(1)?;
    with_values(&channels_last(&x.to_dtype(DType::F32)?)?, |pixels| {
        let Statistics { means, inverses } = Statistics::of(pixels, channels, channels, TINY);
        let variance = |inverse: f64| (1.0 / (inverse * inverse) - TINY).max(0.0);
        Ok((means, inverses.into_iter().map(variance).collect()))
    })
}

/// Keeps the inverse of a variance of zero finite.
const TINY: f64 = 1e-30;

/// What every channel of one picture is multiplied with, and what is added then.
fn scale_and_offset(
    pixels: &[f32],
    (weight, bias): (&[f32], &[f32]),
    groups: usize,
    eps: f64,
) -> (Vec<f32>, Vec<f32>) {
    let channels = weight.len();
    let Statistics { means, inverses } = Statistics::of(pixels, channels, groups, eps);
    let size = channels / groups;
    let (mut scale, mut offset) = (vec![0.0; channels], vec![0.0; channels]);
    for c in 0..channels {
        let factor = inverses[c / size] * f64::from(weight[c]);
        scale[c] = factor as f32;
        offset[c] = (f64::from(bias[c]) - means[c / size] * factor) as f32;
    }
    (scale, offset)
}

/// Group normalisation of a picture, then the activation.
pub fn group_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    groups: usize,
    eps: f64,
    activation: Option<Activation>,
) -> Result<Tensor> {
    let shape = x.dims4()?;
    let (batch, channels, ..) = shape;
    let x = channels_last(x)?;
    let (weight, bias) = (weight.contiguous()?, bias.contiguous()?);
    let out = with_values(&x, |x| {
        with_values(&weight, |weight| {
            with_values(&bias, |bias| {
                let mut out = vec![0.0; x.len()];
                let item = (x.len() / batch.max(1)).max(1);
                out.par_chunks_mut(item).zip(x.par_chunks(item)).for_each(|(out, x)| {
                    let (scale, offset) = scale_and_offset(x, (weight, bias), groups, eps);
                    let strips = out.par_chunks_mut(STRIP * channels).zip(x.par_chunks(STRIP * channels));
                    strips.for_each(|(out, x)| {
                        // Small enough that the activation finds its numbers in the cache.
                        for (out, x) in out.chunks_mut(RUN * channels).zip(x.chunks(RUN * channels)) {
                            apply(out, x, &scale, &offset);
                            if let Some(activation) = activation {
                                activate_in_place(out, activation);
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

fn apply(out: &mut [f32], x: &[f32], scale: &[f32], offset: &[f32]) {
    let channels = scale.len();
    Arch::new().dispatch(|| {
        for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for (((out, x), scale), offset) in out.iter_mut().zip(x).zip(scale).zip(offset) {
                *out = x * scale + offset;
            }
        }
    });
}

/// Layer normalisation over the last dimension.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let (x, weight, bias) = (x.contiguous()?, weight.contiguous()?, bias.contiguous()?);
    let out = with_values(&x, |x| {
        with_values(&weight, |weight| {
            with_values(&bias, |bias| {
                let size = weight.len();
                let mut out = vec![0.0; x.len()];
                let rows = RUN * size;
                out.par_chunks_mut(rows).zip(x.par_chunks(rows)).for_each(|(out, x)| {
                    Arch::new().dispatch(|| {
                        for (out, x) in out.chunks_exact_mut(size).zip(x.chunks_exact(size)) {
                            normalise_row(out, x, (weight, bias), eps as f32);
                        }
                    });
                });
                Ok(out)
            })
        })
    })?;
    Ok(Tensor::from_vec(out, x.dims(), &Device::Cpu)?)
}

#[inline(always)]
fn normalise_row(out: &mut [f32], x: &[f32], (weight, bias): (&[f32], &[f32]), eps: f32) {
    let mean = sum_of(x, |x| x) / x.len() as f32;
    let variance = sum_of(x, |x| (x - mean) * (x - mean)) / x.len() as f32;
    let inverse = 1.0 / (variance + eps).sqrt();
    for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
        *out = (x - mean) * inverse * weight + bias;
    }
}

/// A sum in sixteen interleaved parts: one order of additions for every width of registers.
#[inline(always)]
pub fn sum_of(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut parts = [0f32; 16];
    for chunk in chunks {
        for (part, x) in parts.iter_mut().zip(chunk) {
            *part += f(*x);
        }
    }
    for (part, x) in parts.iter_mut().zip(rest) {
        *part += f(*x);
    }
    for width in [8, 4, 2, 1] {
        for i in 0..width {
            parts[i] += parts[i + width];
        }
    }
    parts[0]
}
