//! Stories of `chapan upscale`, with the mini family's own upscaler.

use std::path::{Path, PathBuf};

use chapan::files::png::{Pixels, encode_with_records};

use super::{Run, chapan};

/// A picture that the mini model drew, 128x128.
fn drawn() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/mini/0-ddim.png")
}

fn upscale(image: &Path, output: &Path, more: &[&str]) -> Run {
    let mut arguments: Vec<&std::ffi::OsStr> =
        vec!["upscale".as_ref(), "--image".as_ref(), image.as_ref(), "--output".as_ref(), output.as_ref()];
    arguments.extend(more.iter().map(std::ffi::OsStr::new));
    chapan(&arguments)
}

/// Width, height, RGB and the texts of a PNG.
fn read(path: &Path) -> (u32, u32, Vec<u8>, Vec<(String, String)>) {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let info = reader.info();
    let texts = info.uncompressed_latin1_text.iter().map(|text| (text.keyword.clone(), text.text.clone()));
    (info.width, info.height, pixels, texts.collect())
}

#[test]
fn a_picture_becomes_larger_by_any_factor_and_says_how() {
    let folder = tempfile::tempdir().unwrap();
    for (scale, side) in [("4", 512), ("3", 384), ("2", 256), ("1.5", 192), ("6", 768)] {
        let output = folder.path().join(format!("{scale}.png"));
        let run = upscale(&drawn(), &output, &["--scale", scale, "--json", "--device", "cpu"]);
        let report = run.json();
        assert_eq!((report["width"].as_u64(), report["height"].as_u64()), (Some(side), Some(side)));
        assert_eq!(report["model"], "chapan-mini-upscaler");
        assert_eq!(report["architecture"], "SRVGGNetCompact");
        let (width, height, _, texts) = read(&output);
        assert_eq!((u64::from(width), u64::from(height)), (side, side));
        let record: serde_json::Value = serde_json::from_str(&texts[0].1).unwrap();
        assert_eq!(texts[0].0, "chapan.upscale");
        for name in ["image", "model", "model_hash", "scale", "device", "dtype", "version", "engine"] {
            assert_eq!(record[name], report[name], "{name}");
        }
        assert_eq!(record["image"]["sha256"].as_str().unwrap().len(), 64);
        assert_eq!(record["model_hash"].as_str().unwrap().len(), 64);
    }
}

#[test]
fn what_shows_through_stays_so_and_the_record_of_the_drawing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (source, output) = (folder.path().join("ring.png"), folder.path().join("large.png"));
    // A disc in the middle; around it one sees through.
    let inside = |x: i32, y: i32| (x - 12).pow(2) + (y - 8).pow(2) < 36;
    let alpha: Vec<u8> = (0..24 * 16).map(|i| if inside(i % 24, i / 24) { 255 } else { 0 }).collect();
    let record: chapan_api::image::ImageRecord = serde_json::from_str(
        r#"{"prompt":"a disc","model":"m","seed":7,"num_inference_steps":2,"guidance_scale":5.0,"width":24,"height":16,
            "scheduler":"euler","device":"cpu","dtype":"f32","version":"0.1.0"}"#,
    )
    .unwrap();
    let pixels = Pixels { width: 24, height: 16, rgb: &[120; 24 * 16 * 3], alpha: Some(&alpha) };
    std::fs::write(&source, encode_with_records(pixels, Some(&record), None).unwrap()).unwrap();
    assert_eq!(upscale(&source, &output, &["--scale", "3"]).status, 0);
    let (width, height, pixels, texts) = read(&output);
    assert_eq!((width, height, pixels.len()), (72, 48, 72 * 48 * 4));
    let opacity = |x: usize, y: usize| pixels[(y * 72 + x) * 4 + 3];
    assert_eq!((opacity(36, 24), opacity(0, 0), opacity(71, 47)), (255, 0, 0));
    let keywords: Vec<&str> = texts.iter().map(|(keyword, _)| keyword.as_str()).collect();
    assert_eq!(keywords, ["parameters", "chapan", "chapan.upscale"]);
    assert_eq!(serde_json::from_str::<chapan_api::image::ImageRecord>(&texts[1].1).unwrap(), record);
}

#[test]
fn sixteen_times_is_four_times_and_four_times_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rgb: Vec<u8> = (0..16 * 12 * 3).map(|i| (i * 11 % 256) as u8).collect();
    std::fs::write(path("small.png"), chapan::files::png::encode_bare_png(16, 12, &rgb).unwrap()).unwrap();
    assert_eq!(upscale(&path("small.png"), &path("at-once.png"), &["--scale", "16"]).status, 0);
    assert_eq!(upscale(&path("small.png"), &path("once.png"), &["--scale", "4"]).status, 0);
    assert_eq!(upscale(&path("once.png"), &path("twice.png"), &["--scale", "4"]).status, 0);
    assert_eq!(read(&path("at-once.png")).2, read(&path("twice.png")).2);
}

#[test]
fn tiles_leave_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, tiled) = (folder.path().join("whole.png"), folder.path().join("tiled.png"));
    assert_eq!(upscale(&drawn(), &whole, &["--tile", "0"]).status, 0);
    assert_eq!(upscale(&drawn(), &tiled, &["--tile", "50"]).status, 0);
    let (whole, tiled) = (read(&whole).2, read(&tiled).2);
    let worst = whole.iter().zip(&tiled).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(worst <= 1, "{worst} of 255");
    assert_eq!(whole.len(), 512 * 512 * 3);
}

#[test]
fn hostile_input_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let good = std::fs::read(drawn()).unwrap();
    let mut vast = good[..64].to_vec();
    vast[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let output = folder.path().join("out.png");
    for (image, words) in [
        (file("empty.png", b""), "empty"),
        (file("text.png", b"not a picture at all"), "PNG, JPEG or WebP"),
        (file("cut.png", &good[..good.len() / 2]), "cut off or damaged"),
        (file("vast.png", &vast), "hint: "),
        (folder.path().join("missing.png"), "missing.png"),
        (folder.path().to_owned(), "hint: "),
    ] {
        let run = upscale(&image, &output, &[]);
        assert_eq!(run.status, 1, "{}: {}", image.display(), run.stderr);
        assert!(run.stderr.contains(words) && run.stderr.contains("hint: "), "{}", run.stderr);
    }
    for (option, value) in [
        ("--scale", "0.5"),
        ("--scale", "NaN"),
        ("--scale", "17"),
        ("--scale", "-4"),
        ("--tile", "3"),
        ("--dtype", "f8"),
    ] {
        let run = upscale(&drawn(), &output, &[option, value]);
        assert_eq!(run.status, 2, "{option} {value}: {}", run.stderr);
        assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    }
    let run = upscale(&drawn(), &folder.path().join("out.jpg"), &[]);
    assert!(run.status == 2 && run.stderr.contains(".png"), "{}", run.stderr);
    let run = upscale(&drawn(), &output, &["--model", "no-such-upscaler"]);
    assert!(run.status == 1 && run.stderr.contains("`chapan-mini-upscaler`"), "{}", run.stderr);
    // A model of another kind.
    let clip =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/chapan-mini-judge/model.safetensors");
    let run = upscale(&drawn(), &output, &["--model", clip.to_str().unwrap()]);
    assert!(run.status == 1 && run.stderr.contains("RRDBNet"), "{}", run.stderr);
    assert!(!output.exists());
}
