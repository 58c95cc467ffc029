//! Large pictures in overlapping windows: at every step the network looks at one window after the other, each of a size
//! that it knows, and what it predicts for places that several windows see is blended.
//!
//! The scheduler steps the whole picture at once with the blended prediction, so that neighbours agree from step to step and no
//! seam is left to hide. This is the blend of predictions of Mixture of Diffusers (Jimenez, 2023), akin to that of Bar-Tal
//! et al. (2023), with weights that fall off linearly over the overlap.

use crate::{Error, Result};

/// How a large picture is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Side of a window in pixels, a multiple of 8: a size that the model draws well.
    pub side: usize,
    /// How many pixels of a window its neighbour sees too, at least; below `side`. A quarter of the side is usual.
    pub overlap: usize,
}

impl Windows {
    /// Windows of the size that a model was made for, which overlap by a quarter.
    pub fn of_size(side: usize) -> Self {
        Self { side, overlap: side / 4 }
    }
}

/// The windows of one axis, in cells of latents.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    /// Where each begins.
    starts: Vec<usize>,
    /// How long each is.
    length: usize,
    /// Weight of each cell of a window: 1 in its middle, less towards its ends.
    weights: Vec<f32>,
}

impl Axis {
    /// Windows of `side` over `total` cells, evenly spread; one of all where that is not longer.
    fn plan(total: usize, side: usize, overlap: usize) -> Self {
        let length = side.min(total);
        let step = side.saturating_sub(overlap).max(1);
        let count = 1 + (total - length).div_ceil(step);
        let start = |index: usize| if count == 1 { 0 } else { index * (total - length) / (count - 1) };
        // Rising over the overlap as it is after spreading, from half a cell to one.
        let spread = if count == 1 { 1 } else { (length - (total - length) / (count - 1)).max(1) };
        let rise = |cell: usize| ((cell as f32 + 0.5) / spread as f32).min(1.0);
        let weights = (0..length).map(|cell| rise(cell).min(rise(length - 1 - cell))).collect();
        Self { starts: (0..count).map(start).collect(), length, weights }
    }
}

/// The windows over latents of `rows` x `columns`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    vertical: Axis,
    horizontal: Axis,
    columns: usize,
}

impl Plan {
    /// The windows over latents whose cells have `cell` pixels on a side. Without windows there is one of all.
    pub(super) fn new(windows: Option<Windows>, rows: usize, columns: usize, cell: usize) -> Result<Self> {
        let (side, overlap) = match windows {
            None => (rows.max(columns), 0),
            Some(Windows { side, overlap }) => {
                if side < 8 || !side.is_multiple_of(cell.max(8)) || overlap >= side {
                    return Err(Error::Parameter {
                        parameter: "windows",
                        fault: format!("are {side} pixels wide and overlap by {overlap}"),
                        hint: "choose a side that is a multiple of 8, and an overlap of a quarter of it"
                            .into(),
                    });
                }
                (side / cell, overlap.div_ceil(cell))
            }
        };
        Ok(Self {
            vertical: Axis::plan(rows, side, overlap),
            horizontal: Axis::plan(columns, side, overlap),
            columns,
        })
    }

    /// Rows and columns of every window: all have the same.
    pub(super) fn window_size(&self) -> (usize, usize) {
        (self.vertical.length, self.horizontal.length)
    }

    /// How many windows there are.
    pub(super) fn count(&self) -> usize {
        self.vertical.starts.len() * self.horizontal.starts.len()
    }

    /// Whether one window sees all.
    pub(super) fn is_whole(&self) -> bool {
        self.count() == 1
    }

    /// First row and first column of every window, row by row.
    pub(super) fn starts(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let columns = &self.horizontal.starts;
        self.vertical.starts.iter().flat_map(|&top| columns.iter().map(move |&left| (top, left)))
    }

    /// What a window sees of `planes`.
    pub(super) fn cut(&self, planes: &[f32], (top, left): (usize, usize)) -> Vec<f32> {
        let rows_in_all = self.rows();
        let (rows, columns) = self.window_size();
        let planes = planes.chunks_exact(rows_in_all * self.columns);
        planes
            .flat_map(|plane| {
                (top..top + rows).flat_map(move |row| {
                    let start = row * self.columns + left;
                    plane[start..start + columns].iter().copied()
                })
            })
            .collect()
    }

    /// What all windows predict together: `predict` is given the place of each.
    pub(super) fn blend(
        &self,
        channels: usize,
        mut predict: impl FnMut((usize, usize)) -> Result<Vec<f32>>,
    ) -> Result<Vec<f32>> {
        let plane = self.rows() * self.columns;
        let (rows, columns) = self.window_size();
        let (mut sums, mut weights) = (vec![0.0_f32; channels * plane], vec![0.0_f32; plane]);
        for (top, left) in self.starts() {
            let part = predict((top, left))?;
            for (row, high) in self.vertical.weights.iter().enumerate() {
                let start = (top + row) * self.columns + left;
                for (column, wide) in self.horizontal.weights.iter().enumerate() {
                    let (weight, at) = (high * wide, start + column);
                    weights[at] += weight;
                    for channel in 0..channels {
                        sums[channel * plane + at] +=
                            weight * part[(channel * rows + row) * columns + column];
                    }
                }
            }
        }
        for sums in sums.chunks_exact_mut(plane) {
            for (sum, weight) in sums.iter_mut().zip(&weights) {
                *sum /= weight;
            }
        }
        Ok(sums)
    }

    fn rows(&self) -> usize {
        let last = self.vertical.starts.last().copied().unwrap_or(0);
        last + self.vertical.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(side: usize, overlap: usize, rows: usize, columns: usize) -> Plan {
        Plan::new(Some(Windows { side: side * 8, overlap: overlap * 8 }), rows, columns, 8).unwrap()
    }

    #[test]
    fn windows_are_of_one_size_and_cover_everything_with_their_overlap() {
        for (side, overlap, total) in
            [(16, 4, 32), (16, 4, 16), (16, 4, 17), (16, 8, 100), (16, 0, 40), (8, 7, 30)]
        {
            let axis = Axis::plan(total, side, overlap);
            assert_eq!((axis.length, axis.starts[0]), (side, 0));
            assert_eq!(axis.starts.last().unwrap() + side, total, "{side} {overlap} {total}");
            for pair in axis.starts.windows(2) {
                assert!(pair[1] > pair[0] && pair[0] + side >= pair[1] + overlap, "{axis:?}");
            }
        }
        let small = Axis::plan(10, 16, 4);
        assert_eq!((small.starts, small.length), (vec![0], 10));
    }

    #[test]
    fn windows_that_agree_leave_no_trace() {
        // Whatever is the same for all windows comes out as it went in: the weights of every cell sum to one.
        let plan = plan(16, 4, 40, 28);
        let planes: Vec<f32> = (0..3 * 40 * 28).map(|i| (i as f32 * 0.37).sin()).collect();
        let blended = plan.blend(3, |place| Ok(plan.cut(&planes, place))).unwrap();
        let worst = blended.iter().zip(&planes).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{worst}");
    }

    #[test]
    fn where_windows_disagree_one_fades_into_the_other() {
        // Two windows, one of zeros and one of ones: no step between neighbours is larger than the slope of the fade.
        let steepest = |overlap: usize| {
            let plan = plan(16, overlap, 16, 32 - overlap);
            let blended = plan.blend(1, |(_, left)| Ok(vec![f32::from(u8::from(left > 0)); 256])).unwrap();
            let row = &blended[..32 - overlap];
            assert_eq!((row[0], row[31 - overlap]), (0.0, 1.0));
            row.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f32::max)
        };
        assert!(steepest(8) < 0.15, "{}", steepest(8));
        assert_eq!(steepest(0), 1.0, "without an overlap there is a seam");
    }

    #[test]
    fn windows_that_make_no_sense_are_refused() {
        for (side, overlap) in [(0, 0), (20, 4), (64, 64), (64, 100)] {
            let refusal = Plan::new(Some(Windows { side, overlap }), 32, 32, 8).unwrap_err().to_string();
            assert!(refusal.contains("`windows`") && refusal.contains("hint: "), "{refusal}");
        }
        let whole = Plan::new(None, 7, 9, 8).unwrap();
        assert!(whole.is_whole() && whole.window_size() == (7, 9));
    }
}
