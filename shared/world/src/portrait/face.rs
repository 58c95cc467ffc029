//! The head and its features: eyes, brows, nose, beard, mouth. Values differ by shape, not by detail.

use super::{EYES_Y, Figure, MOUSTACHE_Y, MOUTH_Y, NOSE_Y};
use crate::drawing::shape::{blob, circle, curve, ellipse, mirrored, placed, polygon};
use crate::drawing::{Canvas, FELT, INK, Layer, Rgb, mix};
use crate::words::{Expression, Eyes, Face, FacialHair};

const LIPS: Rgb = Rgb(196.0, 58.0, 52.0);
const MOUTH: Rgb = Rgb(112.0, 24.0, 32.0);
const TEAR: Rgb = Rgb(70.0, 170.0, 236.0);
const PUPIL: Rgb = Rgb(24.0, 20.0, 28.0);

/// Head, ears and cheeks.
pub(super) fn draw_head(canvas: &mut Canvas, figure: &Figure) {
    canvas.begin(Layer::Figure, figure.skin_tint);
    canvas.name("face");
    let (w, _) = figure.half;
    for side in [-1.0, 1.0] {
        // The ear on the side the person turns to is out of sight.
        if side * figure.turn <= 0.0 {
            let x = side * (w + 1.0) - figure.turn * 2.0;
            canvas.fill(ellipse(x, EYES_Y + 5.0, 5.5, 7.0), figure.skin);
            canvas.paint(ellipse(x, EYES_Y + 5.0, 2.4, 3.6), figure.shade());
        }
    }
    canvas.fill(blob(&figure.head_points(1.0)), figure.skin);
    let blush = mix(figure.skin, Rgb(236.0, 84.0, 70.0), 0.34);
    let across = (w * 0.66).min(18.0);
    for side in [-1.0, 1.0] {
        let x = side * across + figure.drift();
        if x.abs() + 5.0 < w {
            canvas.paint(ellipse(x, NOSE_Y + 6.0, 5.2, 4.0), blush);
        }
    }
    canvas.unname();
}

/// Everything on the face.
pub(super) fn draw_features(canvas: &mut Canvas, figure: &Figure) {
    draw_nose(canvas, figure);
    draw_beard(canvas, figure);
    draw_mouth(canvas, figure);
    draw_moustache(canvas, figure);
    draw_eyes(canvas, figure);
    draw_brows(canvas, figure);
}

/// Distance of an eye from the middle of the face.
fn eye_x(figure: &Figure, side: f32) -> f32 {
    let apart = match figure.portrait.face {
        Face::Long => 10.2,
        Face::Oval => 12.0,
        Face::Round | Face::Square => 13.5,
    };
    // The eye that turns away comes nearer to the nose.
    let nearer = if side * figure.turn > 0.0 { 0.84 } else { 1.0 };
    side * apart * nearer + figure.drift()
}

fn draw_eyes(canvas: &mut Canvas, figure: &Figure) {
    canvas.begin(Layer::Figure, [0.0; 3]);
    canvas.name("eyes");
    for side in [-1.0, 1.0] {
        let x = eye_x(figure, side);
        let look = figure.turn * 2.6;
        let mirror = side < 0.0;
        match figure.portrait.eyes {
            Eyes::Narrow => {
                // A dark almond, its outer corner lifted.
                let almond =
                    blob(&[(-8.8, 1.0), (-8.8, 1.0), (-0.5, -4.9), (9.0, -1.6), (9.0, -1.6), (1.0, 4.7)]);
                canvas.mark(placed(almond, x, EYES_Y, mirror), PUPIL);
                canvas.mark(circle(x + 1.4 + look * 0.6, EYES_Y - 0.8, 1.2), FELT);
            }
            Eyes::Round => {
                canvas.mark(circle(x, EYES_Y, 7.2), PUPIL);
                canvas.mark(circle(x + 2.4 + look * 0.5, EYES_Y - 2.4, 2.4), FELT);
            }
            Eyes::Wide => {
                canvas.mark(ellipse(x, EYES_Y, 9.0, 9.4), PUPIL);
                canvas.mark(ellipse(x, EYES_Y, 7.5, 7.9), Rgb(255.0, 255.0, 252.0));
                canvas.mark(circle(x + look, EYES_Y, 3.1), PUPIL);
            }
            Eyes::Closed => {
                let lid = curve(&[(-7.5, -2.5), (-4.5, 4.6), (4.5, 4.6), (7.5, -2.5)]);
                canvas.line(placed(lid, x, EYES_Y, mirror), 2.8, PUPIL);
                for (from, to) in
                    [((-4.2, 2.0), (-5.8, 5.8)), ((0.0, 3.0), (0.0, 7.2)), ((4.2, 2.0), (5.8, 5.8))]
                {
                    canvas.line(placed(curve(&[from, to]), x, EYES_Y, mirror), 1.9, PUPIL);
                }
            }
        }
    }
    canvas.unname();
}

fn draw_brows(canvas: &mut Canvas, figure: &Figure) {
    canvas.begin(Layer::Figure, [0.0; 3]);
    canvas.name("brows");
    let colour = if figure.hair.0 > 150.0 { Rgb(150.0, 148.0, 152.0) } else { INK };
    for side in [-1.0, 1.0] {
        // From the nose outwards; `y` is relative to the eyes.
        let (points, width) = match figure.portrait.expression {
            Expression::Smiling => ([(-6.0, -11.5), (0.0, -15.0), (7.0, -11.0)], 2.8),
            Expression::Sad => ([(-6.0, -15.5), (0.0, -13.5), (7.0, -9.2)], 2.8),
            Expression::Surprised => ([(-6.5, -13.0), (0.5, -19.0), (7.5, -12.5)], 2.8),
            Expression::Stern => ([(-7.5, -8.6), (0.0, -11.6), (7.5, -14.4)], 3.8),
        };
        canvas.line(placed(curve(&points), eye_x(figure, side), EYES_Y, side < 0.0), width, colour);
    }
    canvas.unname();
}

fn draw_nose(canvas: &mut Canvas, figure: &Figure) {
    canvas.begin(Layer::Figure, figure.skin_tint);
    let x = figure.drift() * 1.35;
    if figure.turn == 0.0 {
        canvas.paint(ellipse(x, NOSE_Y, 4.6, 3.6), figure.shade());
    } else {
        let nose = blob(&[(-3.0, -6.0), (1.0, -8.0), (8.5, 0.5), (7.0, 4.0), (-3.0, 3.6)]);
        canvas.paint(placed(nose, x, NOSE_Y - 0.5, figure.turn < 0.0), figure.shade());
    }
}

fn draw_beard(canvas: &mut Canvas, figure: &Figure) {
    canvas.begin(Layer::Figure, figure.thing_tint);
    canvas.name("facial hair");
    let (w, _) = figure.half;
    let x = figure.drift();
    match figure.portrait.facial_hair {
        FacialHair::FullBeard => {
            let ear = EYES_Y + 8.0;
            let pull = x * 0.6;
            let mut points = mirrored(&[
                (4.0, MOUSTACHE_Y - 3.0),
                (w * 0.52, MOUSTACHE_Y - 3.5),
                (w * 0.78, MOUSTACHE_Y - 1.0),
                (w * 0.88, ear),
                (w * 1.03, ear),
                (w * 1.08, -16.0),
                (w * 0.92, 5.0),
                (w * 0.45, 15.0),
            ]);
            for point in &mut points {
                if point.1 > ear && point.0.abs() < w * 0.85 {
                    point.0 += pull;
                }
            }
            canvas.fill(blob(&points), figure.hair);
        }
        FacialHair::Goatee => {
            let tuft = blob(&[
                (-10.0, -7.0),
                (0.0, -3.0),
                (10.0, -7.0),
                (9.5, 3.0),
                (2.0, 17.0),
                (-2.0, 17.0),
                (-9.5, 3.0),
            ]);
            canvas.fill(placed(tuft, x, 0.0, false), figure.hair);
        }
        _ => {}
    }
    canvas.unname();
}

fn draw_moustache(canvas: &mut Canvas, figure: &Figure) {
    canvas.begin(Layer::Figure, figure.thing_tint);
    canvas.name("facial hair");
    let x = figure.drift() * 0.95;
    for side in [-1.0, 1.0] {
        match figure.portrait.facial_hair {
            FacialHair::ThinMoustache => {
                let whisker = curve(&[(1.5, -0.5), (8.0, -3.5), (15.0, 4.0), (19.5, 3.5), (20.5, -2.5)]);
                canvas.line(placed(whisker, x, MOUSTACHE_Y + 1.0, side < 0.0), 2.9, figure.hair);
            }
            FacialHair::ThickMoustache => {
                let half = blob(&[
                    (-1.0, -4.0),
                    (6.0, -7.5),
                    (15.0, -3.0),
                    (22.0, 7.5),
                    (22.0, 7.5),
                    (13.0, 8.5),
                    (5.0, 5.0),
                    (-1.0, 3.5),
                ]);
                canvas.fill(placed(half, x, MOUSTACHE_Y, side < 0.0), figure.hair);
            }
            _ => {}
        }
    }
    canvas.unname();
}

fn draw_mouth(canvas: &mut Canvas, figure: &Figure) {
    canvas.begin(Layer::Figure, [0.0; 3]);
    canvas.name("mouth");
    let x = figure.drift();
    let y = MOUTH_Y;
    match figure.portrait.expression {
        Expression::Smiling => {
            let lips = blob(&[
                (-14.0, -5.5),
                (-14.0, -5.5),
                (0.0, -1.5),
                (14.0, -5.5),
                (14.0, -5.5),
                (9.0, 8.5),
                (-9.0, 8.5),
            ]);
            canvas.mark(placed(lips.clone(), x, y, false), MOUTH);
            let teeth = blob(&[
                (-11.5, -3.8),
                (-11.5, -3.8),
                (0.0, -0.6),
                (11.5, -3.8),
                (11.5, -3.8),
                (8.0, 2.2),
                (-8.0, 2.2),
            ]);
            canvas.mark(placed(teeth, x, y, false), Rgb(255.0, 253.0, 246.0));
        }
        Expression::Sad => {
            let lips = curve(&[(-11.5, 6.0), (-8.0, -4.5), (8.0, -4.5), (11.5, 6.0)]);
            canvas.line(placed(lips, x, y, false), 3.6, LIPS);
            let tear = polygon(&[(0.0, -6.0), (3.2, 1.0), (-3.2, 1.0)]);
            let side = if figure.turn > 0.0 { -1.0 } else { 1.0 };
            let at = (eye_x(figure, side) + side * 1.5, NOSE_Y + 6.0);
            canvas.mark(placed(tear, at.0, at.1, false), TEAR);
            canvas.mark(circle(at.0, at.1 + 2.0, 3.4), TEAR);
        }
        Expression::Surprised => {
            canvas.mark(ellipse(x, y + 1.0, 8.0, 9.0), LIPS);
            canvas.mark(ellipse(x, y + 1.0, 5.4, 6.6), Rgb(64.0, 14.0, 24.0));
        }
        Expression::Stern => {
            canvas.line(curve(&[(x - 11.0, y + 0.5), (x + 11.0, y + 0.5)]), 4.0, LIPS);
        }
    }
    canvas.unname();
}
