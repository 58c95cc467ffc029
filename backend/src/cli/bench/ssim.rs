//! `chapan bench ssim`: how long a structural similarity takes, and whether it is scikit-image's.
//!
//! Every side uses one thread. With `--python` and `--browser` they take turns on the same two pictures; one round before the
//! measured ones warms caches. Times are medians.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use base64::Engine;
use chapan_metrics::{Filter, Size, Window, resize, ssim_map8};
use chapan_world::{HELD_OUT_SEED, Scene};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::browser::{Browser, Measured};
use super::median;
use super::reference::Conversation;
use crate::cli::{Failure, output};
use crate::config::assets_folders;
use crate::files::png::encode_bare_png;

/// The Python side; it travels inside the program, so that a bench needs no repository.
const SCRIPT: &str = include_str!("../../../../tests/reference/bench_ssim.py");

/// Options of `chapan bench ssim`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan bench ssim
  chapan bench ssim --rounds 21 --python ~/venv/bin/python      # a Python with scikit-image
  chapan bench ssim --browser chromium                          # the same in the studio's worker, in WebAssembly")]
pub struct Arguments {
    /// A Python with scikit-image, to measure the same pictures there.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// A Chromium, to measure the same pictures in the studio's worker.
    #[arg(long, value_name = "PATH")]
    browser: Option<PathBuf>,
    /// The built front end, whose worker the browser runs [default: the one that `chapan serve` shows]
    #[arg(long, value_name = "DIR", requires = "browser")]
    static_dir: Option<PathBuf>,
    /// Measured rounds; one more warms up.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Width and height in pixels.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=8192))]
    size: u32,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Figures of one window.
#[derive(Debug, Serialize)]
struct Mode {
    mode: &'static str,
    value: f64,
    native_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scikit_image_ms: Option<f64>,
    /// Our median divided by theirs: below 1 we are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    /// How far our value is from theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wasm_ms: Option<f64>,
    /// The browser's median divided by the native one.
    #[serde(skip_serializing_if = "Option::is_none")]
    wasm_to_native: Option<f64>,
    /// How far the browser's value is from the native one.
    #[serde(skip_serializing_if = "Option::is_none")]
    wasm_difference: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Report {
    size: u32,
    rounds: u32,
    modes: Vec<Mode>,
}

#[derive(Deserialize)]
struct Answer {
    seconds: f64,
    value: f64,
}

/// Measures and reports.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let side = arguments.size as usize;
    let (a, b) = pictures(side)?;
    let size = Size { width: side, height: side, channels: 3 };
    let mut python = match &arguments.python {
        Some(path) => {
            let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
            let given = json!({"width": side, "height": side, "a": base64(&a), "b": base64(&b)});
            Some(Conversation::start(path, SCRIPT, &[], Some(&given))?)
        }
        None => None,
    };
    let mut browser = match &arguments.browser {
        Some(path) => {
            let front_end = match &arguments.static_dir {
                Some(folder) => folder.clone(),
                None => shipped_front_end()?,
            };
            let png = |rgb: &[u8]| {
                let side = arguments.size;
                encode_bare_png(side, side, rgb).map_err(|error| Failure::from_text(&error.to_string()))
            };
            Some(Browser::start(path, &front_end, [png(&a)?, png(&b)?])?)
        }
        None => None,
    };
    let mut modes = Vec::new();
    for (mode, window) in [("uniform", Window::Uniform7), ("gaussian", Window::Gaussian11)] {
        let (mut ours, mut theirs, mut wasm) = (Vec::new(), Vec::new(), Vec::new());
        let (mut value, mut difference, mut wasm_difference) = (0.0, None, None);
        for _ in 0..=arguments.rounds {
            let started = Instant::now();
            let map = ssim_map8(black_box(&a), black_box(&b), size, window);
            let seconds = started.elapsed().as_secs_f64();
            value = map.map_err(|error| Failure::from_text(&error.to_string()))?.mean;
            ours.push(seconds);
            if let Some(python) = &mut python {
                let answer: Answer = python.ask(&json!({ "mode": mode }))?;
                theirs.push(answer.seconds);
                difference = Some((value - answer.value).abs());
            }
            if let Some(browser) = &mut browser {
                let (measured, milliseconds) = of_window(&browser.measure()?, window)?;
                wasm.push(milliseconds);
                wasm_difference = Some((value - measured).abs());
            }
        }
        // The first round only warmed up.
        let native_ms = median(&ours[1..]) * 1000.0;
        let scikit_image_ms = python.is_some().then(|| median(&theirs[1..]) * 1000.0);
        let ratio = scikit_image_ms.map(|theirs| native_ms / theirs);
        let wasm_ms = browser.is_some().then(|| median(&wasm[1..]));
        let wasm_to_native = wasm_ms.map(|wasm| wasm / native_ms);
        modes.push(Mode {
            mode,
            value,
            native_ms,
            scikit_image_ms,
            ratio,
            difference,
            wasm_ms,
            wasm_to_native,
            wasm_difference,
        });
    }
    if let Some(python) = python {
        python.finish()?;
    }
    let report = Report { size: arguments.size, rounds: arguments.rounds, modes };
    if arguments.json { output::say_json(&report) } else { say(&report) }
}

/// Value and milliseconds of one of the windows that the browser measured.
fn of_window(measured: &Measured, window: Window) -> Result<(f64, f64), Failure> {
    match window {
        Window::Uniform7 => Ok((measured.ssim, measured.ssim_ms)),
        Window::Gaussian11 => {
            measured.ssim_gaussian.map(|value| (value, measured.gaussian_ms)).ok_or_else(|| {
                Failure::new("the browser did not measure with the Gaussian window", "choose larger pictures")
            })
        }
    }
}

fn shipped_front_end() -> Result<PathBuf, Failure> {
    assets_folders("dist").into_iter().next().ok_or_else(|| {
        Failure::new(
            "there is no built front end",
            "build it with `cargo xtask build`, or name its folder with --static-dir",
        )
    })
}

/// A picture of the world, and the same made small and large again.
fn pictures(side: usize) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let fail = |error: chapan_metrics::MetricError| Failure::from_text(&error.to_string());
    let picture = Scene::sample(HELD_OUT_SEED).draw(side);
    let small = (side / 4, side / 4);
    let blurred = resize(&picture.rgb, (side, side), 3, small, Filter::Lanczos).map_err(fail)?;
    let blurred = resize(&blurred, small, 3, (side, side), Filter::Bicubic).map_err(fail)?;
    Ok((picture.rgb, blurred))
}

fn say(report: &Report) -> Result<(), Failure> {
    output::say(&format!(
        "structural similarity of two pictures of {0}x{0}, one thread, median of {1}",
        report.size, report.rounds
    ))?;
    let header =
        ["", "SSIM", "CHAPAN", "SCIKIT-IMAGE", "RATIO", "DIFFERENCE", "BROWSER", "TO CHAPAN", "DIFFERENCE"]
            .map(str::to_owned);
    let rows = report.modes.iter().map(|mode| {
        let optional = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            mode.mode.to_owned(),
            format!("{:.6}", mode.value),
            format!("{:.1} ms", mode.native_ms),
            optional(mode.scikit_image_ms.map(|ms| format!("{ms:.1} ms"))),
            optional(mode.ratio.map(|ratio| format!("{ratio:.3}"))),
            optional(mode.difference.map(|difference| format!("{difference:.1e}"))),
            optional(mode.wasm_ms.map(|ms| format!("{ms:.1} ms"))),
            optional(mode.wasm_to_native.map(|ratio| format!("{ratio:.2}"))),
            optional(mode.wasm_difference.map(|difference| format!("{difference:.1e}"))),
        ]
    });
    output::say_table(std::iter::once(header).chain(rows))
}
