//! Stories of `chapan upscale`, with the mini family's own upscaler.

use std::path::{Path, PathBuf};

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
        assert_eq!(texts[0].0, "chapan");
        for name in ["kind", "model", "model_hash", "scale", "width", "device", "dtype", "version"] {
            assert_eq!(record[name], if name == "kind" { "upscale".into() } else { report[name].clone() });
        }
        assert_eq!(record["model_hash"].as_str().unwrap().len(), 64);
    }
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
