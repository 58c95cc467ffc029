//! `chapan upscale`: a picture becomes larger, without a server.

use std::path::{Path, PathBuf};
use std::time::Instant;

use chapan_api::upscale::UpscaleRecord;
use chapan_engine::models::Upscaler;
use chapan_engine::pipelines::upscale::DEFAULT_TILE;
use chapan_engine::pipelines::{Flow, Picture};
use chapan_engine::weights::SafetensorsFile;
use clap::Args;
use serde::Serialize;

use super::generate::check_output;
use super::installed::{find_place, model_folders};
use super::source::{decode, read_file, source_record};
use super::{Failure, output};
use crate::config::Environment;
use crate::files::png::{Pixels, encode_with_records};
use crate::files::upload::own_records;
use crate::hub::UpscalerFile;
use crate::jobs::{Enlargement, enlarge, enlarge_alpha};

/// Options of `chapan upscale`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan upscale --image man.png --scale 4 --output large.png
  chapan upscale --image photo.jpg --scale 2 --model RealESRGAN_x4plus.safetensors --output photo2.png
Any tile size gives the same picture; smaller ones need less memory. A model enlarges by its own scale (2 or 4); for others
the result is made smaller with a Lanczos filter. Models are safetensors of RRDBNet or SRVGGNetCompact, named by
path, or by id from the folder `models/upscalers` of the data folder. Parts to see through stay so.")]
pub struct Arguments {
    /// The picture to enlarge: PNG, JPEG or WebP.
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// Side of the result over side of the picture, above 1 and up to 16.
    #[arg(long, default_value_t = 4.0, allow_negative_numbers = true)]
    scale: f64,
    /// An upscaler's id or file [default: the mini family's own]
    #[arg(long, value_name = "ID|PATH")]
    model: Option<String>,
    /// Side of a tile in pixels of the model's input; 0 computes all at once.
    #[arg(long, default_value_t = DEFAULT_TILE)]
    tile: usize,
    /// The studio's data folder, whose `models` are found by id [default: the user's own]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where to run: auto, cpu, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
    /// Number format of the weights: f32, f16 or bf16 [default: f32 on the CPU, bf16 elsewhere]
    #[arg(long)]
    dtype: Option<String>,
    /// The PNG file to write.
    #[arg(long, value_name = "FILE.png")]
    output: PathBuf,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    output: String,
    duration_ms: u64,
    width: u32,
    height: u32,
    architecture: &'static str,
    #[serde(flatten)]
    record: UpscaleRecord,
}

/// Enlarges the picture and writes it.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let how = Enlargement { scale: arguments.scale, tile: arguments.tile };
    how.check()?;
    check_output(&arguments.output)?;
    let place = find_place(&arguments.device, arguments.dtype.as_deref())?;
    let bytes = read_file(&arguments.image)?;
    let decoded = decode(&arguments.image, &bytes)?;
    let (made, source) = (own_records(&bytes).0, source_record(&bytes));
    drop(bytes);
    let size = (decoded.width as usize, decoded.height as usize);
    let (rgb, alpha) = decoded.into_rgb_and_alpha();
    let picture = Picture { width: size.0, height: size.1, rgb };
    let folders = model_folders(arguments.data_dir.as_deref(), environment);
    let file = find_upscaler(arguments.model.as_deref(), &folders)?;
    let started = Instant::now();
    let upscaler = Upscaler::load(SafetensorsFile::open(&file.path)?, &place.device, place.dtype)?;
    let bar = output::progress_bar(1, "enlarging");
    let image = enlarge(&upscaler, &picture, how, &mut |tiles| {
        bar.set_length(tiles.total as u64);
        bar.set_position(tiles.done as u64);
        Flow::Continue
    })?;
    let alpha = alpha.map(|alpha| enlarge_alpha(&alpha, size, (image.width, image.height))).transpose()?;
    bar.finish_and_clear();

    let model_hash =
        file.weights().sha256().map_err(|error| Failure::new(error, "can the model's file be read?"))?;
    let record = UpscaleRecord {
        image: source,
        scale: arguments.scale,
        model: file.id,
        model_hash: Some(model_hash),
        device: place.name,
        dtype: place.dtype.as_str().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: Some(chapan_engine::NUMBERS.to_owned()),
    };
    let (width, height) = (image.width as u32, image.height as u32);
    let pixels = Pixels { width, height, rgb: &image.rgb, alpha: alpha.as_deref() };
    let png = encode_with_records(pixels, made.as_ref(), Some(&record))
        .map_err(|error| Failure::from_text(&error.to_string()))?;
    output::write_file(&arguments.output, &png)?;
    let duration_ms = started.elapsed().as_millis() as u64;
    let output = arguments.output.display().to_string();
    let architecture = upscaler.architecture();
    if arguments.json {
        return output::say_json(&Report { output, duration_ms, width, height, architecture, record });
    }
    output::say(&format!(
        "{output}: {width}x{height} of {}x{}, {} in {:.1} s ({}, {})",
        size.0,
        size.1,
        record.model,
        duration_ms as f64 / 1000.0,
        record.device,
        record.dtype
    ))
}

/// The upscaler that is meant: a file, one that is installed in `folders`, or the first of those.
pub fn find_upscaler(name: Option<&str>, folders: &[PathBuf]) -> Result<UpscalerFile, Failure> {
    if let Some(name) = name
        && Path::new(name).exists()
    {
        return UpscalerFile::read(Path::new(name)).ok_or_else(|| {
            let fact = format!("`{name}` is no upscaler");
            Failure::new(fact, "name a .safetensors file, or a folder with model.safetensors and config.json")
        });
    }
    let installed = UpscalerFile::installed(folders);
    let known: Vec<String> = installed.iter().map(|file| format!("`{}`", file.id)).collect();
    let hint = if known.is_empty() {
        "no upscaler is installed; `chapan doctor` shows where models are looked for".to_owned()
    } else {
        format!("installed are {}", known.join(", "))
    };
    let wanted = |file: &UpscalerFile| name.is_none_or(|name| file.id.as_str() == name);
    installed.into_iter().find(wanted).ok_or_else(|| match name {
        Some(name) => Failure::new(format!("`{name}` is neither an installed upscaler nor a file"), hint),
        None => Failure::new("there is no upscaler", hint),
    })
}
