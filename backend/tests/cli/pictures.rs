//! Stories of `chapan generate` that start from a picture.

use std::path::{Path, PathBuf};

use super::generate::{decode, generate};

/// A picture of `tests/fixtures/pictures`: 24x17 in all formats that people bring.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pictures").join(name)
}

/// Writes 8-bit grey rows.
fn write_mask(path: &Path, width: u32, height: u32, level: impl Fn(u32, u32) -> u8) {
    let levels: Vec<u8> =
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| level(x, y)).collect();
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(&levels).unwrap();
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_kind_of_picture_can_be_started_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for name in ["rgb.png", "rgba.png", "grey16.png", "cmyk.jpg", "turn_6.jpg", "moving.webp"] {
        let output = folder.path().join("out.png");
        let image = text(&fixture(name));
        let run =
            generate(&output, &["--prompt", "a man", "--seed", "3", "--image", &image, "--strength", "0.6"]);
        assert_eq!(run.status, 0, "{name}: {}", run.stderr);
        let (frame, pixels, _) = decode(&output);
        assert_eq!((frame.width, frame.height), (32, 24), "{name}");
        seen.push(pixels);
    }
    assert_eq!(seen[0], seen[1], "alpha is dropped");
    assert_ne!(seen[0], seen[2]);
}

#[test]
fn the_picture_gives_the_size_where_none_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.png");
    let model = text(&super::tiny_model());
    for (image, mask, expected) in
        [("rgb.png", false, (24, 16)), ("turn_6.jpg", false, (16, 24)), ("rgb.png", true, (24, 16))]
    {
        let (image, painted) = (text(&fixture(image)), folder.path().join("mask.png"));
        write_mask(&painted, 24, 17, |x, _| if x < 9 { 255 } else { 0 });
        let painted = text(&painted);
        let out = text(&output);
        let mut arguments = vec![
            "generate",
            "--model",
            &model,
            "--prompt",
            "x",
            "--num-inference-steps",
            "4",
            "--image",
            &image,
            "--output",
            &out,
        ];
        if mask {
            arguments.extend(["--mask-image", &painted]);
        }
        let run = super::chapan(&arguments);
        assert_eq!(run.status, 0, "{}", run.stderr);
        let (frame, ..) = decode(&output);
        assert_eq!((frame.width, frame.height), expected);
    }
}

#[test]
fn only_the_masked_area_changes_and_the_picture_keeps_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let (mask, output) = (folder.path().join("mask.png"), folder.path().join("out.png"));
    let white = |x: u32, y: u32| (5..12).contains(&x) && (4..9).contains(&y);
    write_mask(&mask, 24, 17, |x, y| if white(x, y) { 255 } else { 0 });
    let (image, mask) = (text(&fixture("rgb.png")), text(&mask));
    for content in ["original", "noise"] {
        let run = generate(
            &output,
            &[
                "--prompt",
                "a hat",
                "--seed",
                "1",
                "--image",
                &image,
                "--mask-image",
                &mask,
                "--padding-mask-crop",
                "2",
                "--masked-content",
                content,
                "--strength",
                "0.7",
            ],
        );
        assert_eq!(run.status, 0, "{}", run.stderr);
        let (frame, pixels, _) = decode(&output);
        assert_eq!((frame.width, frame.height), (24, 17));
        let (_, before, _) = decode(&fixture("rgb.png"));
        let mut changed = 0;
        for (index, (new, old)) in pixels.chunks_exact(3).zip(before.chunks_exact(3)).enumerate() {
            let (x, y) = (index as u32 % 24, index as u32 / 24);
            assert!(new == old || white(x, y), "pixel {x},{y} changed");
            changed += usize::from(new != old);
        }
        assert!(changed > 20, "{changed} pixels changed");
    }
}

#[test]
fn several_pictures_have_names_and_seeds_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("man.png");
    let run = generate(
        &output,
        &[
            "--prompt",
            "a man",
            "--seed",
            "7",
            "--num-images-per-prompt",
            "3",
            "--scheduler",
            "euler_a",
            "--json",
        ],
    );
    let images = run.json()["images"].as_array().unwrap().clone();
    let seeds: Vec<_> = images.iter().map(|image| image["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [7, 8, 9]);
    assert!(!output.exists());
    let alone = folder.path().join("alone.png");
    assert_eq!(generate(&alone, &["--prompt", "a man", "--seed", "9", "--scheduler", "euler_a"]).status, 0);
    assert_eq!(decode(&alone).1, decode(&folder.path().join("man-3.png")).1);
    assert_ne!(decode(&alone).1, decode(&folder.path().join("man-1.png")).1);
}

#[test]
fn variations_lie_between_two_seeds() {
    let folder = tempfile::tempdir().unwrap();
    let draw = |name: &str, more: &[&str]| {
        let output = folder.path().join(name);
        let arguments = [&["--prompt", "a man"][..], more].concat();
        let run = generate(&output, &arguments);
        assert_eq!(run.status, 0, "{}", run.stderr);
        decode(&output).1
    };
    let apart = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
    let own = draw("own.png", &["--seed", "7"]);
    let other = draw("other.png", &["--seed", "8"]);
    let near = draw("near.png", &["--seed", "7", "--variation-seed", "8", "--variation-strength", "0.1"]);
    let none = draw("none.png", &["--seed", "7", "--variation-seed", "8", "--variation-strength", "0"]);
    assert_eq!(own, none);
    let arguments =
        ["--prompt", "a man", "--seed", "7", "--variation-seed", "7", "--variation-strength", "0.2"];
    let several = [&arguments[..], &["--num-images-per-prompt", "2", "--json"]].concat();
    let images = generate(&folder.path().join("like.png"), &several).json()["images"].clone();
    for (index, towards) in [(0, 7), (1, 8)] {
        assert_eq!(
            (images[index]["seed"].as_u64(), images[index]["variation_seed"].as_u64()),
            (Some(7), Some(towards))
        );
    }
    assert!(apart(&near, &own) > 0 && apart(&near, &own) < apart(&near, &other));
}

#[test]
fn wrong_uses_are_status_2_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let mask = folder.path().join("mask.png");
    write_mask(&mask, 17, 24, |_, _| 255);
    let (image, mask, output) = (text(&fixture("rgb.png")), text(&mask), folder.path().join("never.png"));
    let cases: [(&[&str], &str); 12] = [
        (&["--strength", "0.5"], "--image"),
        (&["--mask-image", &mask], "--image"),
        (&["--image", &image, "--mask-blur", "4"], "--mask-image"),
        (&["--image", &image, "--padding-mask-crop", "4"], "--mask-image"),
        (&["--image", &image, "--strength", "1.5"], "outside 0 to 1"),
        (&["--image", &image, "--strength", "NaN"], "outside 0 to 1"),
        (&["--image", &image, "--strength", "0.1"], "none is left"),
        (&["--image", &image, "--mask-image", &mask], "17x24"),
        (&["--image", &image, "--mask-image", &image, "--mask-blur", "-1"], "mask-blur"),
        (&["--image", &image, "--mask-image", &image, "--masked-content", "fog"], "fog"),
        (&["--num-images-per-prompt", "0"], "num-images-per-prompt"),
        (&["--variation-strength", "2"], "variation-strength"),
    ];
    for (more, words) in cases {
        let run = generate(&output, &[&["--prompt", "x"][..], more].concat());
        assert_eq!(run.status, 2, "{more:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{more:?}: {}", run.stderr);
        assert!(!output.exists());
    }
}

#[test]
fn files_that_are_no_usable_picture_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let png = std::fs::read(fixture("rgb.png")).unwrap();
    std::fs::write(path("short.png"), &png[..png.len() / 2]).unwrap();
    std::fs::write(path("text.png"), "a picture of a hat").unwrap();
    std::fs::write(path("empty.png"), "").unwrap();
    std::fs::write(path("photo.heic"), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap();
    // A header that says 50,000x50,000; the checksum is that of this header.
    let mut huge = png.clone();
    huge[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    huge.resize(100_000, 0);
    std::fs::write(path("huge.png"), &huge).unwrap();
    let output = path("never.png");
    for (name, words) in [
        ("short.png", "cut off or damaged"),
        ("text.png", "no picture that is known"),
        ("empty.png", "the file is empty"),
        ("photo.heic", "HEIC"),
        ("huge.png", "50000x50000"),
        ("missing.png", "cannot read"),
    ] {
        let run = generate(&output, &["--prompt", "x", "--image", &text(&path(name))]);
        assert_eq!(run.status, 1, "{name}: {}", run.stderr);
        assert!(run.stderr.contains(words) && run.stderr.contains("\nhint: "), "{name}: {}", run.stderr);
        assert!(!output.exists());
    }
}
