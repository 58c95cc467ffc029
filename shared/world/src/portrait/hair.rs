//! Hair, the fur hat, and the felt hat that may be worn over hair.

use super::{EYES_Y, Figure};
use crate::drawing::shape::{Point, blob, circle, ellipse, mirrored, polygon, round_rect};
use crate::drawing::{Canvas, FELT, INDIGO, Layer, RUST, Rgb, mix};
use crate::words::{Accessory, Hair};

const FUR: Rgb = Rgb(124.0, 78.0, 46.0);
/// Lower edge of the hair on the forehead, above the chin.
const HAIRLINE: f32 = -51.0;

/// Long hair and the far curls lie behind the body.
pub(super) fn draw_behind(canvas: &mut Canvas, figure: &Figure) {
    canvas.begin(Layer::Figure, figure.thing_tint);
    canvas.name("hair");
    let (w, h) = figure.half;
    let top = -2.0 * h;
    match figure.portrait.hair {
        Hair::Long => {
            let points = mirrored(&[
                (w * 0.5, top - 6.0),
                (w * 1.15, top - 2.0),
                (w * 1.22 + 3.0, -30.0),
                (w * 1.1 + 9.0, 12.0),
                (w * 1.1 + 9.0, 12.0),
                (w * 0.7, 16.0),
            ]);
            canvas.fill(blob(&points), figure.hair);
        }
        Hair::Curly => {
            for &(x, y) in &[(1.12, -26.0), (1.2, -38.0), (1.18, -50.0)] {
                for side in [-1.0, 1.0] {
                    canvas.fill(circle(side * (w * x + 2.0), y, 9.5), figure.hair);
                }
            }
        }
        _ => {}
    }
    canvas.unname();
}

/// The hair on top and on the forehead.
pub(super) fn draw_front(canvas: &mut Canvas, figure: &Figure) {
    canvas.begin(Layer::Figure, figure.thing_tint);
    canvas.name("hair");
    let (w, h) = figure.half;
    let top = -2.0 * h;
    match figure.portrait.hair {
        Hair::Short => cap(canvas, figure, EYES_Y - 1.0, 1.07),
        Hair::Long => {
            cap(canvas, figure, EYES_Y + 6.0, 1.1);
        }
        Hair::Topknot => {
            canvas.fill(ellipse(0.0, top - 11.5, 10.5, 9.6), figure.hair);
            cap(canvas, figure, EYES_Y - 7.0, 1.05);
            canvas.mark(round_rect(-7.5, top - 6.5, 15.0, 5.5, 2.5), RUST);
        }
        Hair::Curly => {
            let radius = 9.5;
            let crown = [
                (-1.0, 0.30),
                (-0.72, 0.08),
                (-0.36, -0.06),
                (0.0, -0.1),
                (0.36, -0.06),
                (0.72, 0.08),
                (1.0, 0.30),
            ];
            for &(x, y) in &crown {
                canvas.fill(circle(x * (w + 1.0), top + y * h + 1.0, radius), figure.hair);
            }
            for &(x, y) in &[(-0.66, 0.3), (-0.22, 0.2), (0.22, 0.2), (0.66, 0.3)] {
                canvas.paint(circle(x * w, top + y * h + 2.0, radius - 0.5), figure.hair);
            }
            let spark = mix(figure.hair, Rgb(255.0, 240.0, 220.0), 0.22);
            for &(x, y) in &[(-0.66, 0.12), (-0.2, -0.02), (0.3, -0.02), (0.74, 0.14)] {
                canvas.paint(circle(x * w, top + y * h - 1.0, 2.4), spark);
            }
        }
        Hair::Bald => {
            canvas.begin(Layer::Figure, figure.skin_tint);
            canvas.paint(ellipse(-w * 0.34, top + 9.0, w * 0.26, 3.6), mix(figure.skin, FELT, 0.62));
        }
        Hair::FurHat => {
            let crown = mirrored(&[(w * 0.5, top - 13.0), (w * 0.96, top - 4.0), (w * 1.05, top + 12.0)]);
            canvas.fill(blob(&crown), RUST);
            for side in [-1.0, 1.0] {
                canvas.fill(ellipse(side * (w + 1.5), EYES_Y + 2.0, 7.5, 15.0), FUR);
            }
            canvas.fill(round_rect(-w - 7.0, HAIRLINE - 12.0, w * 2.0 + 14.0, 17.0, 8.5), FUR);
            let light = mix(FUR, Rgb(255.0, 226.0, 180.0), 0.3);
            for x in [-0.8, -0.4, 0.0, 0.4, 0.8_f32] {
                canvas.paint(ellipse(x * w, HAIRLINE - 4.0, 2.2, 4.6), light);
            }
        }
    }
    canvas.unname();
}

/// A cap of hair that follows the head down to `low` at the ears and to the hairline on the forehead.
fn cap(canvas: &mut Canvas, figure: &Figure, low: f32, grow: f32) {
    let (w, _) = figure.half;
    let edge = figure.half_width_at(low) * grow;
    // The upper half of the head's outline, left to right over the top.
    let upper = figure.middle_y() - 4.0;
    let over: Vec<Point> = figure.head_points(grow).into_iter().filter(|p| p.1 < upper).collect();
    let (right, left): (Vec<Point>, Vec<Point>) = over.into_iter().partition(|p| p.0 > 0.0);
    let mut points = vec![(-edge, low), (-edge, low)];
    points.extend(left);
    points.extend(right);
    points.extend([(edge, low), (edge, low), (edge - 4.5, low), (edge - 5.5, HAIRLINE + 1.0)]);
    let part = figure.turn * w * 0.3;
    points.extend([
        (w * 0.4 + part, HAIRLINE - 1.5),
        (part, HAIRLINE - 1.0),
        (part - w * 0.4, HAIRLINE - 1.5),
    ]);
    points.extend([(5.5 - edge, HAIRLINE + 1.0), (4.5 - edge, low)]);
    canvas.fill(blob(&points), figure.hair);
}

/// The white felt hat with a dark brim, worn over hair.
pub(super) fn draw_hat(canvas: &mut Canvas, figure: &Figure) {
    if figure.portrait.accessory != Accessory::Hat {
        return;
    }
    canvas.begin(Layer::Figure, figure.thing_tint);
    canvas.name("accessory");
    let (w, h) = figure.half;
    let top = -2.0 * h;
    let brow = HAIRLINE - 4.5;
    let crown = mirrored(&[(3.0, top - 20.0), (w * 0.55, top - 12.0), (w * 1.0, brow), (w * 1.0, brow)]);
    canvas.fill(blob(&crown), FELT);
    canvas
        .paint(polygon(&[(0.0, top - 18.0), (2.0, brow - 6.0), (-2.0, brow - 6.0)]), mix(FELT, INDIGO, 0.5));
    let brim = [
        (-w - 7.0, brow - 4.0),
        (-w - 7.0, brow - 4.0),
        (-w * 0.5, brow - 7.0),
        (w * 0.5, brow - 7.0),
        (w + 7.0, brow - 4.0),
        (w + 7.0, brow - 4.0),
        (w * 0.7, brow + 5.5),
        (-w * 0.7, brow + 5.5),
    ];
    canvas.fill(blob(&brim), INDIGO);
    canvas.unname();
}
