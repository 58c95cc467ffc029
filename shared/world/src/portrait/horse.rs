//! The horse under a riding person, in the person's units.

use crate::drawing::shape::{blob, circle, curve, ellipse, round_rect};
use crate::drawing::{Canvas, FELT, INK, RUST, Rgb};

const COAT: Rgb = Rgb(150.0, 92.0, 52.0);
const MANE: Rgb = Rgb(62.0, 38.0, 28.0);

/// Body, neck and head, turned to the right.
pub(super) fn draw(canvas: &mut Canvas) {
    canvas.name("horse");
    canvas.fill(blob(&[(-60.0, 44.0), (-78.0, 40.0), (-84.0, 62.0), (-76.0, 92.0), (-70.0, 60.0)]), MANE);
    for x in [-52.0, -34.0, 26.0, 44.0_f32] {
        canvas.fill(round_rect(x - 7.0, 64.0, 14.0, 50.0, 5.0), COAT);
    }
    canvas.fill(
        blob(&[
            (-58.0, 38.0),
            (46.0, 38.0),
            (64.0, 50.0),
            (60.0, 82.0),
            (30.0, 84.0),
            (-40.0, 84.0),
            (-72.0, 72.0),
            (-70.0, 44.0),
        ]),
        COAT,
    );
    canvas.fill(
        blob(&[(48.0, 66.0), (40.0, 34.0), (62.0, -14.0), (84.0, -14.0), (80.0, 20.0), (66.0, 74.0)]),
        COAT,
    );
    canvas.fill(
        blob(&[
            (60.0, 4.0),
            (62.0, -18.0),
            (78.0, -24.0),
            (104.0, 4.0),
            (108.0, 14.0),
            (98.0, 21.0),
            (78.0, 12.0),
        ]),
        COAT,
    );
    canvas.fill(blob(&[(64.0, -14.0), (66.0, -34.0), (66.0, -34.0), (76.0, -18.0)]), COAT);
    canvas.fill(
        blob(&[(66.0, -22.0), (52.0, -10.0), (40.0, 26.0), (38.0, 48.0), (52.0, 24.0), (62.0, -4.0)]),
        MANE,
    );
    canvas.mark(circle(80.0, -5.0, 3.4), INK);
    canvas.mark(ellipse(101.0, 12.0, 2.4, 1.8), MANE);
    canvas.line(curve(&[(92.0, 14.0), (70.0, 30.0), (20.0, 30.0)]), 2.6, RUST);
    canvas.paint(ellipse(84.0, 4.0, 2.0, 7.0), FELT);
    canvas.unname();
}

/// The rider's near leg, over the horse.
pub(super) fn draw_leg(canvas: &mut Canvas) {
    canvas.name("horse");
    let boot = [
        (-32.0, 58.0),
        (-32.0, 58.0),
        (-8.0, 58.0),
        (-8.0, 58.0),
        (-7.0, 84.0),
        (12.0, 88.0),
        (12.0, 99.0),
        (-28.0, 99.0),
    ];
    canvas.fill(blob(&boot), RUST);
    canvas.unname();
}
