//! Where the picture lies on the screen: how large, and how far from the corner of its place.

/// A place, in pixels of the screen or of the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

impl Point {
    fn middle(self, other: Self) -> Self {
        Self { x: f64::midpoint(self.x, other.x), y: f64::midpoint(self.y, other.y) }
    }

    fn distance(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// Smallest and largest size of a pixel of the picture on the screen.
const SCALES: (f64, f64) = (0.05, 48.0);

/// Screen = picture x scale + corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Screen pixels to a pixel of the picture.
    pub scale: f64,
    /// The picture's upper left corner on the screen.
    pub corner: Point,
}

impl View {
    /// The whole picture in the middle of a place, with a margin on all sides.
    pub fn fit(place: (f64, f64), picture: (f64, f64), margin: f64) -> Self {
        let room = |place: f64, picture: f64| (place - 2.0 * margin).max(1.0) / picture.max(1.0);
        let scale = room(place.0, picture.0).min(room(place.1, picture.1)).clamp(SCALES.0, SCALES.1);
        let corner = Point { x: (place.0 - picture.0 * scale) / 2.0, y: (place.1 - picture.1 * scale) / 2.0 };
        Self { scale, corner }
    }

    /// The place of the picture that lies under a place of the screen.
    pub fn under(self, at: Point) -> Point {
        Point { x: (at.x - self.corner.x) / self.scale, y: (at.y - self.corner.y) / self.scale }
    }

    /// Grows by a factor; what lies under the given place stays there.
    pub fn zoomed(self, at: Point, factor: f64) -> Self {
        let under = self.under(at);
        let scale = (self.scale * factor).clamp(SCALES.0, SCALES.1);
        Self { scale, corner: Point { x: at.x - under.x * scale, y: at.y - under.y * scale } }
    }

    /// Moves with the hand.
    pub fn moved(self, by: Point) -> Self {
        Self { corner: Point { x: self.corner.x + by.x, y: self.corner.y + by.y }, ..self }
    }

    /// Follows two fingers: what lies between them stays between them.
    pub fn pinched(self, from: [Point; 2], to: [Point; 2]) -> Self {
        let (old, new) = (from[0].middle(from[1]), to[0].middle(to[1]));
        let factor = to[0].distance(to[1]) / from[0].distance(from[1]).max(1.0);
        self.moved(Point { x: new.x - old.x, y: new.y - old.y }).zoomed(new, factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: Point, b: Point) -> bool {
        a.distance(b) < 1e-9
    }

    #[test]
    fn fitting_shows_all_of_the_picture_in_the_middle() {
        let view = View::fit((500.0, 300.0), (128.0, 64.0), 10.0);
        assert_eq!(view.scale, 3.75);
        assert_eq!(view.corner, Point { x: 10.0, y: 30.0 });
        assert!(near(view.under(Point { x: 250.0, y: 150.0 }), Point { x: 64.0, y: 32.0 }));
    }

    #[test]
    fn zooming_keeps_what_is_under_the_hand() {
        let view = View::fit((500.0, 300.0), (128.0, 128.0), 0.0);
        let hand = Point { x: 77.0, y: 210.0 };
        for factor in [1.25, 0.8, 3.0] {
            assert!(near(view.zoomed(hand, factor).under(hand), view.under(hand)));
        }
        assert_eq!(view.zoomed(hand, 1e9).scale, SCALES.1);
        assert_eq!(view.zoomed(hand, 0.0).scale, SCALES.0);
    }

    #[test]
    fn two_fingers_hold_the_picture() {
        let view = View::fit((400.0, 400.0), (100.0, 100.0), 0.0);
        let from = [Point { x: 100.0, y: 100.0 }, Point { x: 200.0, y: 100.0 }];
        let to = [Point { x: 80.0, y: 150.0 }, Point { x: 280.0, y: 150.0 }];
        let after = view.pinched(from, to);
        assert_eq!(after.scale, 2.0 * view.scale);
        for finger in 0..2 {
            assert!(near(after.under(to[finger]), view.under(from[finger])));
        }
    }

    #[test]
    fn an_empty_place_breaks_nothing() {
        let view = View::fit((0.0, 0.0), (0.0, 0.0), 10.0);
        assert!(view.scale.is_finite() && view.scale > 0.0 && view.corner.x.is_finite());
    }
}
