//! Stories of `chapan generate --again`: a picture is made again from its own record.

use std::path::{Path, PathBuf};

use chapan::files::png::encode_bare_png;

use super::generate::{decode, generate};
use super::{Run, chapan, tiny_model};

fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path).display().to_string()
}

/// Makes a picture again; nothing but the sources is said a second time.
fn again(original: &Path, output: &Path, sources: &[&str]) -> Run {
    let model = tiny_model();
    let mut arguments = vec!["generate".into(), "--again".into(), original.as_os_str().to_owned()];
    // The model lies in no folder where it would be found by its id.
    arguments.extend(["--model".into(), model.into_os_string()]);
    arguments.extend(sources.iter().map(std::ffi::OsString::from));
    arguments.extend(["--json".into(), "--output".into(), output.as_os_str().to_owned()]);
    chapan(&arguments)
}

/// A picture of 32x24 and a mask for its right half.
fn sources(folder: &Path) -> (String, String) {
    let path = |name: &str| folder.join(name).display().to_string();
    let rgb: Vec<u8> = (0..32 * 24 * 3).map(|i| (i * 13 % 256) as u8).collect();
    std::fs::write(path("source.png"), encode_bare_png(32, 24, &rgb).unwrap()).unwrap();
    let mask: Vec<u8> = (0..32 * 24).flat_map(|i| [if i % 32 < 16 { 0 } else { 255 }; 3]).collect();
    std::fs::write(path("mask.png"), encode_bare_png(32, 24, &mask).unwrap()).unwrap();
    (path("source.png"), path("mask.png"))
}

#[test]
fn every_kind_of_picture_is_made_again_from_its_record_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (image, mask) = sources(folder.path());
    let (image, mask) = (image.as_str(), mask.as_str());
    let lora = repository("tests/fixtures/lora/kohya.safetensors");
    let weighted = format!("{lora}:0.7:0.2");
    let upscaler = repository("assets/models/chapan-mini-upscaler");
    let cases: [(&str, &[&str], &[&str]); 8] = [
        ("plain", &["--negative-prompt", "шляпа", "--scheduler", "euler_a", "--guidance-scale", "3.5"], &[]),
        ("changed", &["--image", image, "--strength", "0.8"], &["--image", image]),
        (
            "repainted",
            &[
                "--image",
                image,
                "--mask-image",
                mask,
                "--mask-blur",
                "2",
                "--padding-mask-crop",
                "4",
                "--masked-content",
                "noise",
                "--strength",
                "0.9",
            ],
            &["--image", image, "--mask-image", mask],
        ),
        ("grown", &["--image", image, "--outpaint", "8,16,0,8"], &["--image", image]),
        ("varied", &["--variation-strength", "0.3"], &[]),
        ("lora", &["--lora", &weighted], &["--lora", &weighted]),
        ("weighted", &["--prompt-weighting"], &[]),
        (
            "larger",
            &[
                "--hires-scale",
                "1.5",
                "--hires-strength",
                "0.6",
                "--hires-steps",
                "3",
                "--hires-upscaler",
                &upscaler,
            ],
            &[],
        ),
    ];
    for (name, options, again_with) in cases {
        let (first, second) = (folder.path().join(format!("{name}.png")), folder.path().join("again.png"));
        let run = generate(&first, &[&["--prompt", "a (red:1.3) адам"], options].concat());
        assert_eq!(run.status, 0, "{name}: {}", run.stderr);
        let report = again(&first, &second, again_with).json();
        let comparison = &report["comparison"];
        assert_eq!(comparison["identical"], true, "{name}: {comparison}");
        assert_eq!(comparison["circumstances"].as_array().map(Vec::len), Some(0), "{name}: {comparison}");
        assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap(), "{name}: record and all");
    }
}

#[test]
fn records_name_all_that_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let (image, mask) = sources(folder.path());
    let lora = repository("tests/fixtures/lora/kohya.safetensors");
    let output = folder.path().join("x.png");
    let record = |more: &[&str]| -> serde_json::Value {
        let run = generate(&output, &[&["--prompt", "a man"], more].concat());
        assert_eq!(run.status, 0, "{}", run.stderr);
        let (_, _, texts) = decode(&output);
        serde_json::from_str(&texts.iter().find(|(keyword, _)| keyword == "chapan").unwrap().1).unwrap()
    };
    let with = record(&["--lora", &lora, "--prompt-weighting", "--image", &image, "--mask-image", &mask]);
    assert_eq!((&with["prompt"], &with["loras"][0]["model"]), (&"a man".into(), &"kohya".into()));
    for hash in [&with["loras"][0]["sha256"], &with["image"]["sha256"], &with["mask_image"]["sha256"]] {
        assert_eq!(hash.as_str().map(str::len), Some(64), "{with}");
    }
    assert_eq!((&with["strength"], &with["mask_blur"]), (&0.9999.into(), &0.0.into()));
    assert_eq!((&with["masked_content"], &with["prompt_weighting"]), (&"original".into(), &true.into()));
    assert!(with["engine"].is_string() && with["version"].is_string(), "{with}");
    let grown = record(&["--image", &image, "--outpaint", "0,0,8,0"]);
    assert_eq!((&grown["outpaint"]["top"], &grown["height"]), (&8.into(), &24.into()));
    let upscaler = repository("assets/models/chapan-mini-upscaler");
    let options = ["--hires-scale", "2", "--hires-strength", "0.5", "--hires-upscaler", &upscaler];
    let larger = record(&options);
    assert_eq!((&larger["width"], &larger["hires"]["scale"]), (&32.into(), &2.0.into()));
    assert_eq!(larger["hires"]["upscaler"], "chapan-mini-upscaler");
    assert_eq!(larger["hires"]["upscaler_hash"].as_str().map(str::len), Some(64));
    assert_eq!(decode(&output).0.width, 64);
}

#[test]
fn growing_keeps_what_was_inside_the_frame() {
    let folder = tempfile::tempdir().unwrap();
    let (image, _) = sources(folder.path());
    let output = folder.path().join("wide.png");
    let model = tiny_model().display().to_string();
    let run = chapan(&[
        "generate",
        "--model",
        &model,
        "--prompt",
        "x",
        "--num-inference-steps",
        "2",
        "--image",
        &image,
        "--outpaint",
        "16,0,0,8",
        "--padding-mask-crop",
        "8",
        "--output",
        output.to_str().unwrap(),
    ]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let (frame, pixels, _) = decode(&output);
    assert_eq!((frame.width, frame.height), (48, 32));
    let (_, before, _) = decode(Path::new(&image));
    // Eight pixels beside the new part are drawn anew, so that the seam is drawn and not only met.
    for y in 0..16 {
        let (new, old) = ((y * 48 + 16 + 8) * 3, (y * 32 + 8) * 3);
        assert_eq!(pixels[new..new + 24 * 3], before[old..old + 24 * 3], "row {y}");
    }
}

#[test]
fn what_cannot_be_made_again_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (image, mask) = sources(folder.path());
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    assert_eq!(generate(&path("plain.png"), &["--prompt", "x", "--seed", "1"]).status, 0);
    let changed = ["--prompt", "x", "--image", &image, "--mask-image", &mask];
    assert_eq!(generate(&path("changed.png"), &changed).status, 0);
    for (original, sources, status, words) in [
        (PathBuf::from(&image), &[][..], 1, "does not say how it was made"),
        (path("changed.png"), &[], 2, "--image"),
        (path("changed.png"), &["--image", &image], 2, "--mask-image"),
        (path("missing.png"), &[], 1, "missing.png"),
    ] {
        let run = again(&original, &path("never.png"), sources);
        assert_eq!(run.status, status, "{}: {}", original.display(), run.stderr);
        assert!(run.stderr.contains(words) && run.stderr.contains("hint: "), "{}", run.stderr);
    }
    // Another source is another picture, and the comparison says which part was not the same.
    let report =
        again(&path("changed.png"), &path("other.png"), &["--image", &mask, "--mask-image", &mask]).json();
    let comparison = &report["comparison"];
    assert_eq!(
        (&comparison["identical"], &comparison["circumstances"][0]["what"]),
        (&false.into(), &"source".into())
    );
    // So is another seed, asked for on purpose.
    let report = again(&path("plain.png"), &path("other.png"), &["--seed", "2"]).json();
    assert_eq!((&report["comparison"]["identical"], &report["seed"]), (&false.into(), &2.into()));
    for outpaint in [
        "",
        "1,2,3",
        "8,8,8,8,8",
        "a,b,c,d",
        "-8,0,0,0",
        "0,0,0,0",
        "3,0,0,0",
        "16384,16384,0,0",
        "99999999999,0,0,0",
    ] {
        let run = generate(
            &path("never.png"),
            &["--prompt", "x", "--image", &image, &format!("--outpaint={outpaint}")],
        );
        assert_eq!(run.status, 2, "{outpaint}: {}", run.stderr);
        assert!(
            run.stderr.contains("outpaint") && run.stderr.contains("hint: "),
            "{outpaint}: {}",
            run.stderr
        );
    }
    for more in [
        &["--hires-scale", "9"][..],
        &["--hires-scale", "NaN"],
        &["--hires-scale", "2", "--hires-strength", "0.01"],
        &["--hires-steps", "4"],
        &["--hires-scale", "2", "--image", &image, "--mask-image", &mask],
    ] {
        let run = generate(&path("never.png"), &[&["--prompt", "x"], more].concat());
        assert_eq!(run.status, 2, "{more:?}: {}", run.stderr);
        assert!(run.stderr.contains("--hires-"), "{more:?}: {}", run.stderr);
    }
    assert!(!path("never.png").exists());
}
