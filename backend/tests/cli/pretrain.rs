//! Stories of `chapan pretrain`: a stage of a family that is too small to be of use, stopped, killed and gone on with.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{Run, chapan, tiny_model};

/// Values of all groups of the world.
const OUTPUTS: usize = 72;

/// The micro family of the fixtures, for the real world.
fn family(folder: &Path) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pretraining/family.json");
    let mut configs: BTreeMap<String, Value> =
        serde_json::from_slice(&std::fs::read(fixtures).unwrap()).unwrap();
    for path in ["/layers", "/vision_config/layers"] {
        for config in configs.values_mut() {
            if let Some(layers) = config.pointer_mut(path).and_then(Value::as_array_mut) {
                layers.last_mut().unwrap()["out"] = json!(OUTPUTS);
            }
        }
    }
    for (path, config) in configs {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, config.to_string()).unwrap();
    }
    for tokenizer in ["tokenizer", "tokenizer_2"] {
        let to = folder.join("chapan-mini").join(tokenizer);
        std::fs::create_dir_all(&to).unwrap();
        for file in std::fs::read_dir(tiny_model().join(tokenizer)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

fn arguments(models: &Path, output: &Path, more: &[&str]) -> Vec<String> {
    let paths =
        ["--models".into(), models.display().to_string(), "--output".into(), output.display().to_string()];
    let fixed = ["pretrain", "--json", "--checkpointing-steps", "4"].map(str::to_owned);
    fixed.into_iter().chain(paths).chain(more.iter().map(|option| (*option).to_owned())).collect()
}

fn events(run: &Run) -> Vec<Value> {
    assert_eq!(run.status, 0, "{}", run.stderr);
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs until the first event of this kind.
fn until(arguments: &[String], kind: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chapan"));
    let mut child =
        command.args(arguments).env_clear().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // The pipe is kept open: a program that cannot say anything more is another story.
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let is_it = |line: String| serde_json::from_str::<Value>(&line).unwrap()["kind"] == kind;
    assert!(lines.by_ref().map_while(Result::ok).any(is_it), "no event `{kind}`");
    child
}

#[test]
fn a_stage_that_was_stopped_or_killed_comes_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    family(&models);
    let judge = ["--stage", "judge", "--steps", "24", "--seed", "5"];
    let of = |name: &str| folder.path().join(name);
    let bytes = |name: &str| std::fs::read(of(name).join("stages/judge.safetensors")).unwrap();
    let finish = |name: &str| events(&chapan(&arguments(&models, &of(name), &judge)));

    let told = finish("whole");
    let kinds = |kind: &str| told.iter().filter(|event| event["kind"] == kind).count();
    assert_eq!((kinds("started"), kinds("finished"), kinds("checkpoint")), (1, 1, 6));
    let figure = told.iter().find(|event| event["name"] == "judge, all groups").unwrap();
    assert!(figure["gate"] == 0.97 && figure["reached"] == false, "{figure}");
    assert!(of("whole").join("chapan-mini-judge/model.safetensors").is_file());

    let mut killed = until(&arguments(&models, &of("killed"), &judge), "checkpoint");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(finish("killed")[0]["step"].as_u64() >= Some(4));
    assert!(bytes("killed") == bytes("whole"), "killed: other bytes");

    if cfg!(unix) {
        let mut stopped = until(&arguments(&models, &of("stopped"), &judge), "started");
        let interrupt = Command::new("kill").args(["-INT", &stopped.id().to_string()]).status().unwrap();
        assert!(interrupt.success() && stopped.wait().unwrap().success());
        let again = finish("stopped");
        assert!(again[0]["step"].as_u64() >= Some(1), "{}", again[0]);
        assert!(bytes("stopped") == bytes("whole"), "stopped: other bytes");
    }
}

#[test]
fn what_cannot_be_trained_is_said_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let (models, output) = (folder.path().join("models"), folder.path().join("output"));
    family(&models);
    let run = |more: &[&str]| chapan(&arguments(&models, &output, more));
    let missing = run(&["--stage", "unet", "--steps", "1"]);
    assert_eq!(missing.status, 1);
    assert!(
        missing.stderr.contains("`autoencoder` is not finished")
            && missing.stderr.contains("--stage autoencoder")
    );
    assert_eq!(run(&["--stage", "painter"]).status, 2);
    assert_eq!(run(&["--steps", "1", "--seconds", "1"]).status, 2);
    std::fs::remove_file(models.join("chapan-mini/vae/config.json")).unwrap();
    let incomplete = run(&["--stage", "judge", "--steps", "1"]);
    assert!(
        incomplete.status == 1
            && incomplete.stderr.contains("vae/config.json")
            && incomplete.stderr.contains("hint:")
    );
}
