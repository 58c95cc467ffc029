//! Analysing references and scoring pictures, with the mini CLIP and the shipped references.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Run, chapan};

fn aldar(part: &str) -> String {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../assets/references/aldar", part].iter().collect();
    folder.display().to_string()
}

/// Pictures of the drawing world, in a folder of their own.
fn drawn(folder: &Path, name: &str, more: &[&str]) -> String {
    let output = folder.join(name).display().to_string();
    let mut arguments = vec!["world", "--output", &output];
    arguments.extend(more);
    assert_eq!(chapan(&arguments).status, 0);
    output
}

fn refused(run: &Run, status: i32, word: &str) {
    assert_eq!(run.status, status, "{}", run.stderr);
    assert!(run.stderr.contains(word) && run.stderr.contains("hint: "), "{}", run.stderr);
}

fn contestant<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["contestants"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

#[test]
fn the_hero_is_recognised_by_his_key_features() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("analysis.json").display().to_string();
    let analysis = chapan(&[
        "analyze",
        "--references",
        &aldar(""),
        "--trigger",
        "aldar kose",
        "--output",
        &file,
        "--json",
    ])
    .json();
    let written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(analysis, written);
    let key = |group: &str| {
        let keys = analysis["key_features"].as_array().unwrap();
        keys.iter().find(|key| key["group"] == group).map(|key| key["value"].as_str().unwrap().to_owned())
    };
    for (group, value) in [
        ("face shape", "round"),
        ("eyes", "narrow"),
        ("facial hair", "thin moustache"),
        ("hair", "topknot"),
        ("clothing", "orange chapan"),
    ] {
        assert_eq!(key(group).as_deref(), Some(value), "{group}: {analysis:#}");
    }
    assert_eq!(analysis["key_features"].as_array().unwrap().len(), 5, "{analysis:#}");
    // What differs between the pictures is not the character.
    for group in ["style", "expression", "background", "pose"] {
        assert_eq!(key(group), None, "{group}");
    }
    let prompt = analysis["training_prompt"].as_str().unwrap();
    assert!(prompt.starts_with("aldar kose, a man, ") && prompt.contains("topknot"), "{prompt}");
    // Each picture's caption says what the renderer drew, as far as the model is sure; it is sure of nearly all.
    let (mut said, mut right) = (0, 0);
    for picture in analysis["pictures"].as_array().unwrap() {
        let file = Path::new(&aldar("training")).join(picture["file"].as_str().unwrap());
        let truth = std::fs::read_to_string(file.with_extension("txt")).unwrap();
        let caption = picture["caption"].as_str().unwrap();
        assert!(caption.starts_with("aldar kose, ") && !caption.contains("topknot"), "{caption}");
        let words: Vec<&str> = truth.trim().split(", ").skip(1).collect();
        said += words.len();
        right += words.iter().filter(|word| caption.split(", ").any(|said| said == **word)).count();
    }
    assert!(said == 20 && right >= 18, "{right} of {said}: {analysis:#}");
    let table = chapan(&["analyze", "--references", &aldar("training")]);
    assert!(
        table.stdout.contains("facial hair") && table.stdout.contains("prompt: a man, "),
        "{}",
        table.stdout
    );
}

#[test]
fn the_character_wins_copies_are_told_and_others_lose() {
    let folder = tempfile::tempdir().unwrap();
    let hero = drawn(folder.path(), "hero", &["--hero", "--count", "6", "--seed", "5000"]);
    let others = drawn(folder.path(), "others", &["--count", "6", "--seed", "5000"]);
    let maps = folder.path().join("maps").display().to_string();
    let copies = format!("copies={}", aldar("training"));
    let report = chapan(&[
        "score",
        "--references",
        &aldar(""),
        "--images",
        &others,
        "--images",
        &hero,
        "--images",
        &copies,
        "--heat-maps",
        &maps,
        "--round",
        "2",
        "--json",
    ])
    .json();
    assert_eq!((report["version"].as_str(), report["round"].as_u64()), (Some("score_v1"), Some(2)));
    assert_eq!(report["references"]["holdout"], "given");
    assert_eq!(report["references"]["held_out"].as_array().unwrap().len(), 8);
    let (hero, others, copies) =
        (contestant(&report, "hero"), contestant(&report, "others"), contestant(&report, "copies"));
    // The formula, part by part.
    for one in [hero, others, copies] {
        let part = |name: &str| one[name].as_f64().unwrap();
        let score =
            0.4 * part("clip_similarity_avg") + 0.4 * part("feature_matching_score") + 0.2 * part("ssim_avg");
        assert!((score - part("quality_score")).abs() < 1e-9, "{one:#}");
    }
    let quality = |one: &Value| one["quality_score"].as_f64().unwrap();
    let error = |one: &Value| one["standard_errors"]["quality_score"].as_f64().unwrap();
    assert!(quality(hero) > quality(others) + 3.0 * error(hero).hypot(error(others)), "{report:#}");
    let last = report["ranking"].as_array().unwrap().last().unwrap();
    assert_eq!((last["contestant"].as_str(), last["rank"].as_u64()), (Some("others"), Some(3)));
    assert_eq!(copies["copies"], 5, "{copies:#}");
    assert_eq!((&hero["copies"], &others["copies"]), (&Value::from(0), &Value::from(0)), "{report:#}");
    // Why: what won instead, which references carry a feature, where it was seen.
    assert!(others["features"].as_array().unwrap().iter().any(|feature| feature["won_instead"].is_string()));
    assert_eq!(report["evidence"][0]["carried_by"].as_array().unwrap().len(), 5);
    let keys = report["key_features"].as_array().unwrap().len();
    assert_eq!(std::fs::read_dir(&maps).unwrap().count(), 3 * keys);
    assert_eq!(report["heat_maps"].as_array().unwrap().len(), 3 * keys);
}

#[test]
fn few_references_are_held_out_in_turn_and_one_cannot_tell_copies() {
    let folder = tempfile::tempdir().unwrap();
    let two = drawn(folder.path(), "two", &["--hero", "--count", "2", "--seed", "9"]);
    let pictures: Vec<PathBuf> = std::fs::read_dir(&two)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "png"))
        .collect();
    let picture = pictures[0].display().to_string();
    let report = chapan(&["score", "--references", &two, "--image", &picture, "--json"]).json();
    assert_eq!(report["references"]["holdout"], "leave_one_out");
    assert_eq!(report["contestants"][0]["copies"], 1);
    assert!(report["contestants"][0]["standard_errors"]["quality_score"].is_null());
    let table = chapan(&["score", "--references", &two, "--image", &picture]);
    assert!(table.stdout.contains("each held out in turn"), "{}", table.stdout);
}

#[test]
fn bad_input_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let aldar = aldar("");
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let empty = empty.display().to_string();
    write("broken/a.png", b"\x89PNG\r\n\x1a\nno picture");
    let broken = folder.path().join("broken").display().to_string();
    let features = write("features.json", b"{\"name\": 3}");
    refused(&chapan(&["analyze", "--references", &empty]), 1, "no picture");
    refused(&chapan(&["analyze", "--references", &broken]), 1, "a.png");
    refused(&chapan(&["analyze", "--references", "/nowhere"]), 1, "/nowhere");
    refused(&chapan(&["analyze", "--references", &aldar, "--features", &features]), 1, "features.json");
    refused(&chapan(&["analyze", "--references", &aldar, "--model", "no-such-clip"]), 1, "no-such-clip");
    refused(&chapan(&["analyze", "--references", &aldar, "--model", &empty]), 1, "config.json");
    refused(&chapan(&["score", "--references", &aldar, "--images", &empty]), 1, "no picture");
    for weights in ["1,2", "a,b,c", "0,0,0", "-1,1,1", "NaN,1,1"] {
        let weights = format!("--weights={weights}");
        refused(&chapan(&["score", "--references", &aldar, "--images", &empty, &weights]), 2, "weights");
    }
    refused(&chapan(&["score", "--references", &aldar, "--images", "a=x", "--images", "a=y"]), 2, "second");
    assert_eq!(chapan(&["score", "--references", &aldar]).status, 2);
}
