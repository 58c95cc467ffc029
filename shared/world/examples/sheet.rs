//! A contact sheet: `sheet OUTPUT.png COLUMNS ROWS SIZE FIRST_SEED [hero|portraits|rooms|mixed]`; a mixed one ends with
//! a row of the hero.

use chapan_world::{Picture, Scene, Subject};

/// Heroes of different styles and poses, for the last row of a mixed sheet.
const HEROES: [u64; 8] = [1114, 416, 1141, 1606, 230, 312, 237, 21];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let number =
        |index: usize, default: usize| args.get(index).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (columns, rows, size, first) = (number(2, 8), number(3, 6), number(4, 128), number(5, 0));
    let kind = args.get(6).map_or("", String::as_str);
    let mut sheet = Picture {
        width: columns * size,
        height: rows * size,
        rgb: vec![0; columns * size * rows * size * 3],
    };
    let mut seed = first as u64;
    for cell in 0..columns * rows {
        let scene = loop {
            let last_row = cell >= columns * (rows - 1);
            let scene = match kind {
                "hero" => Scene::hero(seed),
                "mixed" if last_row => Scene::hero(HEROES[cell % columns % HEROES.len()]),
                _ => Scene::sample(seed),
            };
            seed += 1;
            match (&scene.subject, kind) {
                (Subject::Portrait(_), "rooms") | (Subject::Room(_), "portraits") => {}
                _ => break scene,
            }
        };
        paste(&mut sheet, &scene.draw(size), cell % columns * size, cell / columns * size);
    }
    std::fs::write(args.get(1).map_or("sheet.png", String::as_str), sheet.to_png()?)?;
    Ok(())
}

fn paste(sheet: &mut Picture, picture: &Picture, left: usize, top: usize) {
    for row in 0..picture.height {
        let from = row * picture.width * 3;
        let to = ((top + row) * sheet.width + left) * 3;
        sheet.rgb[to..to + picture.width * 3].copy_from_slice(&picture.rgb[from..from + picture.width * 3]);
    }
}
