//! Sums over windows of 8-bit pictures.
//!
//! All channels of a row are one run of numbers: a neighbour to the right is `channels` places further. Every loop walks such
//! runs from left to right without a branch, so that the compiler makes vector instructions of it.

use super::Size;

/// Pixels of a uniform window, and along one side.
const COUNT: i32 = 49;
const SIDE: usize = 7;

/// Sums of one row of windows: of `a`, `b`, their squares and their product.
type Five<T> = [Vec<T>; 5];

fn five<T: Clone + Default>(len: usize) -> Five<T> {
    std::array::from_fn(|_| vec![T::default(); len])
}

/// The similarity in every 7x7 window, summed over channels; sample covariance.
///
/// Whole numbers all the way to the last fraction: with sums `S` over n = 49 pixels the variance is
/// `(n Saa - Sa^2) / (n (n - 1))`, so the paper's formula holds for the numerators alone if `C1` is multiplied by `n^2` and
/// `C2` by `n (n - 1)`. The largest number, `2 * (49 * 255)^2`, fits 31 bits.
pub(super) fn uniform(a: &[u8], b: &[u8], size: Size) -> Vec<f64> {
    let stride = size.width * size.channels;
    let across = (size.width - SIDE + 1) * size.channels;
    let n = f64::from(COUNT);
    let (c1, c2) = (6.5025 * n * n, 58.5225 * n * (n - 1.0));
    let mut columns = five::<i32>(stride);
    let mut sums = five::<i32>(across);
    let mut out = Vec::with_capacity((size.height - SIDE + 1) * (size.width - SIDE + 1));
    let mut row = vec![0.0; across];
    for y in 0..size.height {
        add_row(&mut columns, row_of(a, stride, y), row_of(b, stride, y), 1);
        if y + 1 < SIDE {
            continue;
        }
        for (sums, columns) in sums.iter_mut().zip(&columns) {
            let at = |tap: usize| &columns[tap * size.channels..][..across];
            let taps: [&[i32]; SIDE] = std::array::from_fn(at);
            for i in 0..across {
                sums[i] =
                    taps[0][i] + taps[1][i] + taps[2][i] + taps[3][i] + taps[4][i] + taps[5][i] + taps[6][i];
            }
        }
        let [sa, sb, saa, sbb, sab] = sums.each_ref().map(|sums| &sums[..across]);
        for (i, value) in row.iter_mut().enumerate() {
            let (ab, aa, bb) = (sa[i] * sb[i], sa[i] * sa[i], sb[i] * sb[i]);
            let luminance = f64::from(2 * ab) + c1;
            let structure = f64::from(2 * (COUNT * sab[i] - ab)) + c2;
            let brightness = f64::from(aa + bb) + c1;
            let contrast = f64::from(COUNT * (saa[i] + sbb[i]) - aa - bb) + c2;
            *value = (luminance * structure) / (brightness * contrast);
        }
        out.extend(row.chunks_exact(size.channels).map(|pixel| pixel.iter().sum::<f64>()));
        let first = y + 1 - SIDE;
        add_row(&mut columns, row_of(a, stride, first), row_of(b, stride, first), -1);
    }
    out
}

/// Adds `sign` times a row to the sums of columns.
fn add_row(columns: &mut Five<i32>, a: &[u8], b: &[u8], sign: i32) {
    let len = a.len();
    let [sa, sb, saa, sbb, sab] = columns.each_mut().map(|sums| &mut sums[..len]);
    for i in 0..len {
        let (x, y) = (i32::from(a[i]), i32::from(b[i]));
        sa[i] += sign * x;
        sb[i] += sign * y;
        saa[i] += sign * (x * x);
        sbb[i] += sign * (y * y);
        sab[i] += sign * (x * y);
    }
}

/// The similarity in every window of these symmetric weights along each axis, summed over channels; population covariance.
pub(super) fn gaussian(a: &[u8], b: &[u8], size: Size, weights: &[f64]) -> Vec<f64> {
    let side = weights.len();
    let stride = size.width * size.channels;
    let across = (size.width - side + 1) * size.channels;
    let (c1, c2) = (6.5025, 58.5225);
    let mut columns = five::<f64>(stride);
    let mut means = five::<f64>(across);
    let mut out = Vec::with_capacity((size.height - side + 1) * (size.width - side + 1));
    let mut row = vec![0.0; across];
    for first in 0..=size.height - side {
        for column in &mut columns {
            column.fill(0.0);
        }
        let middle = side / 2;
        for (tap, weight) in weights.iter().enumerate().take(middle) {
            let pair = |pixels| [first + tap, first + side - 1 - tap].map(|y| row_of(pixels, stride, y));
            add_weighted(&mut columns, *weight, &pair(a), &pair(b));
        }
        let single = |pixels| [row_of(pixels, stride, first + middle)];
        add_weighted(&mut columns, weights[middle], &single(a), &single(b));
        for (means, columns) in means.iter_mut().zip(&columns) {
            let at = |tap: usize| &columns[tap * size.channels..][..across];
            let centre = at(middle);
            for i in 0..across {
                means[i] = weights[middle] * centre[i];
            }
            for (tap, weight) in weights.iter().enumerate().take(middle) {
                let (left, right) = (at(tap), at(side - 1 - tap));
                for i in 0..across {
                    means[i] += weight * (left[i] + right[i]);
                }
            }
        }
        let [ua, ub, uaa, ubb, uab] = means.each_ref().map(|means| &means[..across]);
        for (i, value) in row.iter_mut().enumerate() {
            let (ab, aa, bb) = (ua[i] * ub[i], ua[i] * ua[i], ub[i] * ub[i]);
            let similar = (2.0 * ab + c1) * (2.0 * (uab[i] - ab) + c2);
            *value = similar / ((aa + bb + c1) * (uaa[i] + ubb[i] - aa - bb + c2));
        }
        out.extend(row.chunks_exact(size.channels).map(|pixel| pixel.iter().sum::<f64>()));
    }
    out
}

fn row_of(pixels: &[u8], stride: usize, y: usize) -> &[u8] {
    &pixels[y * stride..][..stride]
}

/// Adds `weight` times the sum of rows (one, or two that lie opposite each other) to the columns.
fn add_weighted<const N: usize>(columns: &mut Five<f64>, weight: f64, a: &[&[u8]; N], b: &[&[u8]; N]) {
    let len = a[0].len();
    let [sa, sb, saa, sbb, sab] = columns.each_mut().map(|sums| &mut sums[..len]);
    let (a, b) = (a.map(|row| &row[..len]), b.map(|row| &row[..len]));
    for i in 0..len {
        let mut sums = [0i32; 5];
        for n in 0..N {
            let (x, y) = (i32::from(a[n][i]), i32::from(b[n][i]));
            sums[0] += x;
            sums[1] += y;
            sums[2] += x * x;
            sums[3] += y * y;
            sums[4] += x * y;
        }
        sa[i] += weight * f64::from(sums[0]);
        sb[i] += weight * f64::from(sums[1]);
        saa[i] += weight * f64::from(sums[2]);
        sbb[i] += weight * f64::from(sums[3]);
        sab[i] += weight * f64::from(sums[4]);
    }
}
