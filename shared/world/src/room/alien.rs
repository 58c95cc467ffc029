//! The room for guests from another planet: nothing is straight, everything is bright.

use super::{bed_colour, begin, wall_colour};
use crate::drawing::shape::{blob, circle, curve, ellipse, placed};
use crate::drawing::{Canvas, FELT, GOLD, INK, Layer, Rgb, SAFFRON, mix};
use crate::scene::{Look, Room};
use crate::words::{Lamp, Painting, Plant, Rug, Window};

const MAGENTA: Rgb = Rgb(226.0, 52.0, 152.0);
const LIME: Rgb = Rgb(150.0, 214.0, 40.0);
const CYAN: Rgb = Rgb(36.0, 196.0, 224.0);
const PLUM: Rgb = Rgb(98.0, 44.0, 132.0);
const SPACE: Rgb = Rgb(30.0, 22.0, 70.0);

pub(super) fn draw(canvas: &mut Canvas, room: &Room, look: &Look) {
    let wall = wall_colour(room.wall);
    canvas.begin(Layer::Figure, look.tints[0]);
    canvas.name("wall");
    canvas.paint(crate::drawing::shape::rect(0.0, 0.0, 128.0, 128.0), wall);
    canvas.unname();
    // Bubbles on the wall and a floor like a wave.
    for (index, (x, y, r)) in [
        (8.0, 52.0, 9.0),
        (58.0, 6.0, 7.0),
        (60.0, 46.0, 6.0),
        (122.0, 50.0, 9.0),
        (4.0, 6.0, 8.0),
        (94.0, 54.0, 4.0_f32),
    ]
    .into_iter()
    .enumerate()
    {
        let grow = look.details[index % 6] * 2.0 - 1.0;
        canvas.paint(circle(x, y, r + grow), mix(wall, FELT, 0.38));
    }
    let floor = 92.0 + look.shift.1;
    canvas.fill(
        blob(&[
            (-30.0, floor),
            (10.0, floor - 7.0),
            (40.0, floor + 7.0),
            (80.0, floor - 7.0),
            (120.0, floor + 5.0),
            (160.0, floor - 4.0),
            (160.0, 180.0),
            (-30.0, 180.0),
        ]),
        PLUM,
    );

    if room.rug == Rug::Rug {
        begin(canvas, look, "rug", look.tints[3]);
        let splash = [
            (18.0, 112.0),
            (30.0, 103.0),
            (46.0, 109.0),
            (64.0, 101.0),
            (84.0, 108.0),
            (104.0, 102.0),
            (118.0, 113.0),
            (102.0, 124.0),
            (84.0, 117.0),
            (62.0, 127.0),
            (42.0, 118.0),
            (26.0, 124.0),
        ];
        canvas.fill(blob(&splash), LIME);
        for (x, r) in [(44.0, 4.5), (66.0, 6.0), (90.0, 4.5_f32)] {
            canvas.paint(ellipse(x, 113.0, r * 1.4, r * 0.8), MAGENTA);
        }
    }
    if room.window != Window::None {
        begin(canvas, look, "window", look.tints[3]);
        draw_porthole(canvas, room.window == Window::Night);
    }
    if room.painting == Painting::Picture {
        begin(canvas, look, "picture", look.tints[3]);
        let frame = [
            (12.0, 12.0),
            (32.0, 4.0),
            (54.0, 12.0),
            (58.0, 28.0),
            (50.0, 44.0),
            (28.0, 46.0),
            (9.0, 38.0),
            (8.0, 24.0),
        ];
        canvas.fill(blob(&frame), GOLD);
        canvas.mark(ellipse(33.0, 25.5, 18.5, 14.5), SPACE);
        canvas.mark(circle(33.0, 25.5, 8.0), MAGENTA);
        canvas.line(curve(&[(18.0, 31.0), (26.0, 34.0), (42.0, 24.0), (48.0, 19.0)]), 2.8, SAFFRON);
    }
    if room.plant == Plant::Plant {
        begin(canvas, look, "plant", look.tints[3]);
        for (mirror, reach, top) in [(false, 11.0, 60.0), (true, 11.0, 62.0), (false, 3.0, 50.0)] {
            let stem = curve(&[(0.0, 90.0), (reach, 82.0), (reach * 0.2, 70.0), (reach * 1.1, top)]);
            canvas.seam(placed(stem, 112.0, 0.0, mirror), 4.2, LIME);
            let x = if mirror { 112.0 - reach * 1.1 } else { 112.0 + reach * 1.1 };
            canvas.fill(circle(x, top, 6.6), MAGENTA);
            canvas.paint(circle(x, top, 2.8), GOLD);
        }
        canvas.fill(
            blob(&[
                (100.0, 86.0),
                (124.0, 86.0),
                (128.0, 98.0),
                (118.0, 108.0),
                (106.0, 108.0),
                (96.0, 98.0),
            ]),
            CYAN,
        );
    }
    if room.lamp == Lamp::Lamp {
        begin(canvas, look, "lamp", look.tints[3]);
        canvas.glow(ellipse(89.0, 62.0, 16.0, 14.0), Rgb(255.0, 246.0, 170.0));
        canvas.seam(curve(&[(89.0, 62.0), (84.0, 76.0), (94.0, 88.0), (89.0, 104.0)]), 4.6, MAGENTA);
        canvas.fill(
            blob(&[
                (74.0, 68.0),
                (74.0, 68.0),
                (76.0, 48.0),
                (89.0, 44.0),
                (102.0, 48.0),
                (104.0, 68.0),
                (104.0, 68.0),
                (96.0, 65.0),
                (82.0, 65.0),
            ]),
            SAFFRON,
        );
        canvas.glow(ellipse(89.0, 56.0, 9.0, 6.5), GOLD);
        canvas.fill(ellipse(89.0, 104.0, 9.0, 3.4), MAGENTA);
    }
    begin(canvas, look, "bed", look.tints[2]);
    draw_pod(canvas, bed_colour(room.bed));
    canvas.unname();
}

/// The bed: a shell with a soft nest in it.
fn draw_pod(canvas: &mut Canvas, cover: Rgb) {
    for x in [16.0, 62.0_f32] {
        canvas.fill(ellipse(x, 103.0, 6.0, 6.5), CYAN);
    }
    canvas.fill(
        blob(&[
            (4.0, 100.0),
            (-2.0, 62.0),
            (14.0, 44.0),
            (40.0, 54.0),
            (64.0, 44.0),
            (80.0, 62.0),
            (76.0, 100.0),
            (40.0, 106.0),
        ]),
        mix(cover, PLUM, 0.3),
    );
    canvas.fill(
        blob(&[
            (2.0, 84.0),
            (14.0, 68.0),
            (40.0, 74.0),
            (66.0, 66.0),
            (78.0, 84.0),
            (72.0, 102.0),
            (40.0, 106.0),
            (8.0, 102.0),
        ]),
        cover,
    );
    canvas.paint(
        blob(&[
            (8.0, 94.0),
            (26.0, 90.0),
            (44.0, 96.0),
            (62.0, 90.0),
            (74.0, 94.0),
            (66.0, 101.0),
            (40.0, 104.0),
            (14.0, 101.0),
        ]),
        mix(cover, INK, 0.16),
    );
    for (x, y) in [(24.0, 67.0), (54.0, 66.0)] {
        canvas.fill(ellipse(x, y, 12.5, 8.0), FELT);
    }
}

fn draw_porthole(canvas: &mut Canvas, at_night: bool) {
    let (x, y) = (90.0, 26.0);
    canvas.fill(ellipse(x, y, 27.0, 23.0), CYAN);
    if at_night {
        canvas.mark(ellipse(x, y, 22.0, 18.0), SPACE);
        canvas.glow(circle(x + 8.0, y - 4.0, 7.0), Rgb(255.0, 246.0, 200.0));
        canvas.glow(circle(x - 9.0, y + 5.0, 4.4), SAFFRON);
        for (sx, sy) in [(-12.0, -7.0), (-3.0, -12.0), (2.0, 10.0), (14.0, 8.0)] {
            canvas.glow(circle(x + sx, y + sy, 1.4), FELT);
        }
    } else {
        canvas.mark(ellipse(x, y, 22.0, 18.0), Rgb(150.0, 224.0, 246.0));
        canvas.mark(circle(x + 8.0, y - 6.0, 6.5), SAFFRON);
        canvas.mark(
            blob(&[
                (x - 21.0, y + 6.0),
                (x - 8.0, y + 2.0),
                (x + 4.0, y + 9.0),
                (x + 20.0, y + 6.0),
                (x + 12.0, y + 17.0),
                (x, y + 18.5),
                (x - 12.0, y + 17.0),
            ]),
            LIME,
        );
    }
}
