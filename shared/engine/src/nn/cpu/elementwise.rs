//! Functions of single numbers, written so that the compiler turns them into vector instructions.
//!
//! No branches and no fused operations: every machine computes the same bits.

use candle_core::{Device, Tensor};
use pulp::Arch;
use rayon::prelude::*;

use super::{channels_last, picture, with_values};
use crate::nn::Activation;
use crate::{Error, Result};

/// Elements of each piece of a parallel loop.
pub const PIECE: usize = 1 << 14;

/// `e^x` within two units of the last place, for `x` from -87 to 88; clamped outside.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the nearest whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let r = x - whole * LN2_HIGH - whole * LN2_LOW;
    // Minimax polynomial of Cephes' expf on |r| <= ln(2) / 2.
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5.000_000_1e-1;
    let value = p * (r * r) + r + 1.0;
    value * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// The error function within 5e-7; rounding of the rational form in f32 is what is left (4.5e-7 at most on 200,000 points).
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    // Rational minimax approximation, as in Eigen and XLA.
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let p = -2.726_142_4e-10;
    let p = p * s + 2.770_681_3e-8;
    let p = p * s - 2.101_024e-6;
    let p = p * s - 5.692_506_3e-5;
    let p = p * s - 7.349_906_4e-4;
    let p = p * s - 2.954_599_8e-3;
    let p = p * s - 1.609_603_3e-2;
    let q = -1.456_607_2e-5;
    let q = q * s - 2.133_740_6e-4;
    let q = q * s - 1.682_827e-3;
    let q = q * s - 7.373_329_3e-3;
    let q = q * s - 1.426_473_9e-2;
    x * p / q
}

#[inline(always)]
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

#[inline(always)]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

#[inline(always)]
fn quick_gelu(x: f32) -> f32 {
    x / (1.0 + exp(-1.702 * x))
}

/// Applies `activation` to every number.
pub fn activate_in_place(values: &mut [f32], activation: Activation) {
    let arch = Arch::new();
    match activation {
        Activation::Silu => arch.dispatch(|| values.iter_mut().for_each(|x| *x = silu(*x))),
        Activation::Gelu => arch.dispatch(|| values.iter_mut().for_each(|x| *x = gelu(*x))),
        Activation::QuickGelu => arch.dispatch(|| values.iter_mut().for_each(|x| *x = quick_gelu(*x))),
    }
}

/// Adds `other` to `values`.
pub fn add_in_place(values: &mut [f32], other: &[f32]) {
    Arch::new().dispatch(|| values.iter_mut().zip(other).for_each(|(x, y)| *x += *y));
}

/// Multiplies what is below zero by the slope of its channel; the values lie channels last.
pub fn rectify_in_place(values: &mut [f32], slopes: &[f32]) {
    Arch::new().dispatch(|| {
        for pixel in values.chunks_exact_mut(slopes.len()) {
            pixel.iter_mut().zip(slopes).for_each(|(x, slope)| *x = if *x < 0.0 { *x * slope } else { *x });
        }
    });
}

/// The rectified picture.
pub fn rectify(x: &Tensor, slopes: &Tensor) -> Result<Tensor> {
    let dims = x.dims4()?;
    let out = with_values(&channels_last(x)?, |values| {
        with_values(slopes, |slopes| {
            let mut out = values.to_vec();
            let pixels = (PIECE / slopes.len().max(1)).max(1);
            out.par_chunks_mut(pixels * slopes.len()).for_each(|piece| rectify_in_place(piece, slopes));
            Ok(out)
        })
    })?;
    picture(out, dims)
}

/// `a * factor + b`, channels last.
pub fn scale_and_add(a: &Tensor, factor: f32, b: &Tensor) -> Result<Tensor> {
    let dims = a.dims4()?;
    if b.dims4()? != dims {
        return Err(Error::shape("scale and add", format!("{dims:?}"), b.dims()));
    }
    let out = with_values(&channels_last(a)?, |a| {
        with_values(&channels_last(b)?, |b| {
            let mut out = b.to_vec();
            out.par_chunks_mut(PIECE).zip(a.par_chunks(PIECE)).for_each(|(out, a)| {
                Arch::new().dispatch(|| out.iter_mut().zip(a).for_each(|(out, a)| *out += a * factor));
            });
            Ok(out)
        })
    })?;
    picture(out, dims)
}

/// The activation of every element.
pub fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    let x = x.contiguous()?;
    let out = with_values(&x, |values| {
        let mut out = values.to_vec();
        out.par_chunks_mut(PIECE).for_each(|piece| activate_in_place(piece, activation));
        Ok(out)
    })?;
    Ok(Tensor::from_vec(out, x.dims(), &Device::Cpu)?)
}

/// The first half of the last dimension times the exact GELU of the second.
pub fn gate_with_gelu(both: &Tensor) -> Result<Tensor> {
    let both = both.contiguous()?;
    let mut shape = both.dims().to_vec();
    let Some(last) = shape.last_mut() else { return Ok(both) };
    let half = *last / 2;
    *last = half;
    let out = with_values(&both, |both| {
        let mut out = vec![0.0; both.len() / 2];
        let rows = (PIECE / half.max(1)).max(1);
        out.par_chunks_mut(rows * half).zip(both.par_chunks(rows * half * 2)).for_each(|(out, both)| {
            Arch::new().dispatch(|| {
                for (out, both) in out.chunks_exact_mut(half).zip(both.chunks_exact(half * 2)) {
                    let (value, gate) = both.split_at(half);
                    for ((out, value), gate) in out.iter_mut().zip(value).zip(gate) {
                        *out = value * gelu(*gate);
                    }
                }
            });
        });
        Ok(out)
    })?;
    Ok(Tensor::from_vec(out, shape, &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 997th float between `low` and `high`.
    fn grid(low: f32, high: f32) -> impl Iterator<Item = f32> {
        (0..200_000).map(move |i| low + (high - low) * i as f32 / 200_000.0)
    }

    #[test]
    fn exp_is_within_two_units_of_the_last_place() {
        for x in grid(-86.5, 87.5) {
            let exact = f64::from(x).exp();
            let distance = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(distance < 2.5e-7, "exp({x}) is {distance} off");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1000.0) < 1.7e-38 && exp(1000.0).is_finite());
    }

    #[test]
    fn erf_is_within_its_bound() {
        for x in grid(-5.0, 5.0) {
            // Series and continued fraction would do; the integral by Simpson's rule is plainer.
            let (n, b) = (200, f64::from(x));
            let h = b / f64::from(n);
            let f = |t: f64| (-t * t).exp();
            let odd: f64 = (0..n / 2).map(|i| f(h * f64::from(2 * i + 1))).sum();
            let even: f64 = (1..n / 2).map(|i| f(h * f64::from(2 * i))).sum();
            let exact = std::f64::consts::FRAC_2_SQRT_PI * h / 3.0 * (f(0.0) + 4.0 * odd + 2.0 * even + f(b));
            let distance = (f64::from(erf(x)) - exact).abs();
            assert!(distance < 5e-7, "erf({x}) is {distance} off");
        }
    }
}
