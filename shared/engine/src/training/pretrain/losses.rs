//! Losses with their gradients, written out: sums in 64 bits and one order.

use candle_core::{Device, Tensor};

use super::store::numbers;
use crate::evaluate::JudgeGroup;
use crate::nn::valued;
use crate::{Error, Result};

/// Cross-entropy of rows of logits against one class each, some rows left out, smoothed by `smoothing`: the sum over rows of
/// `share(row)` times the row's loss, and its gradient written to `slopes`. A row is `columns` of `width` numbers.
fn cross_entropy(
    logits: &[f32],
    (width, columns): (usize, std::ops::Range<usize>),
    class: impl Fn(usize) -> Option<(usize, f64)>,
    smoothing: f64,
    slopes: &mut [f32],
) -> f64 {
    let count = columns.len() as f64;
    let mut total = 0.0;
    for (row, (logits, slopes)) in logits.chunks_exact(width).zip(slopes.chunks_exact_mut(width)).enumerate()
    {
        let Some((class, share)) = class(row) else { continue };
        let (logits, slopes) = (&logits[columns.clone()], &mut slopes[columns.clone()]);
        let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - greatest).exp()).sum();
        let log_sum = f64::from(greatest) + sum.ln();
        for (index, (logit, slope)) in logits.iter().zip(slopes).enumerate() {
            let target = smoothing / count + if index == class { 1.0 - smoothing } else { 0.0 };
            let log_probability = f64::from(*logit) - log_sum;
            total -= share * target * log_probability;
            *slope += (share * (log_probability.exp() - target)) as f32;
        }
    }
    total
}

/// How a group's rows are weighed against another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighing {
    /// Every known value counts the same, and all of them together as much as all pictures: groups that few pictures have count
    /// less.
    ByPicture,
    /// The mean over all known values of all groups.
    ByValue,
}

/// Cross-entropy of `(rows, outputs)` logits over the groups that each row knows.
///
/// # Errors
/// When the logits do not fit.
pub fn attributes(
    logits: &Tensor,
    groups: &[JudgeGroup],
    known: &[Vec<Option<usize>>],
    smoothing: f64,
    weighing: Weighing,
) -> Result<Tensor> {
    let (rows, width) = logits.dims2()?;
    if rows != known.len() {
        return Err(Error::shape("attributes", format!("{} rows", known.len()), logits.dims()));
    }
    let all = known.iter().flatten().flatten().count().max(1);
    let share = match weighing {
        Weighing::ByPicture => 1.0 / rows as f64,
        Weighing::ByValue => 1.0 / all as f64,
    };
    let values = numbers(logits)?;
    let mut slopes = vec![0.0; values.len()];
    let mut total = 0.0;
    for (index, group) in groups.iter().enumerate() {
        let columns = group.offset..group.offset + group.values.len();
        let class = |row: usize| known[row][index].map(|class| (class, share));
        total += cross_entropy(&values, (width, columns), class, smoothing, &mut slopes);
    }
    valued(logits, total, Tensor::from_vec(slopes, (rows, width), &Device::Cpu)?.to_device(logits.device())?)
}

/// Mean cross-entropy of each row of a square of logits against its place in the diagonal, and of each column likewise, halved
/// together (the loss of CLIP). Places that are `true` otherwise are no wrong answers and take no part.
///
/// # Errors
/// When the logits are no square.
pub fn contrast(logits: &Tensor, otherwise: &[Vec<bool>]) -> Result<Tensor> {
    let (rows, width) = logits.dims2()?;
    if rows != width || otherwise.len() != rows {
        return Err(Error::shape("contrast", "a square of logits", logits.dims()));
    }
    let mut values = numbers(logits)?;
    for (row, masked) in values.chunks_exact_mut(width).zip(otherwise) {
        for (value, masked) in row.iter_mut().zip(masked) {
            if *masked {
                *value = f32::NEG_INFINITY;
            }
        }
    }
    let turn = |values: &[f32]| -> Vec<f32> {
        (0..rows * width).map(|at| values[at % rows * width + at / rows]).collect()
    };
    let class = |row: usize| Some((row, 0.5 / rows as f64));
    let mut slopes = vec![0.0; values.len()];
    let mut total = cross_entropy_masked(&values, width, class, &mut slopes);
    let turned = turn(&values);
    let mut turned_slopes = vec![0.0; values.len()];
    total += cross_entropy_masked(&turned, width, class, &mut turned_slopes);
    for (slope, other) in slopes.iter_mut().zip(turn(&turned_slopes)) {
        *slope += other;
    }
    valued(logits, total, Tensor::from_vec(slopes, (rows, width), &Device::Cpu)?.to_device(logits.device())?)
}

/// The same without smoothing, where logits may be minus infinity.
fn cross_entropy_masked(
    logits: &[f32],
    width: usize,
    class: impl Fn(usize) -> Option<(usize, f64)>,
    slopes: &mut [f32],
) -> f64 {
    let mut total = 0.0;
    for (row, (logits, slopes)) in logits.chunks_exact(width).zip(slopes.chunks_exact_mut(width)).enumerate()
    {
        let Some((class, share)) = class(row) else { continue };
        let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - greatest).exp()).sum();
        let log_sum = f64::from(greatest) + sum.ln();
        total += share * (log_sum - f64::from(logits[class]));
        for (index, (logit, slope)) in logits.iter().zip(slopes).enumerate() {
            let target = if index == class { 1.0 } else { 0.0 };
            *slope += (share * ((f64::from(*logit) - log_sum).exp() - target)) as f32;
        }
    }
    total
}

/// Mean of `weights * (made - target)^2`; `weights` is as long as both, or empty for ones.
///
/// # Errors
/// When lengths differ.
pub fn weighted_square(made: &Tensor, target: &[f32], weights: &[f32]) -> Result<Tensor> {
    let values = numbers(&made.contiguous()?)?;
    let fits = target.len() == values.len() && (weights.is_empty() || weights.len() == values.len());
    if !fits {
        return Err(Error::shape("square", format!("{} numbers", target.len()), made.dims()));
    }
    let count = values.len() as f64;
    let (mut total, mut slopes) = (0.0, Vec::with_capacity(values.len()));
    for (index, (value, target)) in values.iter().zip(target).enumerate() {
        let weight = f64::from(weights.get(index).copied().unwrap_or(1.0));
        let off = f64::from(*value) - f64::from(*target);
        total += weight * off * off;
        slopes.push((2.0 * weight * off / count) as f32);
    }
    valued(
        made,
        total / count,
        Tensor::from_vec(slopes, made.shape(), &Device::Cpu)?.to_device(made.device())?,
    )
}

/// The error of pictures, `(planes, height, width)`.
struct Off {
    values: Vec<f64>,
    slopes: Vec<f64>,
    height: usize,
    width: usize,
}

impl Off {
    fn of(made: &Tensor, real: &[f32]) -> Result<Self> {
        let (_, _, height, width) = made.dims4()?;
        let made_values = numbers(&made.contiguous()?)?;
        if made_values.len() != real.len() {
            return Err(Error::shape("pictures", format!("{} numbers", real.len()), made.dims()));
        }
        let values: Vec<f64> =
            made_values.iter().zip(real).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
        Ok(Self { slopes: vec![0.0; values.len()], values, height, width })
    }

    /// `factor` times the mean of absolute errors.
    fn absolute(&mut self, factor: f64) -> f64 {
        let share = factor / self.values.len() as f64;
        for (value, slope) in self.values.iter().zip(&mut self.slopes) {
            *slope += share * sign(*value);
        }
        share * self.values.iter().map(|value| value.abs()).sum::<f64>()
    }

    /// `factor` times the mean of squares.
    fn square(&mut self, factor: f64) -> f64 {
        let share = factor / self.values.len() as f64;
        for (value, slope) in self.values.iter().zip(&mut self.slopes) {
            *slope += 2.0 * share * value;
        }
        share * self.values.iter().map(|value| value * value).sum::<f64>()
    }

    /// `factor` times the mean of absolute differences of neighbours, downwards and to the right, of pictures made smaller
    /// `scale` times.
    fn edges(&mut self, factor: f64, scale: usize) -> f64 {
        let (height, width) = (self.height / scale, self.width / scale);
        let plane = self.height * self.width;
        let planes = self.values.len() / plane;
        let area = (scale * scale) as f64;
        let at = |y: usize, x: usize| y * self.width + x;
        let shares = [
            factor / (planes * (height - 1) * width) as f64,
            factor / (planes * height * (width - 1)) as f64,
        ];
        let mut total = 0.0;
        for (values, slopes) in self.values.chunks_exact(plane).zip(self.slopes.chunks_exact_mut(plane)) {
            let (mut small, mut back) = (vec![0.0; height * width], vec![0.0; height * width]);
            for y in 0..height * scale {
                for x in 0..width * scale {
                    small[y / scale * width + x / scale] += values[at(y, x)] / area;
                }
            }
            for y in 0..height {
                for x in 0..width {
                    let here = y * width + x;
                    let mut neighbour = |there: usize, share: f64| {
                        let step = small[there] - small[here];
                        total += share * step.abs();
                        back[there] += share * sign(step);
                        back[here] -= share * sign(step);
                    };
                    if y + 1 < height {
                        neighbour(here + width, shares[0]);
                    }
                    if x + 1 < width {
                        neighbour(here + 1, shares[1]);
                    }
                }
            }
            for y in 0..height * scale {
                for x in 0..width * scale {
                    slopes[at(y, x)] += back[y / scale * width + x / scale] / area;
                }
            }
        }
        total
    }

    fn finish(self, made: &Tensor, value: f64) -> Result<Tensor> {
        let slopes: Vec<f32> = self.slopes.iter().map(|slope| *slope as f32).collect();
        let slopes = Tensor::from_vec(slopes, made.shape(), &Device::Cpu)?;
        valued(made, value, slopes.to_device(made.device())?)
    }
}

/// As PyTorch's: zero at zero.
fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

/// How far pictures are from real ones: mean absolute error, squares, and the edges at two scales.
///
/// # Errors
/// When sizes differ.
pub fn distance(made: &Tensor, real: &[f32]) -> Result<Tensor> {
    let mut off = Off::of(made, real)?;
    let value = off.absolute(1.0) + off.square(0.7) + off.edges(0.25, 1) + off.edges(0.25, 2);
    off.finish(made, value)
}

/// What PSNR means over pictures, as a loss, with a little of the edges so that nothing goes soft.
///
/// # Errors
/// When sizes differ.
pub fn decibels(made: &Tensor, real: &[f32]) -> Result<Tensor> {
    const FACTOR: f64 = 0.05;
    const LEAST: f64 = 1e-6;
    let mut off = Off::of(made, real)?;
    let pictures = made.dim(0)?;
    let mut value = off.edges(0.1, 1);
    let size = off.values.len() / pictures.max(1);
    for (values, slopes) in off.values.chunks_exact(size).zip(off.slopes.chunks_exact_mut(size)) {
        let error = values.iter().map(|value| value * value).sum::<f64>() / size as f64 + LEAST;
        value += FACTOR / pictures as f64 * error.ln();
        let share = FACTOR / pictures as f64 / error * 2.0 / size as f64;
        for (slope, value) in slopes.iter_mut().zip(values) {
            *slope += share * value;
        }
    }
    off.finish(made, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::record;
    use crate::noise::TorchRng;

    fn normal(seed: u64, shape: &[usize]) -> Tensor {
        let values = TorchRng::new(seed).randn(shape.iter().product());
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// The slope of every tenth number against small steps of it.
    fn check(x: &Tensor, loss: impl Fn(&Tensor) -> Tensor) {
        let value = |x: &Tensor| f64::from(loss(x).to_scalar::<f32>().unwrap());
        let (found, tape) = record(&[x], || Ok(loss(x))).unwrap();
        let gradients = tape.backward(&found, &found.ones_like().unwrap()).unwrap();
        let slopes = numbers(gradients.get(x).unwrap()).unwrap();
        let plain = numbers(x).unwrap();
        for index in (0..plain.len()).step_by(10) {
            let moved = |step: f32| {
                let mut moved = plain.clone();
                moved[index] += step;
                value(&Tensor::from_vec(moved, x.shape(), &Device::Cpu).unwrap())
            };
            let slope = (moved(4e-3) - moved(-4e-3)) / 8e-3;
            assert!((slope - f64::from(slopes[index])).abs() < 2e-3, "{index}: {slope} {}", slopes[index]);
        }
    }

    #[test]
    fn gradients_are_those_of_the_losses() {
        let groups = [
            JudgeGroup { name: "a".into(), values: vec!["1".into(), "2".into()], offset: 0 },
            JudgeGroup { name: "b".into(), values: vec!["1".into(), "2".into(), "3".into()], offset: 2 },
        ];
        let known = [vec![Some(1), None], vec![Some(0), Some(2)], vec![None, Some(1)], vec![None, None]];
        for weighing in [Weighing::ByPicture, Weighing::ByValue] {
            check(&normal(1, &[4, 5]), |x| attributes(x, &groups, &known, 0.02, weighing).unwrap());
        }
        let otherwise: Vec<Vec<bool>> = (0..4).map(|i| (0..4).map(|j| (i, j) == (0, 2)).collect()).collect();
        check(&normal(2, &[4, 4]), |x| contrast(x, &otherwise).unwrap());
        let real = numbers(&normal(3, &[2, 3, 6, 8])).unwrap();
        check(&normal(4, &[2, 3, 6, 8]), |x| distance(x, &real).unwrap());
        check(&normal(4, &[2, 3, 6, 8]), |x| decibels(x, &real).unwrap());
        check(&normal(4, &[2, 3, 6, 8]), |x| weighted_square(x, &real, &real).unwrap());
    }
}
