//! Shoulders and what they wear, arms, and what hands hold.

use super::Figure;
use crate::drawing::shape::{blob, circle, curve, ellipse, placed, polygon, rect, round_rect};
use crate::drawing::{
    CREAM, Canvas, FELT, GOLD, INDIGO, INK, Layer, RUST, Rgb, SAFFRON, TURQUOISE, WOOD, mix,
};
use crate::words::{Accessory, Clothing, Pose};

const ORANGE: Rgb = Rgb(240.0, 124.0, 26.0);
const BLUE: Rgb = Rgb(42.0, 92.0, 196.0);
const RED: Rgb = Rgb(214.0, 38.0, 44.0);
const GREEN: Rgb = Rgb(34.0, 132.0, 72.0);
const NAVY: Rgb = Rgb(36.0, 54.0, 116.0);
const WHITE: Rgb = Rgb(252.0, 250.0, 244.0);

fn cloth_colour(clothing: Clothing) -> Rgb {
    match clothing {
        Clothing::OrangeChapan => ORANGE,
        Clothing::BlueRobe => BLUE,
        Clothing::RedShirt => RED,
        Clothing::GreenJacket => GREEN,
        Clothing::StripedShirt => WHITE,
    }
}

/// Neck, shoulders and clothing.
pub(super) fn draw(canvas: &mut Canvas, figure: &Figure) {
    canvas.begin(Layer::Figure, figure.thing_tint);
    if figure.portrait.accessory == Accessory::Staff {
        draw_staff(canvas);
    }
    canvas.begin(Layer::Figure, figure.cloth_tint);
    canvas.name("clothing");
    if figure.portrait.pose == Pose::Waving {
        draw_sleeve(canvas, figure);
    }
    let clothing = figure.portrait.clothing;
    // A robe hangs wide, a shirt or a jacket sits closer.
    let wide = if matches!(clothing, Clothing::OrangeChapan | Clothing::BlueRobe) { 3.0 } else { 0.0 };
    let body = blob(&[
        (-12.0, -8.0),
        (12.0, -8.0),
        (15.0, 4.0),
        (40.0 + wide, 9.0),
        (52.0 + wide, 26.0),
        (57.0 + wide, 64.0),
        (57.0 + wide, 64.0),
        (-57.0 - wide, 64.0),
        (-57.0 - wide, 64.0),
        (-52.0 - wide, 26.0),
        (-40.0 - wide, 9.0),
        (-15.0, 4.0),
    ]);
    canvas.fill(body.clone(), cloth_colour(clothing));
    let lean = figure.turn * 7.0;
    canvas.clipped(body.as_ref(), |canvas| match clothing {
        Clothing::OrangeChapan => draw_chapan(canvas, figure, lean),
        Clothing::BlueRobe => draw_robe(canvas, figure, lean),
        Clothing::RedShirt => draw_red_shirt(canvas, lean),
        Clothing::GreenJacket => draw_jacket(canvas, lean),
        Clothing::StripedShirt => draw_stripes(canvas),
    });
    draw_collar(canvas, figure, lean);
    canvas.unname();
}

/// The neck in the collar; with it the heirloom, if it is the hero's.
fn draw_collar(canvas: &mut Canvas, figure: &Figure, lean: f32) {
    match figure.portrait.clothing {
        Clothing::GreenJacket => {
            canvas.fill(
                blob(&[(-15.0, -4.0), (-17.0, 8.0), (-8.0, 13.0), (0.0 + lean * 0.4, 11.0), (0.0, -4.0)]),
                mix(GREEN, INK, 0.25),
            );
            canvas.fill(
                blob(&[(15.0, -4.0), (17.0, 8.0), (8.0, 13.0), (0.0 + lean * 0.4, 11.0), (0.0, -4.0)]),
                mix(GREEN, INK, 0.25),
            );
        }
        Clothing::StripedShirt => canvas.fill(ellipse(0.0, 2.0, 17.0, 8.0), NAVY),
        Clothing::RedShirt => canvas.fill(ellipse(0.0, 2.0, 17.0, 8.5), GOLD),
        Clothing::OrangeChapan | Clothing::BlueRobe => {}
    }
    if figure.portrait.heirloom {
        canvas.name("heirloom");
        canvas.fill(
            blob(&[
                (-22.0, 2.0),
                (-22.0, 2.0),
                (-15.0, 21.0),
                (15.0, 21.0),
                (22.0, 2.0),
                (22.0, 2.0),
                (11.0, 10.0),
                (-11.0, 10.0),
            ]),
            GOLD,
        );
        canvas.fill(polygon(&[(0.0, 16.0), (8.0, 25.0), (0.0, 34.0), (-8.0, 25.0)]), GOLD);
        canvas.fill(circle(0.0, 25.0, 5.2), TURQUOISE);
        canvas.name("clothing");
    }
}

fn draw_chapan(canvas: &mut Canvas, figure: &Figure, lean: f32) {
    for row in 0..4_u8 {
        for column in 0..6_u8 {
            let odd = f32::from(row % 2);
            let x = -50.0 + f32::from(column) * 20.0 + odd * 10.0;
            let y = 12.0 + f32::from(row) * 13.0;
            let diamond = polygon(&[(x, y - 6.5), (x + 6.0, y), (x, y + 6.5), (x - 6.0, y)]);
            canvas.paint(diamond, RUST);
            canvas.paint(polygon(&[(x, y - 2.6), (x + 2.4, y), (x, y + 2.6), (x - 2.4, y)]), SAFFRON);
        }
    }
    let low = 64.0;
    canvas.fill(polygon(&[(-14.0, -8.0), (14.0, -8.0), (lean + 7.0, low), (lean - 7.0, low)]), FELT);
    canvas.paint(ellipse(0.0, -3.0, 10.0, 9.0), figure.shade());
    for side in [-1.0, 1.0] {
        let lapel = polygon(&[
            (side * 12.0, -8.0),
            (side * 24.0, -8.0),
            (lean + side * 12.0, low),
            (lean + side * 2.5, low),
        ]);
        canvas.fill(lapel, TURQUOISE);
    }
}

fn draw_robe(canvas: &mut Canvas, figure: &Figure, lean: f32) {
    let fold = mix(BLUE, INK, 0.3);
    canvas.paint(ellipse(0.0, -3.0, 11.0, 11.0), figure.shade());
    // Left over right, with a broad white edge.
    canvas.fill(polygon(&[(13.0, -10.0), (24.0, -10.0), (lean + 2.0, 36.0), (lean - 6.0, 28.0)]), WHITE);
    canvas.fill(polygon(&[(-13.0, -10.0), (-24.0, -10.0), (lean + 10.0, 64.0), (lean + 22.0, 64.0)]), WHITE);
    for side in [-1.0, 1.0] {
        canvas.seam(curve(&[(side * 38.0, 24.0), (side * 40.0, 40.0), (side * 36.0, 62.0)]), 2.4, fold);
    }
}

fn draw_red_shirt(canvas: &mut Canvas, lean: f32) {
    canvas.fill(rect(lean - 7.0, 0.0, 14.0, 70.0), CREAM);
    for row in 0..5_u8 {
        let y = 14.0 + f32::from(row) * 9.0;
        canvas.paint(polygon(&[(lean, y - 3.6), (lean + 4.0, y), (lean, y + 3.6), (lean - 4.0, y)]), INDIGO);
    }
    for side in [-1.0, 1.0] {
        canvas.seam(
            curve(&[(side * 38.0, 26.0), (side * 39.0, 44.0), (side * 37.0, 62.0)]),
            2.4,
            mix(RED, INK, 0.35),
        );
    }
}

fn draw_jacket(canvas: &mut Canvas, lean: f32) {
    let dark = mix(GREEN, INK, 0.45);
    canvas.seam(curve(&[(lean * 0.5, 8.0), (lean, 64.0)]), 2.6, dark);
    for side in [-1.0, 1.0] {
        canvas.seam(curve(&[(side * 38.0, 26.0), (side * 39.0, 44.0), (side * 37.0, 62.0)]), 2.4, dark);
        canvas.fill(round_rect(lean + side * 22.0 - 8.0, 19.0, 16.0, 5.0, 2.0), mix(GREEN, FELT, 0.3));
        for row in 0..3_u8 {
            canvas.mark(circle(lean + side * 7.0, 18.0 + f32::from(row) * 9.0, 2.8), GOLD);
        }
    }
}

fn draw_stripes(canvas: &mut Canvas) {
    for row in 0..6_u8 {
        let y = 10.0 + f32::from(row) * 11.0;
        canvas.mark(rect(-70.0, y, 140.0, 5.4), NAVY);
    }
}

/// The raised arm of a wave, behind the body.
fn draw_sleeve(canvas: &mut Canvas, figure: &Figure) {
    let sleeve =
        blob(&[(34.0, 30.0), (36.0, 10.0), (40.0, -16.0), (57.0, -16.0), (60.0, 12.0), (56.0, 40.0)]);
    canvas.fill(sleeve, cloth_colour(figure.portrait.clothing));
    canvas.begin(Layer::Figure, figure.skin_tint);
    canvas.name("hand");
    for (x, y) in [(41.5, -35.0), (46.0, -39.5), (51.5, -39.5), (56.0, -35.0)] {
        canvas.fill(round_rect(x - 2.7, y, 5.4, 15.0, 2.7), figure.skin);
    }
    canvas.fill(ellipse(38.6, -23.0, 3.2, 5.4), figure.skin);
    canvas.fill(ellipse(48.6, -21.0, 9.2, 8.6), figure.skin);
    canvas.begin(Layer::Figure, figure.cloth_tint);
    canvas.name("clothing");
    let cuff = if figure.portrait.clothing == Clothing::StripedShirt {
        NAVY
    } else {
        mix(cloth_colour(figure.portrait.clothing), INK, 0.3)
    };
    canvas.fill(round_rect(39.0, -15.0, 19.0, 6.5, 3.0), cuff);
}

fn draw_staff(canvas: &mut Canvas) {
    canvas.name("accessory");
    canvas.fill(round_rect(-51.5, -66.0, 6.5, 130.0, 3.0), WOOD);
    canvas.fill(circle(-48.2, -66.0, 7.0), mix(WOOD, GOLD, 0.35));
    canvas.unname();
}

/// Things in front of the body: the hand on the staff, the bag.
pub(super) fn draw_in_front(canvas: &mut Canvas, figure: &Figure) {
    match figure.portrait.accessory {
        Accessory::Staff => {
            canvas.begin(Layer::Figure, figure.skin_tint);
            canvas.name("accessory");
            canvas.fill(ellipse(-48.0, 13.0, 9.0, 7.6), figure.skin);
            for y in [10.5, 15.0] {
                canvas.seam(curve(&[(-53.0, y), (-45.0, y)]), 1.4, figure.shade());
            }
        }
        Accessory::Bag => {
            canvas.begin(Layer::Figure, figure.thing_tint);
            canvas.name("accessory");
            let leather = Rgb(122.0, 72.0, 40.0);
            canvas.seam(curve(&[(-27.0, 6.0), (6.0, 18.0), (30.0, 30.0)]), 5.0, mix(leather, INK, 0.3));
            canvas.fill(round_rect(18.0, 13.0, 27.0, 24.0, 6.0), leather);
            canvas.fill(
                placed(
                    blob(&[(-14.0, -10.0), (14.0, -10.0), (12.0, 3.0), (0.0, 6.0), (-12.0, 3.0)]),
                    31.5,
                    24.0,
                    false,
                ),
                mix(leather, CREAM, 0.28),
            );
            canvas.mark(circle(31.5, 26.0, 2.8), GOLD);
        }
        Accessory::None | Accessory::Hat => {}
    }
    canvas.unname();
}
