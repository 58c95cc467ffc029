//! Against scikit-image and Pillow: the fixture is written by tests/reference/metrics.py.

use serde_json::Value;

use crate::{
    Filter, ScorePicture, Size, Window, gaussian_blur, histogram_distance, luma, mse, psnr, psnr8, resize,
    ssim, ssim_map8,
};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/metrics.json")).unwrap()
}

/// The pictures of the generator script, repeated.
fn picture(seed: u64, (width, height): (usize, usize), channels: usize, smooth: bool) -> Vec<u8> {
    let mut state = seed as u32;
    let value = |i: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 24) as usize;
        let (x, y) = ((i / channels) % width, (i / channels) / width);
        let level = if smooth { (noise / 8 + x * 5 + y * 3 + (i % channels) * 20) % 256 } else { noise };
        level as u8
    };
    (0..width * height * channels).map(value).collect()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn side(case: &Value, name: &str) -> usize {
    case[name].as_u64().unwrap() as usize
}

#[test]
fn comparisons_equal_scikit_image() {
    let fixture = fixture();
    let cases = fixture["comparisons"].as_array().unwrap();
    assert!(cases.len() >= 5);
    for case in cases {
        let size = Size {
            width: side(case, "width"),
            height: side(case, "height"),
            channels: side(case, "channels"),
        };
        let smooth = case["smooth"].as_bool().unwrap();
        let bytes = |index: usize| {
            let seed = case["seeds"][index].as_u64().unwrap();
            picture(seed, (size.width, size.height), size.channels, smooth)
        };
        let (a8, b8) = (bytes(0), bytes(1));
        let wide = |pixels: &[u8]| pixels.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
        let (a, b) = (wide(&a8), wide(&b8));
        let near = |name: &str, value: f64| {
            let expected = case[name].as_f64().unwrap();
            assert!(
                (value - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                "{name} {size:?}: {value} {expected}"
            );
        };
        near("mse", mse(&a, &b).unwrap());
        near("psnr", psnr(&a, &b, 255.0).unwrap());
        near("ssim_uniform", ssim(&a, &b, size, 255.0, Window::Uniform7).unwrap());
        if !case["ssim_gaussian"].is_null() {
            near("ssim_gaussian", ssim(&a, &b, size, 255.0, Window::Gaussian11).unwrap());
            near("ssim_gaussian", ssim_map8(&a8, &b8, size, Window::Gaussian11).unwrap().mean);
        }
        near("psnr", psnr8(&a8, &b8).unwrap());
        near("ssim_uniform", ssim_map8(&a8, &b8, size, Window::Uniform7).unwrap().mean);
        if size.channels == 3 {
            near("hellinger", histogram_distance(&a8, &b8).unwrap());
        }
    }
}

#[test]
fn resizing_equals_pillow_to_the_byte() {
    let fixture = fixture();
    for case in fixture["resizes"].as_array().unwrap() {
        let size = (side(case, "width"), side(case, "height"));
        let channels = side(case, "channels");
        let target =
            (case["target"][0].as_u64().unwrap() as usize, case["target"][1].as_u64().unwrap() as usize);
        let filter = if case["filter"] == "lanczos" { Filter::Lanczos } else { Filter::Bicubic };
        let pixels = picture(case["seed"].as_u64().unwrap(), size, channels, false);
        let resized = resize(&pixels, size, channels, target, filter).unwrap();
        assert_eq!(resized, bytes(&case["result"]), "{size:?} to {target:?} by {filter:?}");
    }
}

#[test]
fn blurring_equals_pillow_to_the_byte() {
    let fixture = fixture();
    let cases = fixture["blurs"].as_array().unwrap();
    assert!(cases.len() >= 9);
    for case in cases {
        let size = (side(case, "width"), side(case, "height"));
        let radius = case["radius"].as_f64().unwrap() as f32;
        let pixels = picture(case["seed"].as_u64().unwrap(), size, 1, false);
        let blurred = gaussian_blur(&pixels, size, radius).unwrap();
        assert_eq!(blurred, bytes(&case["result"]), "{size:?} by {radius}");
    }
}

#[test]
fn luma_equals_pillow_to_the_byte() {
    let case = &fixture()["luma"];
    let pixels =
        picture(case["seed"].as_u64().unwrap(), (side(case, "width"), side(case, "height")), 3, false);
    assert_eq!(luma(&pixels), bytes(&case["result"]));
}

#[test]
fn the_scores_similarity_equals_pillow_and_scikit_image() {
    let fixture = fixture();
    let cases = fixture["scores"].as_array().unwrap();
    assert!(cases.len() >= 4);
    for case in cases {
        let prepared = |index: usize| {
            let size = &case["sizes"][index];
            let (width, height) = (size[0].as_u64().unwrap() as usize, size[1].as_u64().unwrap() as usize);
            let seed = case["seeds"][index].as_u64().unwrap();
            let pixels = picture(seed, (width, height), 3, case["smooth"].as_bool().unwrap());
            ScorePicture::new(&pixels, width, height).unwrap()
        };
        let (got, expected) = (prepared(0).ssim(&prepared(1)).unwrap(), case["ssim"].as_f64().unwrap());
        assert!((got - expected).abs() <= 1e-6, "{case}: {got}");
    }
}
