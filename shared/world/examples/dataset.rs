//! Draws a data set: `dataset --count N --seed S --output PREFIX [--size 128] [--threads 2] [--heldout] [--hero]`.
//!
//! Writes `PREFIX.rgb` (N x size x size x 3 levels, nothing else) and `PREFIX.jsonl` (one [`Record`] a line, in
//! the same order). `--heldout` counts from [`HELD_OUT_SEED`]: training never sees those seeds.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::thread;

use chapan_world::{HELD_OUT_SEED, Record, Scene};

/// Scenes drawn between two writes, per thread.
const CHUNK: u64 = 512;

struct Options {
    count: u64,
    seed: u64,
    output: String,
    size: usize,
    threads: u64,
    hero: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let mut pixels = BufWriter::new(File::create(format!("{}.rgb", options.output))?);
    let mut lines = BufWriter::new(File::create(format!("{}.jsonl", options.output))?);
    let mut done = 0;
    while done < options.count {
        let batch = (CHUNK * options.threads).min(options.count - done);
        let share = batch.div_ceil(options.threads);
        let parts = thread::scope(|scope| {
            let workers: Vec<_> = (0..options.threads)
                .map(|worker| {
                    let from = (worker * share).min(batch);
                    let to = (from + share).min(batch);
                    let options = &options;
                    scope.spawn(move || draw(options, done + from..done + to))
                })
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().map_err(|_| "a drawing thread panicked"))
                .collect::<Vec<_>>()
        });
        for part in parts {
            let (rgb, jsonl) = part??;
            pixels.write_all(&rgb)?;
            lines.write_all(jsonl.as_bytes())?;
        }
        done += batch;
    }
    pixels.flush()?;
    lines.flush()?;
    Ok(())
}

fn draw(options: &Options, range: std::ops::Range<u64>) -> Result<(Vec<u8>, String), serde_json::Error> {
    let (mut rgb, mut jsonl) = (Vec::new(), String::new());
    for index in range {
        let seed = options.seed + index;
        let scene = if options.hero { Scene::hero(seed) } else { Scene::sample(seed) };
        let (picture, record) = Record::of(&scene, options.size);
        rgb.extend_from_slice(&picture.rgb);
        jsonl.push_str(&record.to_json()?);
        jsonl.push('\n');
    }
    Ok((rgb, jsonl))
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options =
        Options { count: 1000, seed: 0, output: "world".to_owned(), size: 128, threads: 2, hero: false };
    let mut held_out = false;
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let mut value = || args.next().ok_or(format!("`{name}` needs a value"));
        match name.as_str() {
            "--count" => options.count = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--output" => options.output = value()?,
            "--size" => options.size = value()?.parse()?,
            "--threads" => options.threads = value()?.parse::<u64>()?.max(1),
            "--heldout" => held_out = true,
            "--hero" => options.hero = true,
            _ => {
                return Err(
                    format!("`{name}` is no option\nhint: see the first lines of this example").into()
                );
            }
        }
    }
    if held_out {
        options.seed += HELD_OUT_SEED;
    }
    Ok(options)
}
