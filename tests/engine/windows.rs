//! Large pictures in overlapping windows, drawn by the shipped mini model: no seam where windows meet.

use std::path::PathBuf;

use chapan_engine::pipelines::{
    Flow, GenerationParams, ImageToImage, Picture, ProgressEvent, Silent, StableDiffusionXl, Start, Windows,
};
use chapan_engine::{DType, Device, Error};
use chapan_metrics::{Filter, resize};

/// Side of the model's own pictures.
const SIDE: usize = 128;

fn mini() -> StableDiffusionXl {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../assets/models/chapan-mini");
    StableDiffusionXl::load(&folder, &Device::Cpu, DType::F32).unwrap()
}

fn params() -> GenerationParams {
    GenerationParams {
        prompt: "a man with a beard in a red shirt, pastel".to_owned(),
        width: SIDE,
        height: SIDE,
        num_inference_steps: 10,
        seed: 3,
        ..GenerationParams::default()
    }
}

/// A picture of twice the model's size, drawn over in these windows.
fn drawn_over(
    model: &StableDiffusionXl,
    windows: Option<Windows>,
    strength: f64,
    keep_coarse: Option<f64>,
) -> Picture {
    let small = model.generate(&params(), &mut Silent).unwrap().image;
    let rgb = resize(&small.rgb, (SIDE, SIDE), 3, (2 * SIDE, 2 * SIDE), Filter::Lanczos).unwrap();
    let image = Picture { width: 2 * SIDE, height: 2 * SIDE, rgb };
    let start = Start::Picture(ImageToImage { image, strength });
    let call =
        GenerationParams { width: 2 * SIDE, height: 2 * SIDE, windows, start, keep_coarse, ..params() };
    model.generate(&call, &mut Silent).unwrap().image
}

/// The mean difference of neighbours across each line between columns.
fn steps(picture: &Picture) -> Vec<f64> {
    let width = picture.width;
    let level = |x: usize, y: usize, c: usize| f64::from(picture.rgb[(y * width + x) * 3 + c]);
    let step = |x: usize| -> f64 {
        let rows = (0..picture.height).flat_map(|y| (0..3).map(move |c| (y, c)));
        rows.map(|(y, c)| (level(x, y, c) - level(x - 1, y, c)).abs()).sum::<f64>()
    };
    (1..width).map(|x| step(x) / (3 * picture.height) as f64).collect()
}

/// How much steeper the picture is at the line before column `x` than around it.
fn seam(picture: &Picture, x: usize) -> f64 {
    let steps = steps(picture);
    let around: Vec<f64> = (x - 12..x + 12).filter(|at| at.abs_diff(x) > 2).map(|at| steps[at - 1]).collect();
    steps[x - 1] / (around.iter().sum::<f64>() / around.len() as f64)
}

#[test]
fn one_window_of_all_is_the_picture_at_once() {
    let model = mini();
    let whole = model.generate(&params(), &mut Silent).unwrap().image;
    let windows = Some(Windows { side: 2 * SIDE, overlap: 32 });
    let same = model.generate(&GenerationParams { windows, ..params() }, &mut Silent).unwrap().image;
    assert_eq!(whole, same);
}

#[test]
fn a_step_of_many_windows_can_be_stopped_within() {
    let windows = Some(Windows { side: SIDE / 2, overlap: 0 });
    let mut told = Vec::new();
    let mut stop_at_the_third = |event: ProgressEvent<'_>| {
        let ProgressEvent::Window { index, total } = event else { return Flow::Continue };
        told.push((index, total));
        if told.len() == 3 { Flow::Cancel } else { Flow::Continue }
    };
    let call = GenerationParams { windows, ..params() };
    let stopped = mini().generate(&call, &mut stop_at_the_third).unwrap_err();
    assert!(matches!(stopped, Error::Cancelled), "{stopped}");
    assert_eq!(told, [(0, 4), (1, 4), (2, 4)]);
}

#[test]
fn where_windows_meet_there_is_no_seam_and_without_an_overlap_there_is_one() {
    let model = mini();
    let cut = drawn_over(&model, Some(Windows { side: SIDE, overlap: 0 }), 0.6, None);
    let blended = drawn_over(&model, Some(Windows::of_size(SIDE)), 0.6, None);
    // Three windows a side begin at 0, 64 and 128: their edges are at 64, 128 and 192.
    let worst = [64, 128, 192].map(|x| seam(&blended, x)).into_iter().fold(0.0, f64::max);
    println!("across the edge of windows: {:.2} without, {worst:.2} with an overlap", seam(&cut, SIDE));
    assert!(worst < 1.5, "{worst}");
    assert!(seam(&cut, SIDE) > 1.5, "the measure sees a seam: {}", seam(&cut, SIDE));
    assert_eq!(blended, drawn_over(&model, Some(Windows::of_size(SIDE)), 0.6, None), "the same again");
}

/// How far a picture is from the first one at the size of that, in levels of 255 on average.
fn apart(picture: &Picture, first: &Picture) -> f64 {
    let size = (first.width, first.height);
    let small = resize(&picture.rgb, (picture.width, picture.height), 3, size, Filter::Lanczos).unwrap();
    let sum: u64 = small.iter().zip(&first.rgb).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / small.len() as f64
}

#[test]
fn what_the_first_picture_shows_is_kept_where_windows_would_draw_it_many_times() {
    let model = mini();
    let first = model.generate(&params(), &mut Silent).unwrap().image;
    let windows = Some(Windows::of_size(SIDE));
    let (free, kept) = (drawn_over(&model, windows, 0.7, None), drawn_over(&model, windows, 0.7, Some(2.0)));
    let (free, kept) = (apart(&free, &first), apart(&kept, &first));
    println!("from the first picture: {free:.1} levels, {kept:.1} with what is coarse kept");
    assert!(kept < free * 0.7, "{kept} {free}");
    // It is no copy: what is finer is drawn anew.
    assert!(kept > 0.5, "{kept}");
}
