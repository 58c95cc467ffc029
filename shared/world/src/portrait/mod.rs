//! A person, drawn from the chin outwards: the origin is the point of the chin, up is negative.

mod background;
mod body;
mod face;
mod hair;
mod horse;

use crate::drawing::shape::{Point, mirrored};
use crate::drawing::{Canvas, Layer, Rgb, mix};
use crate::scene::{Look, Portrait};
use crate::words::{Age, Face, Pose};

/// The three skins.
const SKINS: [Rgb; 3] = [Rgb(247.0, 208.0, 168.0), Rgb(226.0, 170.0, 118.0), Rgb(178.0, 122.0, 80.0)];
/// Dark hair: black, dark brown, chestnut.
const DARK_HAIR: [Rgb; 3] = [Rgb(30.0, 26.0, 34.0), Rgb(58.0, 38.0, 30.0), Rgb(84.0, 50.0, 30.0)];
const GREY_HAIR: Rgb = Rgb(208.0, 208.0, 212.0);

/// Height of the eyes, the nose, the moustache and the mouth above the chin.
const EYES_Y: f32 = -37.0;
const NOSE_Y: f32 = -28.0;
const MOUSTACHE_Y: f32 = -23.5;
const MOUTH_Y: f32 = -12.5;

/// Measures and colours that all parts of one person share.
struct Figure<'a> {
    portrait: &'a Portrait,
    /// Half of the head's width and height.
    half: (f32, f32),
    skin: Rgb,
    hair: Rgb,
    /// Where the features sit: -1 turned left, 0 facing, 1 turned right.
    turn: f32,
    skin_tint: [f32; 3],
    cloth_tint: [f32; 3],
    thing_tint: [f32; 3],
}

impl<'a> Figure<'a> {
    fn new(portrait: &'a Portrait, look: &Look) -> Self {
        let half = match portrait.face {
            Face::Round => (31.5, 30.5),
            Face::Oval => (25.5, 32.5),
            Face::Square => (29.0, 29.5),
            Face::Long => (20.5, 34.5),
        };
        let turn = match portrait.pose {
            Pose::Left => -1.0,
            Pose::Right => 1.0,
            _ => 0.0,
        };
        let skin = SKINS[look.skin % SKINS.len()];
        let hair = match portrait.age {
            Age::Adult => DARK_HAIR[look.hair_colour % DARK_HAIR.len()],
            Age::Old => GREY_HAIR,
        };
        let [_, skin_tint, cloth_tint, thing_tint] = look.tints;
        Self { portrait, half, skin, hair, turn, skin_tint, cloth_tint, thing_tint }
    }

    /// Height of the head's middle.
    fn middle_y(&self) -> f32 {
        -self.half.1
    }

    /// How far the features move to the side.
    fn drift(&self) -> f32 {
        self.turn * (self.half.0 * 0.26).min(if self.half.0 < 22.0 { 3.6 } else { 9.0 })
    }

    /// Control points of the head's outline, in units of its half size, right half from the top down.
    fn profile(&self) -> &'static [Point] {
        match self.portrait.face {
            Face::Round => &[(0.414, -1.0), (1.0, -0.414), (1.02, 0.42), (0.45, 1.0)],
            Face::Oval => &[(0.45, -1.0), (1.02, -0.62), (1.06, 0.1), (0.74, 0.72), (0.2, 1.04)],
            Face::Square => {
                &[(0.55, -1.0), (1.0, -1.0), (1.0, -0.5), (1.01, 0.52), (1.0, 1.02), (0.58, 1.02)]
            }
            Face::Long => &[(0.5, -1.0), (1.0, -0.94), (1.0, -0.5), (1.0, 0.45), (0.94, 1.0), (0.42, 1.0)],
        }
    }

    /// Control points of the head's outline, `grow` times as large around its middle.
    fn head_points(&self, grow: f32) -> Vec<Point> {
        let (w, h) = self.half;
        let middle = self.middle_y();
        let mut points = mirrored(self.profile());
        for point in &mut points {
            *point = (point.0 * w * grow, middle + point.1 * h * grow);
        }
        points
    }

    /// Half of the head's width at height `y`.
    fn half_width_at(&self, y: f32) -> f32 {
        let (w, h) = self.half;
        let off = (y - self.middle_y()) / h;
        match self.portrait.face {
            Face::Round | Face::Oval => w * (1.0 - off * off).max(0.0).sqrt(),
            Face::Square | Face::Long => w,
        }
    }

    fn shade(&self) -> Rgb {
        mix(self.skin, Rgb(150.0, 70.0, 50.0), 0.28)
    }
}

/// Draws the whole portrait.
pub(crate) fn draw(canvas: &mut Canvas, portrait: &Portrait, look: &Look) {
    let figure = Figure::new(portrait, look);
    canvas.place(0.0, 0.0, 1.0);
    canvas.begin(Layer::Back, look.tints[0]);
    background::draw(canvas, portrait.background, look);

    let (dx, dy) = look.shift;
    let riding = portrait.pose == Pose::Riding;
    let (x, y, scale) = if riding {
        (52.0 + dx, 62.0 + dy * 0.7, 0.68 * look.scale)
    } else {
        (64.0 + dx, 94.0 + dy, look.scale)
    };
    canvas.place(x, y, scale);
    canvas.begin(Layer::Figure, figure.thing_tint);
    if riding {
        horse::draw(canvas);
    }
    hair::draw_behind(canvas, &figure);
    body::draw(canvas, &figure);
    face::draw_head(canvas, &figure);
    hair::draw_front(canvas, &figure);
    hair::draw_hat(canvas, &figure);
    face::draw_features(canvas, &figure);
    if riding {
        canvas.begin(Layer::Figure, figure.thing_tint);
        horse::draw_leg(canvas);
    }
    body::draw_in_front(canvas, &figure);
}
