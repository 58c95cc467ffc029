//! Draws `assets/references/sepia`: `sepia FOLDER`. The world as an old photograph shows it: brown on cream, the corners
//! darker. No other style of the world looks like that, so it is what a LoRA of a style can learn.

use std::error::Error;
use std::fs;
use std::path::Path;

use chapan_world::{Picture, Scene};

const SIZE: usize = 256;
/// Scenes that the mini models may have seen; how they look here is new. Chosen by eye, for variety.
const SEEDS: [u64; 12] = [3, 8, 14, 21, 27, 33, 41, 52, 60, 74, 85, 97];
/// The word that calls the style.
const TRIGGER: &str = "sepia photo";

/// Ink and paper, red, green and blue.
const INK: [f32; 3] = [46.0, 28.0, 16.0];
const PAPER: [f32; 3] = [244.0, 226.0, 190.0];

fn main() -> Result<(), Box<dyn Error>> {
    let folder =
        std::env::args().nth(1).ok_or("say where to write, as in `sepia assets/references/sepia`")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    for seed in SEEDS {
        let scene = Scene::sample(seed);
        let picture = aged(scene.draw(SIZE));
        fs::write(folder.join(format!("sepia-{seed:04}.png")), picture.to_png()?)?;
        // The world's own style is not to be seen any more, so the caption does not name it.
        let said = scene.full_caption();
        let said = said.rsplit_once(", ").map_or(said.as_str(), |(words, _)| words);
        let caption = format!("{TRIGGER}, {said}\n");
        fs::write(folder.join(format!("sepia-{seed:04}.txt")), caption)?;
    }
    Ok(())
}

/// Brightness alone, between ink and paper, less of it towards the corners.
fn aged(mut picture: Picture) -> Picture {
    let middle = SIZE as f32 / 2.0;
    for (place, pixel) in picture.rgb.chunks_exact_mut(3).enumerate() {
        let luma = 0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2]);
        let (x, y) = ((place % SIZE) as f32 - middle, (place / SIZE) as f32 - middle);
        let far = (x * x + y * y) / (2.0 * middle * middle);
        let light = luma / 255.0 * (1.0 - 0.35 * far);
        for (value, (ink, paper)) in pixel.iter_mut().zip(INK.iter().zip(PAPER)) {
            *value = (ink + (paper - ink) * light).round() as u8;
        }
    }
    picture
}
