//! What a picture that is drawn over keeps of the one before: everything coarse, so that only what is finer is drawn anew.
//!
//! After every step the coarse part of the latents is replaced by that of the first picture at the same level of noise (ILVR:
//! Choi et al., 2021). A network that sees one window of a large picture would else put into it all that the prompt names.

use crate::pipelines::beginning::LatentShape;

/// A low-pass filter over latents: each axis is thinned out by a factor and spread again, both with a triangle as wide as the
/// coarser cells.
#[derive(Debug)]
pub(super) struct LowPass {
    rows: Axis,
    columns: Axis,
}

/// The filter along one axis.
#[derive(Debug)]
struct Axis {
    /// For each coarse cell which fine ones it is the mean of, with their weights.
    thin: Vec<Vec<(usize, f32)>>,
    /// For each fine cell which coarse ones it lies between.
    spread: Vec<Vec<(usize, f32)>>,
}

impl LowPass {
    /// A filter that keeps what is coarser than `factor` cells.
    pub(super) fn new((_, _, rows, columns): LatentShape, factor: f64) -> Self {
        Self { rows: Axis::new(rows, factor), columns: Axis::new(columns, factor) }
    }

    /// The coarse part of `latents`.
    pub(super) fn of(&self, latents: &[f32]) -> Vec<f32> {
        let columns = self.columns.spread.len();
        let plane = self.rows.spread.len() * columns;
        let coarse = |plane: &[f32]| {
            let along = |line: Vec<f32>| mix(&self.columns.spread, &mix(&self.columns.thin, &line));
            let rows: Vec<Vec<f32>> = plane.chunks_exact(columns).map(|row| along(row.to_vec())).collect();
            let mut whole = vec![0.0; plane.len()];
            for column in 0..columns {
                let line: Vec<f32> = rows.iter().map(|row| row[column]).collect();
                let line = mix(&self.rows.spread, &mix(&self.rows.thin, &line));
                for (row, value) in line.into_iter().enumerate() {
                    whole[row * columns + column] = value;
                }
            }
            whole
        };
        latents.chunks_exact(plane).flat_map(coarse).collect()
    }
}

impl Axis {
    fn new(fine: usize, factor: f64) -> Self {
        let coarse = ((fine as f64 / factor).round() as usize).clamp(1, fine);
        let ratio = fine as f64 / coarse as f64;
        // Middles of coarse cells, in fine cells.
        let middle = |cell: usize| (cell as f64 + 0.5) * ratio - 0.5;
        let near = |place: f64, others: usize, of: &dyn Fn(usize) -> f64| {
            let weights = (0..others).map(|other| (other, 1.0 - (of(other) - place).abs() / ratio));
            let weights: Vec<_> = weights.filter(|(_, weight)| *weight > 1e-9).collect();
            let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
            weights.into_iter().map(|(other, weight)| (other, (weight / sum) as f32)).collect()
        };
        let thin = (0..coarse).map(|cell| near(middle(cell), fine, &|other| other as f64)).collect();
        let spread = (0..fine).map(|cell| near(cell as f64, coarse, &middle)).collect();
        Self { thin, spread }
    }
}

fn mix(weights: &[Vec<(usize, f32)>], line: &[f32]) -> Vec<f32> {
    weights.iter().map(|near| near.iter().map(|(at, weight)| weight * line[*at]).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_coarse_passes_and_what_is_fine_does_not() {
        let shape = (1, 2, 24, 16);
        let filter = LowPass::new(shape, 2.0);
        let of = |value: fn(usize, usize) -> f32| -> Vec<f32> {
            (0..2 * 24 * 16).map(|i| value(i / 16 % 24, i % 16)).collect()
        };
        let flat = of(|_, _| 3.0);
        assert!(filter.of(&flat).iter().all(|value| (value - 3.0).abs() < 1e-5));
        let checks = of(|row, column| if (row + column) % 2 == 0 { 1.0 } else { -1.0 });
        let left = filter.of(&checks).iter().map(|value| value.abs()).fold(0.0, f32::max);
        assert!(left < 0.2, "{left}");
        // A slow wave is nearly kept, but at the edges, beyond which there is nothing to average with.
        let wave = of(|row, _| (row as f32 * std::f32::consts::TAU / 24.0).sin());
        let apart: Vec<f32> = filter.of(&wave).iter().zip(&wave).map(|(a, b)| (a - b).abs()).collect();
        let inside = apart[3 * 16..21 * 16].iter().fold(0.0, |most: f32, apart| most.max(*apart));
        assert!(inside < 0.1, "{inside}");
    }

    #[test]
    fn a_factor_of_one_keeps_all() {
        let latents: Vec<f32> = (0..48).map(|i| (i as f32).cos()).collect();
        assert_eq!(LowPass::new((1, 1, 6, 8), 1.0).of(&latents), latents);
    }
}
