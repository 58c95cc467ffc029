//! What lies under a line that jumps, and fewer points where there are more than a screen has dots.

/// Values as a running mean that forgets: `mean = keep * mean + (1 - keep) * value`, divided by the weight it has
/// gathered so far, so that the first values count as much as they should.
pub fn smoothed(values: &[f64], keep: f64) -> Vec<f64> {
    let (mut mean, mut weight) = (0.0, 0.0);
    let mut smooth = Vec::with_capacity(values.len());
    for value in values {
        if value.is_finite() {
            mean = keep * mean + (1.0 - keep) * value;
            weight = keep * weight + (1.0 - keep);
        }
        smooth.push(if weight > 0.0 { mean / weight } else { f64::NAN });
    }
    smooth
}

/// How much a mean should keep, for so many values in all: a line of a few points is smoothed less.
pub fn keep_for(count: usize) -> f64 {
    1.0 - 2.0 / ((count as f64 / 5.0).clamp(3.0, 60.0) + 1.0)
}

/// At most about `most` points: of each group the least and the greatest, so that no spike is lost.
pub fn thinned(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let most = most.max(2);
    if points.len() <= most {
        return points.to_vec();
    }
    let size = (points.len() * 2).div_ceil(most);
    let mut kept = Vec::with_capacity(most + 2);
    for group in points.chunks(size) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (least, greatest) = (group.iter().min_by(by_value), group.iter().max_by(by_value));
        let mut pair: Vec<(f64, f64)> = least.into_iter().chain(greatest).copied().collect();
        pair.sort_by(|a, b| a.0.total_cmp(&b.0));
        pair.dedup();
        kept.extend(pair);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_line_stays_and_a_jump_is_softened() {
        assert!(smoothed(&[0.5; 9], 0.9).iter().all(|value| (value - 0.5).abs() < 1e-12));
        let smooth = smoothed(&[1.0, 1.0, 0.0, 0.0], 0.5);
        assert_eq!(smooth[0], 1.0);
        assert!(smooth[2] > 0.3 && smooth[2] < 0.7 && smooth[3] < smooth[2]);
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let smooth = smoothed(&[f64::NAN, 1.0, f64::NAN], 0.9);
        assert!(smooth[0].is_nan());
        assert_eq!((smooth[1], smooth[2]), (1.0, 1.0));
    }

    #[test]
    fn fewer_points_keep_every_spike() {
        let mut points: Vec<(f64, f64)> = (0..1000).map(|n| (n as f64, 0.5)).collect();
        points[617].1 = 9.0;
        points[40].1 = -3.0;
        let few = thinned(&points, 200);
        assert!(few.len() <= 202, "{}", few.len());
        assert!(few.contains(&(617.0, 9.0)) && few.contains(&(40.0, -3.0)));
        assert!(few.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        assert_eq!(thinned(&points[..5], 200), &points[..5]);
    }

    #[test]
    fn few_values_are_smoothed_less() {
        assert!(keep_for(10) < keep_for(100) && keep_for(100) < keep_for(1000));
        assert!((0.0..1.0).contains(&keep_for(0)));
    }
}
