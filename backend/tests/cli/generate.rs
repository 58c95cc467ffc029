//! Stories of `chapan generate`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::{Run, chapan, tiny_model};

/// A quick picture of the tiny model; `more` are further arguments.
pub fn generate(output: &Path, more: &[&str]) -> Run {
    let model = tiny_model();
    let mut arguments: Vec<OsString> = ["generate", "--model"].map(OsString::from).to_vec();
    arguments.push(model.into_os_string());
    arguments.extend(["--num-inference-steps", "2", "--width", "32", "--height", "24"].map(OsString::from));
    arguments.extend(more.iter().map(OsString::from));
    arguments.extend([OsStr::new("--output"), output.as_os_str()].map(OsString::from));
    chapan(&arguments)
}

pub fn decode(path: &Path) -> (png::OutputInfo, Vec<u8>, Vec<(String, String)>) {
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    let info = reader.info();
    let latin1 =
        info.uncompressed_latin1_text.iter().map(|chunk| (chunk.keyword.clone(), chunk.text.clone()));
    let utf8 = info.utf8_text.iter().map(|chunk| (chunk.keyword.clone(), chunk.get_text().unwrap()));
    let texts = latin1.chain(utf8).collect();
    (frame, pixels, texts)
}

#[test]
fn the_same_seed_gives_the_same_file_and_another_seed_another_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, seed) in [("a.png", "5000000000"), ("b.png", "5000000000"), ("c.png", "6")] {
        let run = generate(&path(name), &["--prompt", "a man", "--seed", seed]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert!(run.stdout.contains(&format!("seed {seed}")), "{}", run.stdout);
        assert!(run.stderr.is_empty(), "nothing is drawn into a pipe: {}", run.stderr);
    }
    let read = |name| std::fs::read(path(name)).unwrap();
    assert_eq!(read("a.png"), read("b.png"));
    assert_ne!(decode(&path("a.png")).1, decode(&path("c.png")).1);
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "no half-written files are left: {names:?}");
}

#[test]
fn the_picture_says_how_it_was_made_and_can_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first.png");
    let prompt = "қызыл шапан киген адам";
    let run = generate(
        &first,
        &["--prompt", prompt, "--negative-prompt", "шляпа", "--scheduler", "dpmpp_2m_k", "--json"],
    );
    let report = run.json();
    let (frame, pixels, texts) = decode(&first);
    assert_eq!((frame.width, frame.height), (32, 24));
    let text = |keyword: &str| &texts.iter().find(|(known, _)| known == keyword).unwrap().1;
    let seed = report["seed"].as_u64().unwrap();
    assert_eq!(text("parameters").lines().take(2).collect::<Vec<_>>(), [prompt, "Negative prompt: шляпа"]);
    assert!(text("parameters").contains(&format!(
        "Steps: 2, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5, Seed: {seed}, Size: 32x24"
    )));
    let record: serde_json::Value = serde_json::from_str(text("chapan")).unwrap();
    assert_eq!(record["seed"], report["seed"]);
    assert_eq!(record["model"], "tiny-sdxl");
    assert_eq!(record["model_hash"].as_str().unwrap().len(), 64);

    let second = folder.path().join("second.png");
    let seed = seed.to_string();
    let field = |name: &str| record[name].as_str().unwrap();
    let again = [
        "--prompt",
        field("prompt"),
        "--negative-prompt",
        field("negative_prompt"),
        "--scheduler",
        field("scheduler"),
        "--seed",
        &seed,
    ];
    assert_eq!(generate(&second, &again).status, 0);
    assert_eq!(decode(&second).1, pixels);
}

#[test]
fn a_model_that_is_not_there_is_named_with_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("x.png");
    for (model, words) in [
        ("no-such-model", "neither an installed model nor a folder"),
        ("/", "not a folder of a text-to-image model"),
    ] {
        let run = chapan(&[
            "generate".as_ref(),
            "--prompt".as_ref(),
            "x".as_ref(),
            "--model".as_ref(),
            OsStr::new(model),
            "--output".as_ref(),
            output.as_os_str(),
        ]);
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert!(run.stderr.contains(words) && run.stderr.contains("\nhint: "), "{}", run.stderr);
    }
    let nowhere = folder.path().join("not/made/x.png");
    let run = generate(&nowhere, &["--prompt", "x"]);
    assert!(run.status == 1 && run.stderr.contains("does not exist"), "{}", run.stderr);
}

#[test]
fn a_pickle_in_place_of_weights_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    super::places::copy_folder(&tiny_model(), &folder.path().join("bad"));
    let weights = folder.path().join("bad/unet/diffusion_pytorch_model.safetensors");
    std::fs::write(&weights, b"PK\x03\x04 archive/data.pkl").unwrap();
    let output = folder.path().join("x.png");
    let bad = folder.path().join("bad");
    let run = chapan(&[
        "generate".as_ref(),
        "--prompt".as_ref(),
        "x".as_ref(),
        "--model".as_ref(),
        bad.as_os_str(),
        "--output".as_ref(),
        output.as_os_str(),
    ]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("PyTorch pickle") && run.stderr.contains("never opened"), "{}", run.stderr);
    assert!(!output.exists());
}
