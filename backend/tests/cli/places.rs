//! Stories of the commands that look around: `models`, `doctor`, `world`.

use std::ffi::OsStr;
use std::path::Path;

use super::{Run, chapan, tiny_model};

/// Copies a folder with everything in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A data folder with the tiny model and a LoRA installed.
fn data_dir() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&tiny_model(), &folder.path().join("models/tiny"));
    std::fs::create_dir(folder.path().join("models/loras")).unwrap();
    let lora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lora/kohya.safetensors");
    std::fs::copy(lora, folder.path().join("models/loras/ink.safetensors")).unwrap();
    folder
}

fn in_data_dir(command: &str, data_dir: &Path, more: &[&str]) -> Run {
    let mut arguments = vec![OsStr::new(command), OsStr::new("--data-dir"), data_dir.as_os_str()];
    arguments.extend(more.iter().map(OsStr::new));
    chapan(&arguments)
}

#[test]
fn models_lists_what_the_data_folder_holds() {
    let data = data_dir();
    let models = in_data_dir("models", data.path(), &["--json"]).json();
    let tiny = models.as_array().unwrap().iter().find(|model| model["id"] == "tiny").unwrap();
    assert_eq!((&tiny["family"], &tiny["precision"]), (&"sdxl".into(), &"f32".into()));
    assert_eq!(tiny["sha256"].as_str().unwrap().len(), 64);
    assert!(tiny["memory_bytes"].as_u64().unwrap() > tiny["size_bytes"].as_u64().unwrap());
    assert_eq!((&tiny["kind"], &tiny["inpainting"]), (&"model".into(), &false.into()));
    let ink = models.as_array().unwrap().iter().find(|row| row["id"] == "ink").unwrap();
    assert_eq!((&ink["kind"], &ink["family"]), (&"lora".into(), &"sdxl".into()));
    assert_eq!((&ink["base"], &ink["trigger_words"][0]), (&"sdxl_base_v1-0".into(), &"orange hat".into()));
    assert_eq!(ink["sha256"].as_str().unwrap().len(), 64);
    let upscaler = models.as_array().unwrap().iter().find(|row| row["kind"] == "upscaler").unwrap();
    assert_eq!(upscaler["id"], "chapan-mini-upscaler");
    let table = in_data_dir("models", data.path(), &[]).stdout;
    assert!(table.starts_with("ID ") && table.contains("\ntiny "), "{table}");
    assert!(
        table.contains("\nink ") && table.contains("orange hat") && table.contains("sdxl_base_v1-0"),
        "{table}"
    );
}

#[test]
fn an_installed_model_is_found_by_its_id() {
    let data = data_dir();
    let output = data.path().join("x.png");
    let more = [
        "--prompt",
        "x",
        "--model",
        "tiny",
        "--num-inference-steps",
        "1",
        "--output",
        output.to_str().unwrap(),
    ];
    let run = in_data_dir("generate", data.path(), &more);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(output.is_file());
}

#[test]
fn doctor_loads_models_and_names_the_broken_one() {
    let data = data_dir();
    let find = |checks: &serde_json::Value, name: &str| {
        checks.as_array().unwrap().iter().find(|check| check["name"] == name).cloned().unwrap()
    };
    let checks = in_data_dir("doctor", data.path(), &["--json", "--port", "0"]).json();
    for name in ["model tiny", "data folder", "disk", "port", "memory"] {
        assert_ne!(find(&checks, name)["state"], "broken", "{checks}");
    }
    assert!(find(&checks, "model tiny")["found"].as_str().unwrap().starts_with("loads"));

    let weights = data.path().join("models/tiny/vae/diffusion_pytorch_model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    let run = in_data_dir("doctor", data.path(), &["--json", "--port", "0"]);
    assert_eq!(run.status, 1, "{}", run.stderr);
    let checks: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let tiny = find(&checks, "model tiny");
    assert_eq!(tiny["state"], "broken");
    assert!(tiny["found"].as_str().unwrap().contains("truncated"), "{tiny}");
}

#[test]
fn world_writes_a_folder_once() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("scenes");
    let world = |count: &str| {
        chapan(&[
            "world".as_ref(),
            "--count".as_ref(),
            OsStr::new(count),
            "--seed".as_ref(),
            "7".as_ref(),
            "--size".as_ref(),
            "64".as_ref(),
            "--output".as_ref(),
            set.as_os_str(),
        ])
    };
    let run = world("3");
    assert_eq!(run.status, 0, "{}", run.stderr);
    let lines = std::fs::read_to_string(set.join("metadata.jsonl")).unwrap();
    let records: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seeds: Vec<_> = records.iter().map(|record| record["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [7, 8, 9]);
    for record in &records {
        assert!(set.join(record["file_name"].as_str().unwrap()).is_file());
        assert!(!record["full_caption"].as_str().unwrap().is_empty());
    }
    let again = world("3");
    assert_eq!(again.status, 1);
    assert!(again.stderr.contains("already there") && again.stderr.contains("hint:"), "{}", again.stderr);
}
