//! The plain room: straight lines, wood and felt.

use super::{bed_colour, begin, wall_colour};
use crate::drawing::shape::{blob, circle, ellipse, polygon, rect, round_rect};
use crate::drawing::{
    CREAM, Canvas, FELT, GOLD, INDIGO, INK, Layer, RUST, Rgb, SAFFRON, TURQUOISE, WOOD, mix,
};
use crate::scene::{Look, Room};
use crate::words::{Lamp, Painting, Plant, Rug, Window};

const LEAF: Rgb = Rgb(46.0, 140.0, 72.0);

pub(super) fn draw(canvas: &mut Canvas, room: &Room, look: &Look) {
    let wall = wall_colour(room.wall);
    canvas.begin(Layer::Back, look.tints[0]);
    canvas.name("wall");
    canvas.begin(Layer::Figure, look.tints[0]);
    canvas.paint(rect(0.0, 0.0, 128.0, 128.0), wall);
    canvas.unname();
    let floor = 92.0 + look.shift.1;
    canvas.fill(rect(-4.0, floor, 136.0, 60.0), Rgb(188.0, 132.0, 84.0));
    canvas.paint(rect(-4.0, floor, 136.0, 4.0), mix(wall, INK, 0.2));

    if room.rug == Rug::Rug {
        begin(canvas, look, "rug", look.tints[3]);
        canvas.fill(ellipse(66.0, 114.0, 50.0, 11.0), RUST);
        canvas.paint(ellipse(66.0, 114.0, 41.0, 8.2), SAFFRON);
        canvas.paint(ellipse(66.0, 114.0, 33.0, 6.0), TURQUOISE);
        for x in [44.0, 58.0, 72.0, 86.0_f32] {
            canvas.paint(polygon(&[(x, 110.0), (x + 5.0, 114.0), (x, 118.0), (x - 5.0, 114.0)]), FELT);
        }
    }
    if room.window != Window::None {
        begin(canvas, look, "window", look.tints[3]);
        draw_window(canvas, room.window == Window::Night);
    }
    if room.painting == Painting::Picture {
        begin(canvas, look, "picture", look.tints[3]);
        canvas.fill(rect(13.0, 10.0, 40.0, 32.0), WOOD);
        canvas.paint(rect(17.0, 14.0, 32.0, 24.0), CREAM);
        canvas.paint(circle(41.0, 20.0, 4.0), SAFFRON);
        canvas.paint(
            polygon(&[(17.0, 38.0), (28.0, 19.0), (37.0, 32.0), (41.0, 28.0), (49.0, 38.0)]),
            Rgb(60.0, 130.0, 110.0),
        );
    }
    if room.plant == Plant::Plant {
        begin(canvas, look, "plant", look.tints[3]);
        for (x, y, rx, ry) in [
            (107.0, 66.0, 6.5, 13.0),
            (119.0, 66.0, 6.5, 13.0),
            (113.0, 60.0, 7.0, 15.0),
            (103.0, 76.0, 7.0, 8.0),
            (122.5, 76.0, 7.0, 8.0),
        ] {
            canvas.fill(ellipse(x, y, rx, ry), LEAF);
        }
        canvas.fill(polygon(&[(102.0, 82.0), (124.0, 82.0), (120.5, 105.0), (105.5, 105.0)]), RUST);
        canvas.fill(round_rect(100.5, 79.0, 25.0, 6.5, 2.0), mix(RUST, FELT, 0.2));
    }
    if room.lamp == Lamp::Lamp {
        begin(canvas, look, "lamp", look.tints[3]);
        canvas.glow(ellipse(90.0, 66.0, 17.0, 15.0), Rgb(255.0, 240.0, 168.0));
        canvas.fill(rect(88.0, 70.0, 4.0, 32.0), WOOD);
        canvas.fill(round_rect(81.0, 99.0, 18.0, 6.0, 3.0), WOOD);
        canvas.fill(polygon(&[(83.0, 54.0), (97.0, 54.0), (103.0, 74.0), (77.0, 74.0)]), GOLD);
        canvas.glow(polygon(&[(84.6, 56.0), (95.4, 56.0), (100.0, 72.0), (80.0, 72.0)]), GOLD);
    }
    begin(canvas, look, "bed", look.tints[2]);
    let cover = bed_colour(room.bed);
    canvas.fill(round_rect(4.0, 50.0, 70.0, 40.0, 8.0), WOOD);
    canvas.fill(rect(7.0, 96.0, 6.0, 12.0), WOOD);
    canvas.fill(rect(67.0, 96.0, 6.0, 12.0), WOOD);
    canvas.fill(round_rect(3.0, 70.0, 72.0, 30.0, 7.0), cover);
    canvas.fill(round_rect(3.0, 88.0, 72.0, 13.0, 5.0), mix(cover, INK, 0.16));
    for x in [9.0, 41.0] {
        canvas.fill(round_rect(x, 60.0, 28.0, 15.0, 6.0), FELT);
    }
    canvas.unname();
}

fn draw_window(canvas: &mut Canvas, at_night: bool) {
    let (x, y, w, h) = (64.0, 8.0, 50.0, 38.0);
    canvas.fill(rect(x - 4.0, y - 4.0, w + 8.0, h + 8.0), FELT);
    if at_night {
        canvas.mark(rect(x, y, w, h), mix(INDIGO, INK, 0.45));
        canvas.glow(circle(x + 37.0, y + 12.0, 8.5), Rgb(255.0, 246.0, 200.0));
        canvas.mark(circle(x + 33.0, y + 10.0, 7.0), mix(INDIGO, INK, 0.45));
        for (sx, sy) in [(6.0, 8.0), (15.0, 24.0), (18.0, 6.0), (34.0, 30.0)] {
            canvas.glow(circle(x + sx, y + sy, 1.5), Rgb(255.0, 246.0, 200.0));
        }
    } else {
        canvas.mark(rect(x, y, w, h), Rgb(130.0, 206.0, 244.0));
        canvas.mark(circle(x + 38.0, y + 11.0, 7.5), SAFFRON);
        canvas.mark(
            blob(&[
                (x, y + 28.0),
                (x, y + 28.0),
                (x + 15.0, y + 18.0),
                (x + 30.0, y + 30.0),
                (x + w, y + 22.0),
                (x + w, y + 22.0),
                (x + w, y + h),
                (x + w, y + h),
                (x, y + h),
                (x, y + h),
            ]),
            Rgb(122.0, 186.0, 88.0),
        );
    }
    canvas.paint(rect(x + w / 2.0 - 1.8, y, 3.6, h), FELT);
    canvas.paint(rect(x, y + h / 2.0 - 1.6, w, 3.2), FELT);
}
