//! What is behind a person: big quiet shapes that stay readable beside the head.

use crate::drawing::shape::{Point, blob, circle, curve, ellipse, polygon, rect, round_rect};
use crate::drawing::{CREAM, Canvas, FELT, GOLD, INDIGO, RUST, Rgb, SAFFRON, TURQUOISE, WOOD, mix};
use crate::scene::Look;
use crate::words::{Background, Style};

const SKY: Rgb = Rgb(150.0, 212.0, 238.0);
const MEADOW: Rgb = Rgb(120.0, 180.0, 84.0);
const MOON: Rgb = Rgb(252.0, 242.0, 196.0);

/// Draws the whole background.
pub(super) fn draw(canvas: &mut Canvas, background: Background, look: &Look) {
    canvas.name("background");
    let d = look.details;
    let shift = d[0] * 8.0 - 4.0;
    match background {
        Background::Steppe => draw_steppe(canvas, shift, d[1]),
        Background::Mountains => draw_mountains(canvas, shift),
        Background::Yurt => draw_yurts(canvas, shift),
        Background::City => draw_city(canvas, shift, d[1]),
        Background::Plain => {
            let colours = [
                Rgb(242.0, 218.0, 172.0),
                Rgb(178.0, 216.0, 204.0),
                Rgb(236.0, 190.0, 176.0),
                Rgb(190.0, 204.0, 230.0),
            ];
            let index = ((d[1] * 4.0) as usize).min(3);
            canvas.paint(rect(0.0, 0.0, 128.0, 128.0), colours[index]);
        }
        Background::Room => draw_room(canvas, shift),
    }
    canvas.unname();
}

fn sky(canvas: &mut Canvas, colour: Rgb) {
    canvas.paint(rect(0.0, 0.0, 128.0, 128.0), colour);
    if canvas.style() == Style::Night {
        for (x, y) in
            [(12.0, 40.0), (30.0, 8.0), (52.0, 5.0), (96.0, 12.0), (118.0, 44.0), (8.0, 8.0), (84.0, 6.0_f32)]
        {
            canvas.glow(circle(x, y, 1.4), MOON);
        }
    }
}

/// The sun by day, the moon at night.
fn light(canvas: &mut Canvas, x: f32, y: f32, sky: Rgb) {
    if canvas.style() == Style::Night {
        canvas.glow(circle(x, y, 9.5), MOON);
        canvas.paint(circle(x + 4.5, y - 2.5, 7.8), sky);
    } else {
        canvas.fill(circle(x, y, 10.5), SAFFRON);
    }
}

fn draw_steppe(canvas: &mut Canvas, shift: f32, side: f32) {
    let sky_colour = Rgb(172.0, 220.0, 234.0);
    sky(canvas, sky_colour);
    light(canvas, if side < 0.5 { 17.0 } else { 111.0 } + shift, 19.0, sky_colour);
    canvas.fill(
        blob(&[
            (-30.0, 78.0),
            (20.0, 60.0 + shift),
            (64.0, 84.0),
            (108.0, 58.0),
            (160.0, 80.0),
            (160.0, 160.0),
            (-30.0, 160.0),
        ]),
        Rgb(232.0, 196.0, 96.0),
    );
    canvas.fill(
        blob(&[
            (-30.0, 100.0),
            (30.0, 96.0),
            (64.0, 88.0),
            (110.0, 92.0 - shift),
            (160.0, 98.0),
            (160.0, 170.0),
            (-30.0, 170.0),
        ]),
        Rgb(210.0, 162.0, 62.0),
    );
    for x in [6.0, 22.0, 108.0, 122.0_f32] {
        for lean in [-3.0, 0.0, 3.0] {
            canvas.seam(curve(&[(x + shift, 93.0), (x + shift + lean, 82.0)]), 1.6, Rgb(150.0, 116.0, 40.0));
        }
    }
}

fn draw_mountains(canvas: &mut Canvas, shift: f32) {
    sky(canvas, Rgb(196.0, 226.0, 240.0));
    peak(canvas, (64.0 + shift, 10.0), 46.0, Rgb(124.0, 142.0, 196.0));
    peak(canvas, (16.0 + shift, 18.0), 44.0, Rgb(92.0, 108.0, 170.0));
    peak(canvas, (112.0 + shift, 14.0), 46.0, Rgb(76.0, 92.0, 156.0));
    canvas.fill(
        blob(&[
            (-30.0, 96.0),
            (24.0, 88.0),
            (64.0, 98.0),
            (104.0, 88.0),
            (160.0, 96.0),
            (160.0, 170.0),
            (-30.0, 170.0),
        ]),
        Rgb(74.0, 142.0, 96.0),
    );
}

fn peak(canvas: &mut Canvas, (x, y): Point, half: f32, colour: Rgb) {
    canvas.fill(polygon(&[(x, y), (x + half, 104.0), (x - half, 104.0)]), colour);
    // Snow down to a third of the height, with a jagged edge.
    let drop = (104.0 - y) * 0.34;
    let reach = half * 0.34;
    canvas.fill(
        polygon(&[
            (x, y),
            (x + reach, y + drop),
            (x + reach * 0.4, y + drop * 0.72),
            (x, y + drop),
            (x - reach * 0.4, y + drop * 0.72),
            (x - reach, y + drop),
        ]),
        Rgb(252.0, 252.0, 255.0),
    );
}

fn draw_yurts(canvas: &mut Canvas, shift: f32) {
    sky(canvas, SKY);
    light(canvas, 103.0 + shift, 16.0, SKY);
    canvas.fill(
        blob(&[
            (-30.0, 84.0),
            (30.0, 76.0),
            (64.0, 84.0),
            (100.0, 74.0),
            (160.0, 84.0),
            (160.0, 170.0),
            (-30.0, 170.0),
        ]),
        MEADOW,
    );
    yurt(canvas, 14.0 + shift, 1.0);
    yurt(canvas, 115.0 + shift, 0.86);
}

fn yurt(canvas: &mut Canvas, x: f32, s: f32) {
    let base = 96.0;
    canvas.fill(rect(x - 27.0 * s, base - 34.0 * s, 54.0 * s, 34.0 * s), FELT);
    canvas.fill(
        blob(&[
            (x - 30.0 * s, base - 33.0 * s),
            (x - 30.0 * s, base - 33.0 * s),
            (x - 22.0 * s, base - 54.0 * s),
            (x - 4.0 * s, base - 64.0 * s),
            (x + 4.0 * s, base - 64.0 * s),
            (x + 22.0 * s, base - 54.0 * s),
            (x + 30.0 * s, base - 33.0 * s),
            (x + 30.0 * s, base - 33.0 * s),
        ]),
        CREAM,
    );
    canvas.paint(round_rect(x - 7.0 * s, base - 64.0 * s, 14.0 * s, 5.0 * s, 2.0), WOOD);
    canvas.mark(rect(x - 27.0 * s, base - 33.0 * s, 54.0 * s, 7.0 * s), RUST);
    for step in [-18.0, -6.0, 6.0, 18.0_f32] {
        let cx = x + step * s;
        let cy = base - 29.5 * s;
        canvas.mark(
            polygon(&[(cx, cy - 3.0 * s), (cx + 4.0 * s, cy), (cx, cy + 3.0 * s), (cx - 4.0 * s, cy)]),
            GOLD,
        );
    }
    let door = round_rect(x - 8.0 * s, base - 22.0 * s, 16.0 * s, 22.0 * s, 2.0);
    canvas.fill(door.clone(), TURQUOISE);
    if canvas.style() == Style::Night {
        // Somebody is at home.
        canvas.glow(door, GOLD);
    }
}

fn draw_city(canvas: &mut Canvas, shift: f32, lit: f32) {
    sky(canvas, Rgb(206.0, 220.0, 234.0));
    let towers = [
        (-4.0, 34.0, 24.0, INDIGO),
        (20.0, 14.0, 20.0, Rgb(104.0, 124.0, 166.0)),
        (90.0, 22.0, 18.0, Rgb(120.0, 104.0, 150.0)),
        (108.0, 40.0, 26.0, Rgb(58.0, 84.0, 140.0)),
        (44.0, 4.0, 16.0, Rgb(146.0, 160.0, 190.0)),
        (66.0, 12.0, 20.0, Rgb(132.0, 150.0, 186.0_f32)),
    ];
    for (index, &(x, top, width, colour)) in towers.iter().enumerate() {
        let x = x + shift;
        canvas.fill(rect(x, top, width, 100.0), colour);
        let dark = (lit * 6.0) as usize;
        let columns = if width > 19.0 { 3_u8 } else { 2 };
        let step = width / f32::from(columns);
        for row in 0..7_u8 {
            for column in 0..columns {
                let off = (usize::from(row) * 2 + usize::from(column) + index + dark).is_multiple_of(5);
                let wx = x + step * (f32::from(column) + 0.5) - 2.0;
                let window = rect(wx, top + 6.0 + f32::from(row) * 10.0, 4.0, 5.4);
                if off {
                    canvas.paint(window, mix(colour, INDIGO, 0.3));
                } else {
                    canvas.glow(window, GOLD);
                }
            }
        }
    }
    canvas.fill(rect(0.0, 104.0, 128.0, 24.0), Rgb(120.0, 124.0, 136.0));
}

fn draw_room(canvas: &mut Canvas, shift: f32) {
    canvas.paint(rect(0.0, 0.0, 128.0, 128.0), Rgb(238.0, 200.0, 148.0));
    canvas.fill(rect(-4.0, 92.0, 136.0, 40.0), Rgb(168.0, 108.0, 64.0));
    canvas.fill(rect(4.0 + shift, 12.0, 28.0, 40.0), FELT);
    canvas.fill(rect(7.5 + shift, 15.5, 21.0, 33.0), Rgb(140.0, 206.0, 240.0));
    canvas.paint(rect(16.6 + shift, 15.5, 2.8, 33.0), FELT);
    canvas.paint(rect(7.5 + shift, 30.0, 21.0, 2.8), FELT);
    canvas.fill(
        polygon(&[(0.0 + shift, 8.0), (12.0 + shift, 8.0), (4.0 + shift, 56.0), (-6.0 + shift, 56.0)]),
        RUST,
    );
    canvas.fill(
        polygon(&[(24.0 + shift, 8.0), (36.0 + shift, 8.0), (42.0 + shift, 56.0), (32.0 + shift, 56.0)]),
        RUST,
    );
    canvas.fill(rect(97.0 + shift, 14.0, 26.0, 30.0), WOOD);
    canvas.fill(rect(100.0 + shift, 17.0, 20.0, 24.0), TURQUOISE);
    canvas.paint(
        polygon(&[
            (110.0 + shift, 20.0),
            (118.0 + shift, 29.0),
            (110.0 + shift, 38.0),
            (102.0 + shift, 29.0),
        ]),
        SAFFRON,
    );
    canvas.fill(rect(98.0 + shift, 66.0, 40.0, 4.0), WOOD);
    canvas.fill(ellipse(111.0 + shift, 59.0, 8.0, 7.0), Rgb(60.0, 110.0, 190.0));
    canvas.fill(rect(107.0 + shift, 49.0, 8.0, 4.0), Rgb(60.0, 110.0, 190.0));
}
