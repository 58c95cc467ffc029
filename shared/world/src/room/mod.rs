//! A hotel room. Furniture stands in fixed, separate places, so that each thing can be told from its neighbours.

mod alien;
mod plain;

use crate::drawing::{Canvas, Layer, Rgb};
use crate::scene::{Look, Room};
use crate::words::{Bed, Guests, Wall};

/// Draws the whole room.
pub(crate) fn draw(canvas: &mut Canvas, room: &Room, look: &Look) {
    match room.guests {
        Guests::Plain => plain::draw(canvas, room, look),
        Guests::Alien => alien::draw(canvas, room, look),
    }
}

fn bed_colour(bed: Bed) -> Rgb {
    match bed {
        Bed::Red => Rgb(214.0, 52.0, 50.0),
        Bed::Blue => Rgb(48.0, 98.0, 204.0),
        Bed::Green => Rgb(46.0, 148.0, 82.0),
        Bed::White => Rgb(252.0, 250.0, 246.0),
        Bed::Yellow => Rgb(250.0, 200.0, 56.0),
    }
}

fn wall_colour(wall: Wall) -> Rgb {
    match wall {
        Wall::Cream => Rgb(246.0, 226.0, 186.0),
        Wall::Turquoise => Rgb(112.0, 200.0, 196.0),
        Wall::Pink => Rgb(248.0, 172.0, 178.0),
        Wall::Grey => Rgb(172.0, 176.0, 184.0),
        Wall::Violet => Rgb(166.0, 132.0, 212.0),
    }
}

/// Moves the origin by the scene's shift and scale around the picture's middle, then starts a thing.
fn begin(canvas: &mut Canvas, look: &Look, name: &'static str, tint: [f32; 3]) {
    let (dx, dy) = look.shift;
    let scale = look.scale;
    canvas.place(64.0 * (1.0 - scale) + dx, 64.0 * (1.0 - scale) + dy, scale);
    canvas.begin(Layer::Figure, tint);
    canvas.name(name);
}
