//! `chapan world`: pictures of the procedural drawing world, with captions and attributes.

use std::path::PathBuf;

use chapan_world::{METADATA, Scene, write_folder};
use clap::Args;
use serde::Serialize;

use super::{Failure, output};

/// Options of `chapan world`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan world --count 100 --seed 0 --output scenes      # scenes of seeds 0 to 99
  chapan world --count 5 --hero --output aldar           # the hero that no model was trained on
The folder can be opened with any image-folder loader: metadata.jsonl holds captions and attributes.")]
pub struct Arguments {
    /// How many pictures.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    count: u64,
    /// Seed of the first picture; the next ones follow.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Width and height in pixels.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(16..=4096))]
    size: u32,
    /// Draw the hero instead of scenes at random.
    #[arg(long)]
    hero: bool,
    /// The folder to write; it must not hold a set already.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    count: u64,
    seed: u64,
    size: u32,
    output: String,
    metadata: String,
}

/// Draws the pictures and writes the folder.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { count, seed, size, hero, .. } = *arguments;
    let Some(end) = seed.checked_add(count) else {
        let fact = format!("`--seed {seed}` and `--count {count}` go beyond 2^64");
        return Err(Failure::usage(fact, "take a smaller seed"));
    };
    let bar = output::progress_bar(count, "drawing");
    let scenes = (seed..end).map(|seed| if hero { Scene::hero(seed) } else { Scene::sample(seed) });
    write_folder(&arguments.output, scenes, size as usize, |done| bar.set_position(done as u64))
        .map_err(|error| Failure::from_text(&error.to_string()))?;
    bar.finish_and_clear();
    let metadata = arguments.output.join(METADATA).display().to_string();
    let output = arguments.output.display().to_string();
    if arguments.json {
        return output::say_json(&Report { count, seed, size, output, metadata });
    }
    output::say(&format!(
        "{output}: {count} pictures of {size}x{size}, seeds {seed} to {}; {metadata}",
        end - 1
    ))
}
