//! A round brush. A stroke is a chain of capsules, and a pixel takes the strongest cover it ever got: passing twice over
//! the same place paints no darker, and the order of the pieces does not matter.

use super::{Mask, Rect};

/// A place of a stroke in pixels of the picture, with the brush's radius there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dab {
    /// From the left edge of the picture.
    pub x: f64,
    /// From the top edge.
    pub y: f64,
    /// Radius in pixels, after the pen's pressure.
    pub radius: f64,
}

/// How a stroke covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Brush {
    /// The part of the radius over which the edge fades, from 0 (hard) to 1 (soft to the centre).
    pub softness: f64,
    /// Whether it takes the mask away.
    pub erases: bool,
}

impl Brush {
    /// Paints the piece of a stroke between two places; both may lie outside. Says which part changed.
    pub fn draw(self, mask: &mut Mask, from: Dab, to: Dab) -> Option<Rect> {
        let reach = from.radius.max(to.radius) + 1.0;
        let low = (from.x.min(to.x) - reach, from.y.min(to.y) - reach);
        let high = (from.x.max(to.x) + reach, from.y.max(to.y) + reach);
        let rect = Rect::touching(low, high, mask.width(), mask.height())?;
        let along = (to.x - from.x, to.y - from.y);
        let length = along.0 * along.0 + along.1 * along.1;
        for row in 0..rect.height() {
            // Pixels are looked at in their middle.
            let y = (rect.top + row) as f64 + 0.5 - from.y;
            let left = rect.left as f64 + 0.5 - from.x;
            for (column, level) in mask.row_mut(rect, row).iter_mut().enumerate() {
                let x = left + column as f64;
                let part =
                    if length > 0.0 { ((x * along.0 + y * along.1) / length).clamp(0.0, 1.0) } else { 0.0 };
                let (dx, dy) = (x - part * along.0, y - part * along.1);
                let radius = from.radius + part * (to.radius - from.radius);
                let cover = self.cover((dx * dx + dy * dy).sqrt(), radius);
                *level = if self.erases { (*level).min(255 - cover) } else { (*level).max(cover) };
            }
        }
        Some(rect)
    }

    /// How strongly a pixel at a distance from the middle is covered, from 0 to 255.
    fn cover(self, distance: f64, radius: f64) -> u8 {
        // A hard edge still fades over one pixel, so that it is not jagged.
        let fade = (radius * self.softness.clamp(0.0, 1.0)).max(1.0);
        let outer = if fade > 1.0 { radius } else { radius + 0.5 };
        let part = ((outer - distance) / fade).clamp(0.0, 1.0);
        (part * part * (3.0 - 2.0 * part) * 255.0).round() as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARD: Brush = Brush { softness: 0.0, erases: false };

    fn dab(x: f64, y: f64, radius: f64) -> Dab {
        Dab { x, y, radius }
    }

    #[test]
    fn a_dab_is_a_disc_of_its_radius() {
        let mut mask = Mask::new(64, 64);
        let at = dab(32.0, 32.0, 10.0);
        HARD.draw(&mut mask, at, at);
        let area: f64 = mask.levels().iter().map(|level| f64::from(*level) / 255.0).sum();
        let disc = std::f64::consts::PI * 100.0;
        assert!((area - disc).abs() < 0.01 * disc, "{area} is not {disc}");
        assert_eq!(mask.levels()[32 * 64 + 32], 255);
        assert_eq!(mask.levels()[32 * 64 + 44], 0);
    }

    #[test]
    fn a_stroke_has_no_gaps_and_no_darker_knots() {
        let mut whole = Mask::new(64, 32);
        HARD.draw(&mut whole, dab(8.0, 16.0, 4.0), dab(56.0, 16.0, 4.0));
        let mut pieces = Mask::new(64, 32);
        let places = [40.0, 56.0, 8.0, 24.0, 8.0, 56.0];
        for pair in places.windows(2) {
            HARD.draw(&mut pieces, dab(pair[0], 16.0, 4.0), dab(pair[1], 16.0, 4.0));
        }
        assert_eq!(whole, pieces);
        assert!((8..56).all(|x| whole.levels()[16 * 64 + x] == 255));
    }

    #[test]
    fn softness_fades_from_the_middle_to_the_edge() {
        let mut mask = Mask::new(64, 64);
        let at = dab(32.5, 32.5, 20.0);
        Brush { softness: 1.0, erases: false }.draw(&mut mask, at, at);
        let line: Vec<u8> = (32..64).map(|x| mask.levels()[32 * 64 + x]).collect();
        assert_eq!(line[0], 255);
        assert!(line.windows(2).all(|pair| pair[0] >= pair[1]));
        assert!((120..136).contains(&line[10]), "half way is half covered: {}", line[10]);
        assert_eq!(line[20], 0);
    }

    #[test]
    fn the_eraser_takes_away_what_the_brush_gave() {
        let mut mask = Mask::new(32, 32);
        let (from, to) = (dab(4.0, 4.0, 3.0), dab(28.0, 20.0, 6.0));
        HARD.draw(&mut mask, from, to);
        assert!(!mask.is_blank());
        let eraser = Brush { erases: true, ..HARD };
        eraser.draw(&mut mask, dab(from.x, from.y, 5.0), dab(to.x, to.y, 8.0));
        assert!(mask.is_blank());
    }

    #[test]
    fn strokes_may_leave_the_picture() {
        let mut mask = Mask::new(16, 16);
        assert_eq!(HARD.draw(&mut mask, dab(-50.0, 8.0, 3.0), dab(-20.0, 8.0, 3.0)), None);
        let touched = HARD.draw(&mut mask, dab(-50.0, 8.0, 3.0), dab(50.0, 8.0, 3.0));
        assert_eq!(touched, Some(Rect { left: 0, top: 4, right: 16, bottom: 12 }));
        assert!((0..16).all(|x| mask.levels()[8 * 16 + x] == 255));
        assert_eq!(mask.levels()[0], 0);
    }

    #[test]
    fn pressure_widens_the_stroke() {
        let mut mask = Mask::new(64, 64);
        HARD.draw(&mut mask, dab(8.0, 32.0, 2.0), dab(56.0, 32.0, 12.0));
        let thick = |x: usize| (0..64).filter(|y| mask.levels()[y * 64 + x] > 127).count();
        assert!(thick(10) < thick(32) && thick(32) < thick(54));
    }
}
