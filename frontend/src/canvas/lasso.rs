//! Fills what a hand-drawn line encloses. The line closes itself; where it crosses itself, loops stay filled.

use super::{Mask, Point, Rect};

/// Lines in which a row of pixels is looked at; along a line the cover is exact.
const LINES: usize = 4;

/// Fills the inside of a line, or takes it away. Says which part changed; a line without an inside changes nothing.
pub fn fill(mask: &mut Mask, line: &[Point], erases: bool) -> Option<Rect> {
    if line.len() < 3 {
        return None;
    }
    let (mut low, mut high) = ((f64::MAX, f64::MAX), (f64::MIN, f64::MIN));
    for point in line {
        low = (low.0.min(point.x), low.1.min(point.y));
        high = (high.0.max(point.x), high.1.max(point.y));
    }
    let rect = Rect::touching(low, high, mask.width(), mask.height())?;
    let mut cover = vec![0.0; rect.width()];
    let mut crossings = Vec::new();
    for row in 0..rect.height() {
        cover.fill(0.0);
        for part in 0..LINES {
            let y = (rect.top + row) as f64 + (part as f64 + 0.5) / LINES as f64;
            cross(line, y, &mut crossings);
            let mut turns = 0;
            for pair in crossings.windows(2) {
                turns += pair[0].1;
                if turns != 0 {
                    span(&mut cover, pair[0].0 - rect.left as f64, pair[1].0 - rect.left as f64);
                }
            }
        }
        for (level, cover) in mask.row_mut(rect, row).iter_mut().zip(&cover) {
            let cover = (cover / LINES as f64 * 255.0).round() as u8;
            *level = if erases { (*level).min(255 - cover) } else { (*level).max(cover) };
        }
    }
    Some(rect)
}

/// Where the closed line crosses a height, from left to right, and whether upwards (1) or downwards (-1).
fn cross(line: &[Point], y: f64, crossings: &mut Vec<(f64, i32)>) {
    crossings.clear();
    let mut from = line[line.len() - 1];
    for &to in line {
        if (from.y <= y) != (to.y <= y) {
            let x = from.x + (y - from.y) / (to.y - from.y) * (to.x - from.x);
            crossings.push((x, if from.y <= y { 1 } else { -1 }));
        }
        from = to;
    }
    crossings.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
}

/// Adds to each pixel the part of it that lies between two places.
fn span(cover: &mut [f64], from: f64, to: f64) {
    let (from, to) = (from.max(0.0), to.min(cover.len() as f64));
    let (first, end) = (from as usize, to.ceil().max(0.0) as usize);
    for (x, pixel) in cover.iter_mut().enumerate().take(end).skip(first) {
        let (left, right) = (x as f64, x as f64 + 1.0);
        *pixel += (to.min(right) - from.max(left)).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(places: &[(f64, f64)]) -> Vec<Point> {
        places.iter().map(|&(x, y)| Point { x, y }).collect()
    }

    fn area(mask: &Mask) -> f64 {
        mask.levels().iter().map(|level| f64::from(*level) / 255.0).sum()
    }

    #[test]
    fn a_box_is_filled_to_its_edges_in_either_direction() {
        for places in [
            [(2.0, 2.0), (6.5, 2.0), (6.5, 5.0), (2.0, 5.0)],
            [(2.0, 5.0), (6.5, 5.0), (6.5, 2.0), (2.0, 2.0)],
        ] {
            let mut mask = Mask::new(10, 8);
            let rect = fill(&mut mask, &line(&places), false);
            assert_eq!(rect, Some(Rect { left: 2, top: 2, right: 7, bottom: 5 }));
            assert_eq!(mask.levels()[3 * 10..4 * 10], [0, 0, 255, 255, 255, 255, 128, 0, 0, 0]);
            assert!((area(&mask) - 13.5).abs() < 0.05);
        }
    }

    #[test]
    fn a_triangle_has_its_area() {
        let mut mask = Mask::new(64, 64);
        fill(&mut mask, &line(&[(3.0, 60.0), (61.0, 55.0), (20.0, 4.0)]), false);
        let wanted = 0.5 * f64::abs(58.0 * (4.0 - 60.0) - (20.0 - 3.0) * (55.0 - 60.0));
        assert!((area(&mask) - wanted).abs() < 0.005 * wanted, "{} is not {wanted}", area(&mask));
    }

    #[test]
    fn a_loop_that_turns_twice_stays_filled() {
        // A five-pointed star drawn in one go: an even-odd rule would leave a hole in its middle.
        let star: Vec<_> = (0..5)
            .map(|i| {
                let turn = f64::from(i) * 2.0 * std::f64::consts::TAU / 5.0;
                (32.0 + 28.0 * turn.sin(), 32.0 - 28.0 * turn.cos())
            })
            .collect();
        let mut mask = Mask::new(64, 64);
        fill(&mut mask, &line(&star), false);
        assert_eq!(mask.levels()[32 * 64 + 32], 255);
    }

    #[test]
    fn a_line_may_leave_the_picture() {
        let mut mask = Mask::new(8, 8);
        fill(&mut mask, &line(&[(-100.0, -100.0), (100.0, -100.0), (100.0, 100.0), (-100.0, 100.0)]), false);
        assert_eq!(area(&mask), 64.0);
        fill(&mut mask, &line(&[(-9.0, -9.0), (4.0, -9.0), (4.0, 99.0), (-9.0, 99.0)]), true);
        assert_eq!(area(&mask), 32.0);
    }

    #[test]
    fn a_line_without_an_inside_changes_nothing() {
        let mut mask = Mask::new(8, 8);
        assert_eq!(fill(&mut mask, &line(&[(1.0, 1.0), (5.0, 5.0)]), false), None);
        assert_eq!(fill(&mut mask, &line(&[(20.0, 1.0), (25.0, 5.0), (22.0, 9.0)]), false), None);
        assert!(mask.is_blank());
    }
}
