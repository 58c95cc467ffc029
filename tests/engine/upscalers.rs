//! Upscalers: the networks within 5e-6 relative L2 of their PyTorch definitions, and tiles without seams.

use std::collections::BTreeMap;

use chapan_engine::models::Upscaler;
use chapan_engine::noise::TorchRng;
use chapan_engine::pipelines::{Flow, Picture, TileProgress, upscale};
use chapan_engine::weights::{InMemory, ShapesOnly};
use chapan_engine::{DType, Device, Error};
use chapan_tests::fixture::{UpscalerFixture, relative_l2};

/// The gate of all networks; the reference differs from itself in 64-bit floats by up to 5.2e-7 here.
const TOLERANCE: f64 = 5e-6;

fn load(file: Vec<u8>) -> Result<Upscaler, Error> {
    Upscaler::load(InMemory::new("fixture", file).unwrap(), &Device::Cpu, DType::F32)
}

fn check(name: &str, architecture: &str, scale: usize) -> Upscaler {
    let fixture = UpscalerFixture::read(name);
    let upscaler = load(fixture.file()).unwrap();
    assert_eq!((upscaler.architecture(), upscaler.scale()), (architecture, scale));
    let out = upscaler.forward(&fixture.tensor("in")).unwrap();
    let distance = relative_l2(&out, &fixture.tensor("out"));
    eprintln!("{name}: {distance:.2e}");
    assert!(distance <= TOLERANCE, "{name} is {distance:.2e} away");
    upscaler
}

/// A picture of noise over a gradient: every pixel has neighbours worth looking at.
fn picture(width: usize, height: usize) -> Picture {
    let noise = TorchRng::new(5).randn(width * height * 3);
    let level = |i: usize| (noise[i] * 60.0 + (i / 3 % width) as f32 * 2.0 + 40.0).clamp(0.0, 255.0) as u8;
    Picture { width, height, rgb: (0..width * height * 3).map(level).collect() }
}

fn whole_and_in_tiles(upscaler: &Upscaler, width: usize, height: usize, tile: usize) {
    let picture = picture(width, height);
    let whole = upscale(upscaler, &picture, 0, &mut |_| Flow::Continue).unwrap();
    let mut seen = Vec::new();
    let tiled = upscale(upscaler, &picture, tile, &mut |progress| {
        seen.push(progress);
        Flow::Continue
    })
    .unwrap();
    let (w, h) = (width * upscaler.scale(), height * upscaler.scale());
    assert_eq!((tiled.width, tiled.height, tiled.rgb.len()), (w, h, w * h * 3));
    let worst = whole.rgb.iter().zip(&tiled.rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    let differ = whole.rgb.iter().zip(&tiled.rgb).filter(|(a, b)| a != b).count();
    eprintln!(
        "{}: {} tiles, at most {worst} of 255, {differ} of {}",
        upscaler.architecture(),
        seen.len(),
        w * h * 3
    );
    // Not a seam that is hard to see, but none: what may differ is the rounding of a last bit.
    assert!(worst <= 1 && differ * 10_000 <= w * h * 3, "{differ} differ, by {worst} at most");
    assert!(seen.len() > upscaler.stages().len(), "there was only one tile");
    let total = seen.len();
    let expected: Vec<TileProgress> = (1..=total).map(|done| TileProgress { done, total }).collect();
    assert_eq!(seen, expected);
}

#[test]
fn rrdb_x4_has_no_seams() {
    whole_and_in_tiles(&check("rrdb_x4", "RRDBNet", 4), 53, 70, 16);
}

#[test]
fn rrdb_x4_under_the_names_of_the_first_esrgan() {
    check("rrdb_x4_old", "RRDBNet", 4);
}

#[test]
fn rrdb_x4_under_the_names_of_the_second_esrgan() {
    check("rrdb_x4_trunk", "RRDBNet", 4);
}

#[test]
fn rrdb_x2_has_no_seams_and_takes_odd_sides() {
    whole_and_in_tiles(&check("rrdb_x2", "RRDBNet", 2), 71, 91, 16);
}

#[test]
fn compact_x4_has_no_seams() {
    whole_and_in_tiles(&check("compact_x4", "SRVGGNetCompact", 4), 45, 61, 24);
}

#[test]
fn compact_x2_has_no_seams() {
    whole_and_in_tiles(&check("compact_x2", "SRVGGNetCompact", 2), 40, 33, 16);
}

#[test]
fn a_cancelled_enlargement_stops_at_the_next_tile() {
    let upscaler = load(UpscalerFixture::read("compact_x2").file()).unwrap();
    let mut told = 0;
    let result = upscale(&upscaler, &picture(64, 64), 16, &mut |_| {
        told += 1;
        if told == 3 { Flow::Cancel } else { Flow::Continue }
    });
    assert!(matches!(result, Err(Error::Cancelled)));
    assert_eq!(told, 3);
}

#[test]
fn what_cannot_be_enlarged_is_refused_with_a_hint() {
    let upscaler = load(UpscalerFixture::read("compact_x2").file()).unwrap();
    let mut silent = |_| Flow::Continue;
    let empty = Picture { width: 0, height: 4, rgb: Vec::new() };
    let torn = Picture { width: 4, height: 4, rgb: vec![0; 47] };
    let vast = Picture { width: 8192, height: 2049, rgb: vec![0; 8192 * 2049 * 3] };
    for (picture, tile, fact) in
        [(&empty, 0, "0x4"), (&torn, 0, "4x4"), (&vast, 256, "16384x4098"), (&torn, 3, "is `3`")]
    {
        let error = upscale(&upscaler, picture, tile, &mut silent).unwrap_err().to_string();
        assert!(error.contains(fact) && error.contains("hint: "), "{error}");
    }
    // A single pixel is a picture.
    let dot = Picture { width: 1, height: 1, rgb: vec![200, 100, 50] };
    assert_eq!(upscale(&upscaler, &dot, 256, &mut silent).unwrap().rgb.len(), 12);
}

/// Names and shapes of a published network.
fn rrdb_shapes(inputs: usize, blocks: usize) -> BTreeMap<String, Vec<usize>> {
    let (features, growth) = (64, 32);
    let mut shapes = BTreeMap::new();
    let mut conv = |name: String, outputs: usize, inputs: usize| {
        shapes.insert(format!("{name}.weight"), vec![outputs, inputs, 3, 3]);
        shapes.insert(format!("{name}.bias"), vec![outputs]);
    };
    conv("conv_first".into(), features, inputs);
    for (block, dense, i) in
        (0..blocks).flat_map(|b| (1..=3).flat_map(move |d| (0..5).map(move |i| (b, d, i))))
    {
        let outputs = if i < 4 { growth } else { features };
        conv(format!("body.{block}.rdb{dense}.conv{}", i + 1), outputs, features + i * growth);
    }
    for name in ["conv_body", "conv_up1", "conv_up2", "conv_hr"] {
        conv(name.into(), features, features);
    }
    conv("conv_last".into(), 3, features);
    shapes
}

fn compact_shapes(convolutions: usize) -> BTreeMap<String, Vec<usize>> {
    let mut shapes = BTreeMap::new();
    for i in 0..convolutions + 2 {
        let (inputs, outputs) = (if i == 0 { 3 } else { 64 }, if i == convolutions + 1 { 48 } else { 64 });
        shapes.insert(format!("body.{}.weight", 2 * i), vec![outputs, inputs, 3, 3]);
        shapes.insert(format!("body.{}.bias", 2 * i), vec![outputs]);
        if i <= convolutions {
            shapes.insert(format!("body.{}.weight", 2 * i + 1), vec![64]);
        }
    }
    shapes
}

/// Every tensor of the published networks is taken exactly once.
#[test]
fn published_networks_are_recognised_by_their_tensors() {
    for (name, shapes, parameters, scale) in [
        ("RealESRGAN_x4plus", rrdb_shapes(3, 23), 16_697_987, 4),
        ("RealESRGAN_x2plus", rrdb_shapes(12, 23), 16_703_171, 2),
        ("RealESRGAN_x4plus_anime_6B", rrdb_shapes(3, 6), 4_467_779, 4),
        ("realesr-general-x4v3", compact_shapes(32), 1_213_296, 4),
        ("realesr-animevideov3", compact_shapes(16), 621_424, 4),
    ] {
        let count: usize = shapes.values().map(|shape| shape.iter().product::<usize>()).sum();
        assert_eq!(count, parameters, "{name}");
        let upscaler = Upscaler::load(ShapesOnly::new(name, shapes), &Device::Cpu, DType::F32).unwrap();
        assert_eq!(upscaler.scale(), scale, "{name}");
    }
}

#[test]
fn other_networks_are_refused() {
    let refused = |shapes: BTreeMap<String, Vec<usize>>| {
        let error = Upscaler::load(ShapesOnly::new("file", shapes), &Device::Cpu, DType::F32).unwrap_err();
        assert!(error.to_string().contains("hint: "), "{error}");
        error.to_string()
    };
    assert!(refused([("layers.0.norm.weight".into(), vec![180])].into()).contains("no known network"));
    let mut grey = rrdb_shapes(3, 2);
    grey.insert("conv_first.weight".into(), vec![64, 1, 3, 3]);
    assert!(refused(grey).contains("1 channels"));
    let mut extra = rrdb_shapes(3, 2);
    extra.insert("body.0.rdb1.conv1x1.weight".into(), vec![32, 64, 1, 1]);
    assert!(refused(extra).contains("conv1x1"));
    let mut torn = rrdb_shapes(3, 2);
    torn.remove("body.1.rdb2.conv3.bias");
    assert!(refused(torn).contains("body.1.rdb2.conv3.bias"));
    let mut flat = compact_shapes(4);
    flat.insert("body.4.weight".into(), vec![64, 64, 1, 1]);
    assert!(refused(flat).contains("body.4"));
    let mut relu = compact_shapes(4);
    relu.retain(|_, shape| shape.as_slice() != [64]);
    assert!(refused(relu).contains("PReLU"));
}
