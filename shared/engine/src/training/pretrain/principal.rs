//! The latents that the autoencoder begins with: principal components of small patches, partly whitened. Well conditioned from
//! the first step, so that colours do not collapse while the networks are still too young to tell them apart.

use rayon::prelude::*;

use super::attributes::planes;
use super::scenes::Scenes;

/// Exponent by which components are brought towards one variance: 0 not at all, 1 wholly.
const WHITENING: f64 = 0.55;
/// Pictures whose patches are looked at.
const PICTURES: u64 = 300;
/// Pictures that one task sums up.
const TOGETHER: u64 = 10;
/// Sweeps after which the rotations have long converged.
const SWEEPS: usize = 16;

/// A convolution without overlap: `(latents, 3, side, side)` and `(latents)`.
pub struct Principal {
    /// The kernel.
    pub kernel: Vec<f32>,
    /// The bias, by which latents have mean zero.
    pub bias: Vec<f32>,
}

/// The principal components of patches of `cell` pixels on a side, to `latents` channels, whose variance is one on the whole.
pub fn components(scenes: &dyn Scenes, side: usize, cell: usize, latents: usize) -> Principal {
    let size = 3 * cell * cell;
    let parts: Vec<(Vec<f64>, Vec<f64>)> = (0..PICTURES / TOGETHER)
        .into_par_iter()
        .map(|part| {
            let (mut sum, mut products) = (vec![0f64; size], vec![0f64; size * size]);
            for scene in part * TOGETHER..(part + 1) * TOGETHER {
                let picture = planes(&scenes.draw(scene, side).rgb);
                for corner in
                    (0..side / cell).flat_map(|y| (0..side / cell).map(move |x| (y * cell, x * cell)))
                {
                    take_in(&patch(&picture, side, cell, corner), &mut sum, &mut products);
                }
            }
            (sum, products)
        })
        .collect();
    let count = (PICTURES as usize * (side / cell) * (side / cell)) as f64;
    let total = |index: usize| parts.iter().map(|(sum, _)| sum[index]).sum::<f64>() / count;
    let mean: Vec<f64> = (0..size).map(total).collect();
    let mut covariance: Vec<f64> =
        (0..size * size).map(|index| parts.iter().map(|(_, p)| p[index]).sum::<f64>() / count).collect();
    for row in 0..size {
        for column in 0..size {
            // Only the upper half was summed up.
            let (a, b) = (row.min(column), row.max(column));
            covariance[row * size + column] = if row <= column {
                covariance[a * size + b] - mean[a] * mean[b]
            } else {
                covariance[b + a * size]
            };
        }
    }
    let (values, vectors) = eigen(covariance, size);
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    order.truncate(latents);
    let factors: Vec<f64> =
        order.iter().map(|index| values[*index].max(1e-12).powf(-WHITENING / 2.0)).collect();
    let variance =
        order.iter().zip(&factors).map(|(index, factor)| values[*index] * factor * factor).sum::<f64>();
    let level = (variance / latents as f64).sqrt();
    let (mut kernel, mut bias) = (Vec::with_capacity(latents * size), Vec::with_capacity(latents));
    for (index, factor) in order.iter().zip(factors) {
        let vector: Vec<f64> = (0..size).map(|row| vectors[row * size + index]).collect();
        // A sign that makes two runs agree.
        let turn = if vector.iter().sum::<f64>() < 0.0 { -factor } else { factor } / level;
        bias.push(-vector.iter().zip(&mean).map(|(a, b)| a * b * turn).sum::<f64>() as f32);
        kernel.extend(vector.iter().map(|value| (value * turn) as f32));
    }
    Principal { kernel, bias }
}

fn patch(picture: &[f32], side: usize, cell: usize, (top, left): (usize, usize)) -> Vec<f64> {
    let row = |channel: usize, y: usize| &picture[channel * side * side + (top + y) * side + left..][..cell];
    (0..3).flat_map(|c| (0..cell).flat_map(move |y| row(c, y))).map(|value| f64::from(*value)).collect()
}

fn take_in(patch: &[f64], sum: &mut [f64], products: &mut [f64]) {
    for (row, value) in patch.iter().enumerate() {
        sum[row] += value;
        let line = &mut products[row * patch.len()..][row..patch.len()];
        for (product, other) in line.iter_mut().zip(&patch[row..]) {
            *product += value * other;
        }
    }
}

/// Eigenvalues of a symmetric matrix, and its eigenvectors in columns, by Jacobi's rotations.
fn eigen(mut matrix: Vec<f64>, size: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; size * size];
    for index in 0..size {
        vectors[index * size + index] = 1.0;
    }
    let rotate = |values: &mut [f64], (a, b): (usize, usize), (cosine, sine): (f64, f64)| {
        let (x, y) = (values[a], values[b]);
        values[a] = cosine * x - sine * y;
        values[b] = sine * x + cosine * y;
    };
    for _ in 0..SWEEPS {
        for p in 0..size {
            for q in p + 1..size {
                let off = matrix[p * size + q];
                if off.abs() < 1e-15 {
                    continue;
                }
                let theta = (matrix[q * size + q] - matrix[p * size + p]) / (2.0 * off);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let turn = (cosine, tangent * cosine);
                for k in 0..size {
                    rotate(&mut matrix, (k * size + p, k * size + q), turn);
                }
                for k in 0..size {
                    rotate(&mut matrix, (p * size + k, q * size + k), turn);
                }
                for k in 0..size {
                    rotate(&mut vectors, (k * size + p, k * size + q), turn);
                }
            }
        }
    }
    ((0..size).map(|index| matrix[index * size + index]).collect(), vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_make_the_matrix_again() {
        let size = 5;
        let entry =
            |i: usize, j: usize| ((i * j + i + j) as f64 * 0.7).sin() + if i == j { 3.0 } else { 0.0 };
        let matrix: Vec<f64> = (0..25).map(|at| entry((at / 5).min(at % 5), (at / 5).max(at % 5))).collect();
        let (values, vectors) = eigen(matrix.clone(), size);
        for i in 0..size {
            for j in 0..size {
                let made: f64 =
                    (0..size).map(|k| vectors[i * size + k] * values[k] * vectors[j * size + k]).sum();
                assert!((made - matrix[i * size + j]).abs() < 1e-12);
            }
        }
    }
}
