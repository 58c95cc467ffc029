//! A short competition with the embedded model: it proves itself, goes on where it was stopped, and refuses bad input.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::generate::decode;
use super::{Run, chapan};

fn aldar() -> String {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../assets/references/aldar"].iter().collect();
    folder.display().to_string()
}

fn compete(output: &Path, more: &[&str]) -> Run {
    let (references, output) = (aldar(), output.display().to_string());
    let mut arguments = vec![
        "compete",
        "--references",
        &references,
        "--prompt",
        "aldar kose riding across the steppe",
        "--output",
        &output,
        "--max-train-steps",
        "20",
        "--rank",
        "4",
        "--num-images-per-prompt",
        "3",
        "--num-inference-steps",
        "4",
    ];
    arguments.extend(more);
    chapan(&arguments)
}

fn read(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

/// Every file of a folder with its bytes, but the log of a training, which says that it was begun again.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("events.jsonl") {
                let bytes = std::fs::read(&path).unwrap();
                found.push((path.strip_prefix(folder).unwrap().to_owned(), bytes));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn rounds_change_one_thing_and_go_on_with_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().join("whole");
    // A gap that cannot be closed: all rounds are run.
    let all = ["--score-gap", "-2", "--iterations", "2", "--language", "kk"];
    let run = compete(&whole, &all);
    assert_eq!(run.status, 0, "{}{}", run.stdout, run.stderr);
    let history = read(&whole, "training_history.json");
    let rounds = history["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 2, "{history:#}");
    assert_eq!((&rounds[0]["decision"], &rounds[1]["decision"]), (&"continue".into(), &"last_round".into()));
    let feedback = read(&whole, "feedback/feedback_1.json");
    assert_eq!(
        (&feedback["needs_improvement"], &feedback["best_competitor"]),
        (&true.into(), &"base".into())
    );
    assert!(feedback["applied"]["kind"].is_string(), "{feedback:#}");
    for recommendation in feedback["recommendations"].as_array().unwrap() {
        assert!(["area", "priority"].iter().all(|field| recommendation[field].is_string()), "{feedback:#}");
        assert!(["en", "ru", "kk"].iter().all(|language| recommendation["message"][language].is_string()));
    }
    // Exactly one setting differs between the rounds.
    let settings = |index: usize| rounds[index]["settings"].as_object().unwrap().clone();
    let changed = settings(0).into_iter().filter(|(key, value)| settings(1)[key] != *value).count();
    assert_eq!(changed, 1, "{history:#}");
    let report = read(&whole, "comparisons/comparison_report_2.json");
    let names: Vec<&str> =
        report["contestants"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["base", "round-1", "round-2"]);
    assert_eq!((&report["paired"], &report["round"]), (&true.into(), &2.into()));
    let page = std::fs::read_to_string(whole.join("report.html")).unwrap();
    assert!(page.contains("<html lang=\"kk\">") && page.contains("data:image/png;base64,"));
    assert!(
        ["Кім ең жақын?", "Кто ближе всех?", "Who comes nearest?"].iter().all(|title| page.contains(title))
    );
    // The best and the worst picture of everybody, for every key feature.
    let maps = report["heat_maps"].as_array().unwrap();
    assert_eq!(maps.len(), 3 * 2 * report["key_features"].as_array().unwrap().len());

    // Every picture says how it was made, and can be made again by that.
    let picture = whole.join("comparisons/round-2_1_2.png");
    let (_, _, texts) = decode(&picture);
    let record: Value =
        serde_json::from_str(&texts.iter().find(|(keyword, _)| keyword == "chapan").unwrap().1).unwrap();
    assert_eq!(
        (&record["prompt"], &record["seed"]),
        (&"aldar kose riding across the steppe".into(), &2.into())
    );
    assert_eq!(record["loras"][0]["model"], "round-2", "{record}");
    assert!(texts[0].1.contains("Steps: 4") && texts[0].0 == "parameters", "{texts:?}");
    let lora = root.path().join("round-2.safetensors");
    std::fs::copy(whole.join("rounds/2/lora/lora.safetensors"), &lora).unwrap();
    let paths = [&picture, &lora, &root.path().join("again.png")].map(|path| path.display().to_string());
    let run =
        chapan(&["generate", "--again", &paths[0], "--lora", &paths[1], "--output", &paths[2], "--json"]);
    let comparison = &run.json()["comparison"];
    assert_eq!(comparison["identical"], true, "{comparison}");

    // Stopped after a picture of the second round, and with a torn file beside: the same in the end.
    let before = files(&whole);
    for gone in ["report.html", "training_history.json", "feedback/feedback_2.json"] {
        std::fs::remove_file(whole.join(gone)).unwrap();
    }
    std::fs::remove_file(whole.join("comparisons/comparison_report_2.json")).unwrap();
    std::fs::remove_file(whole.join("comparisons/round-2_1_3.png")).unwrap();
    std::fs::remove_file(whole.join("rounds/2/lora/lora.safetensors")).unwrap();
    let first = std::fs::metadata(whole.join("rounds/1/lora/lora.safetensors")).unwrap().modified().unwrap();
    assert_eq!(compete(&whole, &all).status, 0);
    let after = files(&whole);
    let differing: Vec<_> =
        before.iter().filter(|file| !after.contains(file)).map(|(name, _)| name).collect();
    assert!(differing.is_empty() && before.len() == after.len(), "{differing:?}");
    let again = std::fs::metadata(whole.join("rounds/1/lora/lora.safetensors")).unwrap().modified().unwrap();
    assert_eq!(first, again, "a finished round is not done again");

    // The same folder for something else is refused.
    let other = compete(&whole, &["--score-gap", "-2", "--iterations", "3"]);
    assert!(other.status == 1 && other.stderr.contains("other settings"), "{}", other.stderr);
}

#[test]
fn bad_input_is_refused_before_anything_is_written() {
    let root = tempfile::tempdir().unwrap();
    let output = root.path().join("new");
    let refused = |more: &[&str], status: i32, word: &str| {
        let run = compete(&output, more);
        assert_eq!(run.status, status, "{}", run.stderr);
        assert!(run.stderr.contains(word) && run.stderr.contains("hint: "), "{}", run.stderr);
        assert!(!output.exists());
    };
    refused(&["--prompt", " "], 2, "--prompt");
    refused(&["--score-gap", "NaN"], 2, "--score-gap");
    refused(&["--images", "base=."], 2, "base");
    refused(&["--images", "a/b=."], 2, "a/b");
    refused(&["--lora", "x=/nowhere.safetensors"], 1, "/nowhere.safetensors");
    refused(&["--clip", "no-such-clip"], 1, "no-such-clip");
    refused(&["--weights", "1"], 2, "weights");
}

#[test]
fn pictures_from_elsewhere_compete_under_plain_names() {
    let root = tempfile::tempdir().unwrap();
    let (output, folder) = (root.path().join("run"), root.path().join("pictures"));
    std::fs::create_dir(&folder).unwrap();
    for (from, to) in [("hero-0021.png", "one #1.png"), ("hero-0230.png", "two.png")] {
        std::fs::copy(Path::new(&aldar()).join("held-out").join(from), folder.join(to)).unwrap();
    }
    let images = format!("other={}", folder.display());
    let run = compete(&output, &["--images", &images, "--iterations", "1", "--json"]);
    assert_eq!(run.status, 0, "{}{}", run.stdout, run.stderr);
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let stages: Vec<&str> = lines
        .iter()
        .filter(|line| line["kind"] == "stage")
        .map(|line| line["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["analyse", "train", "draw", "score", "learn", "finished"]);
    assert_eq!(lines.last().unwrap()["rounds"].as_array().unwrap().len(), 1, "the last line is the history");
    // What was told is kept, each line whole.
    let kept = std::fs::read_to_string(output.join("events.jsonl")).unwrap();
    let steps = kept.lines().filter(|line| line.contains(r#""kind":"step""#)).count();
    assert_eq!(steps, 20, "each training step is told once");
    assert!(kept.lines().all(|line| lines.contains(&serde_json::from_str(line).unwrap())), "{kept}");
    let report = read(&output, "comparisons/comparison_report_1.json");
    let other = &report["contestants"][1];
    assert_eq!((&other["name"], &report["paired"]), (&"other".into(), &false.into()));
    for picture in other["pictures"].as_array().unwrap() {
        let file = format!("comparisons/other_{}", picture["file"].as_str().unwrap());
        assert!(output.join(&file).is_file() && !file.contains(['#', ' ']), "{file}");
    }
    assert_eq!(
        report["ranking"][0]["contestant"], "other",
        "nobody is nearer to the references than themselves"
    );
}
