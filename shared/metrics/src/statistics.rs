//! How sure a number is: mean with its standard error, and the Wilson interval of a share.

use crate::MetricError;

/// The quantile of the normal distribution for intervals that hold 95 % of the time.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// A mean and how far it may be off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Standard error of the mean, `s / sqrt(n)` with the sample deviation `s` (n - 1); absent for a single value.
    pub standard_error: Option<f64>,
}

impl Summary {
    /// Summary of at least one value.
    pub fn of(values: &[f64]) -> Result<Self, MetricError> {
        let count = values.len();
        if count == 0 {
            return Err(MetricError::Empty);
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let variance = (count > 1).then(|| squares / (count - 1) as f64);
        Ok(Self { count, mean, standard_error: variance.map(|variance| (variance / count as f64).sqrt()) })
    }
}

/// The Wilson score interval of a share: where the true share lies when `successes` of `trials` were seen.
///
/// Unlike `p +- z sqrt(p (1-p) / n)` it stays within 0 and 1 and is honest for few trials and for shares near the ends.
/// `z` is [`Z_95`] for 95 %. Sorting by the lower end ranks votes fairly.
///
/// # Errors
/// No trials, or more successes than trials.
pub fn wilson_interval(successes: u64, trials: u64, z: f64) -> Result<(f64, f64), MetricError> {
    if trials == 0 {
        return Err(MetricError::Empty);
    }
    if successes > trials {
        return Err(MetricError::LengthMismatch { left: successes as usize, right: trials as usize });
    }
    Ok(interval_of_share(successes as f64 / trials as f64, trials as f64, z))
}

/// The lower end of the Wilson interval (95 %) of a contestant's share in choices between two, 0 to 1. A tie is half a win and
/// half a loss, as in chess. Without a vote nothing is proven: 0.
pub fn vote_lower_bound(wins: u64, losses: u64, ties: u64) -> f64 {
    let votes = wins as f64 + losses as f64 + ties as f64;
    if votes == 0.0 {
        return 0.0;
    }
    interval_of_share((wins as f64 + ties as f64 / 2.0) / votes, votes, Z_95).0
}

/// `(p + z^2/2n -+ z sqrt(p (1-p)/n + z^2/4n^2)) / (1 + z^2/n)` for a share `p` of `n` trials (Wilson 1927).
fn interval_of_share(p: f64, n: f64, z: f64) -> (f64, f64) {
    let z2 = z * z;
    let centre = p + z2 / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    // At the ends the bounds are exact; the formula would leave a rounding error.
    let low = if p <= 0.0 { 0.0 } else { (centre - spread) / scale };
    let high = if p >= 1.0 { 1.0 } else { (centre + spread) / scale };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_standard_error() {
        // numpy: x = [2, 4, 4, 4, 5, 5, 7, 9]; x.std(ddof=1) / len(x) ** 0.5 = 0.75592894601845
        let summary = Summary::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!(summary.mean, 5.0);
        assert!((summary.standard_error.unwrap() - 0.755_928_946_018_45).abs() < 1e-12);
        assert_eq!(Summary::of(&[3.0]).unwrap().standard_error, None);
        assert_eq!(Summary::of(&[]), Err(MetricError::Empty));
    }

    #[test]
    fn wilson_stays_honest_at_the_ends() {
        // scipy: binomtest(8, 10).proportion_ci(0.95, "wilson") = (0.4901624715366418, 0.9433178485456248)
        let (low, high) = wilson_interval(8, 10, Z_95).unwrap();
        assert!(
            (low - 0.490_162_471_536_641_8).abs() < 1e-12 && (high - 0.943_317_848_545_624_8).abs() < 1e-12,
            "{low} {high}"
        );
        let (low, high) = wilson_interval(0, 10, Z_95).unwrap();
        assert!(low == 0.0 && (0.27..0.28).contains(&high));
        let (low, high) = wilson_interval(10, 10, Z_95).unwrap();
        assert!((0.72..0.73).contains(&low) && high == 1.0);
        assert!(wilson_interval(0, 0, Z_95).is_err() && wilson_interval(2, 1, Z_95).is_err());
    }

    #[test]
    fn votes_are_ranked_by_what_they_prove() {
        // scipy: binomtest(wins, votes).proportion_ci(0.95, "wilson").low; 3.5 of 5 by the formula in mpmath with 40 digits.
        for ((wins, losses, ties), expected) in [
            ((8, 2, 0), 0.490_162_471_536_641_8),
            ((1, 0, 0), 0.206_549_314_377_237_4),
            ((60, 40, 0), 0.502_002_586_791_061_8),
            ((3, 1, 1), 0.298_791_054_072_393_5),
        ] {
            let low = vote_lower_bound(wins, losses, ties);
            assert!((low - expected).abs() < 1e-12, "{wins} {losses} {ties}: {low}");
        }
        assert_eq!(vote_lower_bound(0, 0, 0), 0.0);
        assert_eq!(vote_lower_bound(0, 9, 0), 0.0);
        assert!(vote_lower_bound(0, 0, 10) < 0.5, "ten ties prove no lead");
        assert!(vote_lower_bound(80, 20, 0) > vote_lower_bound(8, 2, 0), "more votes prove more");
        assert_eq!(vote_lower_bound(1, 1, 2), vote_lower_bound(2, 2, 0), "two ties are a win and a loss");
        assert!(vote_lower_bound(u64::MAX, u64::MAX, u64::MAX) < 0.5 + 1e-9);
    }
}
