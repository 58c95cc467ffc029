//! Draws `assets/references/aldar`: `references FOLDER`. The seeds were chosen by eye, for variety.

use std::error::Error;
use std::fs;
use std::path::Path;

use chapan_world::Scene;

/// Side of a reference picture: larger than the mini models' 128, so that people can look at it.
const SIZE: usize = 512;
/// Five pictures to train on; none is at night, none on a horse, none in a room.
const TRAINING: [u64; 5] = [1114, 1141, 237, 1606, 312];
/// Eight pictures never trained on: other expressions, poses, backgrounds and the night.
const HELD_OUT: [u64; 8] = [252, 230, 1729, 298, 21, 952, 416, 231];

fn main() -> Result<(), Box<dyn Error>> {
    let folder =
        std::env::args().nth(1).ok_or("say where to write, as in `references assets/references/aldar`")?;
    for (name, seeds) in [("training", &TRAINING[..]), ("held-out", &HELD_OUT[..])] {
        let folder = Path::new(&folder).join(name);
        fs::create_dir_all(&folder)?;
        for &seed in seeds {
            let scene = Scene::hero(seed);
            fs::write(folder.join(format!("hero-{seed:04}.png")), scene.draw(SIZE).to_png()?)?;
            let caption = scene.named_caption("aldar kose");
            fs::write(folder.join(format!("hero-{seed:04}.txt")), caption + "\n")?;
        }
    }
    Ok(())
}
