//! Stories of `chapan train-lora`: a LoRA out of a few pictures, stopped and gone on with, and all that can be wrong.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chapan::files::png::encode_bare_png;
use serde_json::Value;

use super::{Run, chapan, tiny_model};

/// A picture that `seed` tells from others.
fn picture(path: &Path, width: u32, height: u32, seed: u32) {
    let value = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> (seed % 7 + 8)) as u8;
    let rgb: Vec<u8> = (0..width * height * 3).map(value).collect();
    std::fs::write(path, encode_bare_png(width, height, &rgb).unwrap()).unwrap();
}

/// A folder with three captioned pictures of different shapes.
fn references(folder: &Path) -> PathBuf {
    let references = folder.join("references");
    std::fs::create_dir_all(&references).unwrap();
    for (index, (width, height)) in [(64, 64), (96, 64), (60, 90)].into_iter().enumerate() {
        picture(&references.join(format!("{index}.png")), width, height, index as u32);
        std::fs::write(references.join(format!("{index}.txt")), format!("picture {index}, flat")).unwrap();
    }
    references
}

/// The command line of a short training.
fn arguments(references: &Path, output: &Path, more: &[&str]) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["train-lora", "--device", "cpu", "--json", "--trigger", "zed", "--rank", "2"]
            .into_iter()
            .chain(["--max-train-steps", "6", "--train-batch-size", "2", "--checkpointing-steps", "2"])
            .chain(["--sample-steps", "0", "--validation-steps", "0"])
            .map(str::to_owned)
            .collect();
    for (name, path) in
        [("--model", &tiny_model()), ("--references", &references.into()), ("--output", &output.into())]
    {
        arguments.extend([name.to_owned(), path.display().to_string()]);
    }
    // What comes later wins.
    for option in more {
        if option.starts_with("--")
            && let Some(at) = arguments.iter().position(|known| option.split('=').next() == Some(known))
            && arguments.get(at + 1).is_some_and(|next| !next.starts_with("--"))
        {
            arguments.drain(at..at + 2);
        }
    }
    arguments.extend(more.iter().map(|option| (*option).to_owned()));
    arguments
}

fn train(references: &Path, output: &Path, more: &[&str]) -> Run {
    chapan(&arguments(references, output, more))
}

fn events(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["kind"] == kind).collect()
}

fn codes(events: &[Value]) -> Vec<&str> {
    let findings = events[0]["preflight"]["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn a_training_tells_what_it_does_and_its_file_is_drawn_with() {
    let folder = tempfile::tempdir().unwrap();
    let (references, output) = (references(folder.path()), folder.path().join("zed"));
    let held_out = folder.path().join("held-out");
    std::fs::create_dir(&held_out).unwrap();
    picture(&held_out.join("a.png"), 64, 64, 9);
    let more = [
        "--held-out-references",
        held_out.to_str().unwrap(),
        "--sample-steps",
        "3",
        "--validation-steps",
        "3",
    ];
    let more = [&more[..], &["--output-kohya-format", "--train-text-encoder"]].concat();
    let run = train(&references, &output, &more);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let events = events(&run);
    let preflight = &events[0]["preflight"];
    assert_eq!((preflight["references"].as_u64(), preflight["held_out"].as_u64()), (Some(3), Some(1)));
    assert_eq!(preflight["buckets"].as_object().unwrap().len(), 3, "{preflight}");
    assert!(preflight["estimated_ms"].is_u64() && preflight["memory_planned_bytes"].as_u64() > Some(1 << 20));
    let steps = of_kind(&events, "step");
    assert_eq!(steps.len(), 6);
    assert!(
        steps.iter().all(|step| step["loss"].as_f64() > Some(0.0) && step["grad_norm"].as_f64() > Some(0.0))
    );
    assert_eq!(of_kind(&events, "validation").len(), 3);
    assert_eq!(of_kind(&events, "checkpoint").len(), 3);
    let samples = of_kind(&events, "sample");
    assert_eq!(samples.len(), 6, "the trigger and the first caption, three times");
    for sample in samples {
        assert!(output.join(sample["file"].as_str().unwrap()).is_file());
    }
    let log = std::fs::read_to_string(output.join("events.jsonl")).unwrap();
    assert_eq!(log.lines().count(), events.len() - 1);

    let mut pictures = Vec::new();
    for lora in [None, Some("lora.safetensors"), Some("lora-kohya.safetensors")] {
        let (png, model) = (folder.path().join("drawn.png"), tiny_model());
        let path = lora.map(|name| output.join(name).display().to_string());
        let mut call = vec!["generate", "--prompt", "zed", "--seed", "3", "--num-inference-steps", "2"];
        call.extend([
            "--output",
            png.to_str().unwrap(),
            "--model",
            model.to_str().unwrap(),
            "--device",
            "cpu",
        ]);
        call.extend(path.iter().flat_map(|path| ["--lora", path.as_str()]));
        let run = chapan(&call);
        assert_eq!(run.status, 0, "{}", run.stderr);
        let decoded = chapan::files::picture::decode_picture(&std::fs::read(&png).unwrap()).unwrap();
        pictures.push(decoded.rgb());
    }
    assert_ne!(pictures[0], pictures[1], "the LoRA changes what is drawn");
    let off = pictures[1].iter().zip(&pictures[2]).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(off <= Some(1), "both files draw the same");
}

/// Runs until the event of this step, then kills it as `kill -9` does.
fn killed_after(references: &Path, output: &Path, more: &[&str], step: u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chapan"));
    command.args(arguments(references, output, more)).env_clear();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["kind"] == "step" && event["step"].as_u64() >= Some(step) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn killed_and_gone_on_with_is_the_same_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let references = references(folder.path());
    let settings = [
        "--ema-decay",
        "0.9",
        "--caption-dropout",
        "0.4",
        "--lr-scheduler",
        "cosine",
        "--max-train-steps",
        "12",
    ];
    let run = |name: &str, kills: &[u64]| {
        // The file says what its folder is called.
        let output = folder.path().join(name).join("zed");
        for (number, step) in kills.iter().enumerate() {
            let resume: &[&str] = if number == 0 { &[] } else { &["--resume"] };
            killed_after(&references, &output, &[&settings[..], resume].concat(), *step);
        }
        let resume: &[&str] = if kills.is_empty() { &[] } else { &["--resume"] };
        let run = train(&references, &output, &[&settings[..], resume].concat());
        assert_eq!(run.status, 0, "{}", run.stderr);
        let steps: Vec<u64> = (std::fs::read_to_string(output.join("events.jsonl")).unwrap().lines())
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|event| event["kind"] == "step")
            .map(|event| event["step"].as_u64().unwrap())
            .collect();
        assert_eq!(steps, (1..=12).collect::<Vec<_>>(), "{name}: the log has every step once");
        std::fs::read(output.join("lora.safetensors")).unwrap()
    };
    let whole = run("whole", &[]);
    let one = folder.path().join("one-thread").join("zed");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chapan"));
    command.args(arguments(&references, &one, &settings)).env_clear().env("RAYON_NUM_THREADS", "1");
    assert!(command.output().unwrap().status.success());
    assert!(std::fs::read(one.join("lora.safetensors")).unwrap() == whole, "one thread gives other bytes");
    for (name, kills) in [("once", &[5][..]), ("early", &[1]), ("often", &[3, 7, 11])] {
        assert!(run(name, kills) == whole, "{name}: the bytes differ");
    }
}

#[test]
fn a_folder_with_a_training_is_gone_on_with_only_when_told_and_only_with_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (references, output) = (references(folder.path()), folder.path().join("zed"));
    assert_eq!(train(&references, &output, &[]).status, 0);
    let again = train(&references, &output, &[]);
    assert!(again.status == 1 && again.stderr.contains("holds a training already"), "{}", again.stderr);
    let other = train(&references, &output, &["--resume", "--rank", "3"]);
    assert!(other.status == 1 && other.stderr.contains("other settings"), "{}", other.stderr);
    std::fs::write(references.join("0.txt"), "something else").unwrap();
    let other = train(&references, &output, &["--resume"]);
    assert!(other.status == 1 && other.stderr.contains("other pictures"), "{}", other.stderr);
    std::fs::write(output.join("checkpoint.safetensors"), b"torn").unwrap();
    let torn = train(&references, &output, &["--resume"]);
    assert!(torn.status == 1 && torn.stderr.contains("hint: "), "{}", torn.stderr);
}

#[test]
fn no_pictures_one_and_the_same_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let run = train(&empty, &folder.path().join("a"), &[]);
    assert_eq!((run.status, codes(&events(&run))), (1, vec!["no_references"]));
    let missing = train(&folder.path().join("nowhere"), &folder.path().join("b"), &[]);
    assert!(missing.status == 1 && missing.stderr.contains("cannot read"), "{}", missing.stderr);

    picture(&empty.join("one.png"), 64, 64, 1);
    let run = train(&empty, &folder.path().join("c"), &[]);
    assert_eq!((run.status, codes(&events(&run))), (0, vec!["few_references"]), "{}", run.stderr);
    for name in ["two.png", "three.png"] {
        std::fs::copy(empty.join("one.png"), empty.join(name)).unwrap();
    }
    let run = train(&empty, &folder.path().join("d"), &["--check"]);
    assert_eq!((run.status, codes(&events(&run))), (0, vec!["duplicate", "duplicate", "few_references"]));
    assert_eq!(events(&run)[0]["preflight"]["references"].as_u64(), Some(1));
}

#[test]
fn two_hundred_pictures_of_any_shape() {
    let folder = tempfile::tempdir().unwrap();
    let many = folder.path().join("many");
    std::fs::create_dir(&many).unwrap();
    for index in 0..200 {
        picture(&many.join(format!("{index:03}.png")), 64 + index % 40, 64 + index / 5 % 40, index);
    }
    let run = train(&many, &folder.path().join("a"), &["--max-train-steps", "2"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let events = events(&run);
    assert!(codes(&events).contains(&"many_references"));
    assert_eq!(events[0]["preflight"]["references"].as_u64(), Some(200));
    assert_eq!(of_kind(&events, "finished").len(), 1);
}

#[test]
fn files_that_are_no_pictures_and_captions_that_are_no_text_are_named_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let references = references(folder.path());
    std::fs::write(references.join("torn.png"), b"\x89PNG\r\n\x1a\nand then nothing").unwrap();
    std::fs::write(references.join("empty.jpg"), b"").unwrap();
    std::fs::write(references.join("0.txt"), [0xff, 0xfe, 0x00, 0x01]).unwrap();
    // 8000 pixels a side are more than is taken: the header alone says so.
    let mut huge = encode_bare_png(8, 8, &[7; 192]).unwrap();
    huge[16..20].copy_from_slice(&8000u32.to_be_bytes());
    huge[20..24].copy_from_slice(&8000u32.to_be_bytes());
    let checksum = crc32fast::hash(&huge[12..29]).to_be_bytes();
    huge[29..33].copy_from_slice(&checksum);
    std::fs::write(references.join("huge.png"), huge).unwrap();
    let output = folder.path().join("zed");
    let run = train(&references, &output, &[]);
    assert_eq!(run.status, 1);
    let found = events(&run);
    let mut found_codes = codes(&found);
    found_codes.sort_unstable();
    assert_eq!(found_codes, ["bad_caption", "few_references", "unreadable", "unreadable", "unreadable"]);
    let text = found[0].to_string();
    for part in ["0.txt", "UTF-8", "torn.png", "empty.jpg", "huge.png", "8000x8000"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!output.join("lora.safetensors").exists());
    let run = train(&references, &output, &["--skip-unusable"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(events(&run)[0]["preflight"]["references"].as_u64(), Some(2));
}

#[test]
fn a_long_side_of_8000_pixels_is_trained_on_and_said_to_be_cut() {
    let folder = tempfile::tempdir().unwrap();
    let references = references(folder.path());
    picture(&references.join("wide.png"), 8000, 300, 5);
    std::fs::write(references.join("wide.txt"), "a very long caption about a steppe, ".repeat(40)).unwrap();
    let output = folder.path().join("zed");
    let run = train(&references, &output, &["--check"]);
    assert_eq!((run.status, codes(&events(&run))), (0, vec!["cut", "long_caption"]), "{}", run.stderr);
    assert!(!output.exists(), "a check leaves nothing behind");
}

#[test]
fn what_a_camera_noted_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let references = folder.path().join("turned");
    std::fs::create_dir(&references).unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pictures");
    std::fs::copy(fixtures.join("turn_1.jpg"), references.join("1.jpg")).unwrap();
    std::fs::copy(fixtures.join("turn_6.jpg"), references.join("6.jpg")).unwrap();
    let run = train(&references, &folder.path().join("zed"), &["--check"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let found = events(&run);
    let codes = codes(&found);
    assert_eq!(codes.iter().filter(|code| **code == "turned").count(), 1, "{codes:?}");
    // Both are stored alike; one of them lies on its side.
    let sizes: Vec<&String> = found[0]["preflight"]["buckets"].as_object().unwrap().keys().collect();
    let (width, height) = sizes[0].split_once('x').unwrap();
    assert_eq!((sizes.len(), sizes[1].as_str()), (2, format!("{height}x{width}").as_str()));
}

/// The most memory of a benched training of the mini model.
fn peak(more: &[&str]) -> u64 {
    let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/chapan-mini");
    let call = ["bench", "train", "--json", "--device", "cpu", "--rounds", "1", "--train-batch-size", "1"];
    let mut call = [&call[..], &["--resolution", "512", "--model", mini.to_str().unwrap()]].concat();
    call.extend(more);
    chapan(&call).json()["ours"]["peak_memory_bytes"].as_u64().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn blocks_that_run_again_need_less_memory() {
    let (whole, again) = (peak(&[]), peak(&["--gradient-checkpointing"]));
    assert!(again < whole * 9 / 10, "{again} bytes are not much less than {whole}");
}

#[test]
fn settings_out_of_range_are_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let references = references(folder.path());
    for (option, value) in [
        ("--rank", "0"),
        ("--learning-rate", "-1"),
        ("--learning-rate", "nan"),
        ("--caption-dropout", "2"),
        ("--resolution", "65"),
    ] {
        let run = train(&references, &folder.path().join("zed"), &[&format!("{option}={value}")]);
        assert_eq!(run.status, 2, "{option} {value}: {}", run.stderr);
        assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    }
    let both = train(&references, &folder.path().join("zed"), &["--use-dora", "--train-convolutions"]);
    assert_eq!(both.status, 2, "{}", both.stderr);
}

#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_leaves_the_last_checkpoint_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (references, output) = (references(folder.path()), folder.path().join("zed"));
    assert_eq!(
        train(&references, &output, &["--max-train-steps", "2", "--lr-scheduler", "constant"]).status,
        0
    );
    let kept = std::fs::read(output.join("checkpoint.safetensors")).unwrap();
    // No file may grow beyond 16 kB: as a full disk, writing fails in the middle.
    let program = env!("CARGO_BIN_EXE_chapan");
    let call = arguments(&references, &output, &["--lr-scheduler", "constant", "--resume"]);
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 32; exec \"$@\"", "sh", program])
        .args(&call)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let stderr = String::from_utf8(limited.stderr).unwrap();
    assert_eq!(limited.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot write") && stderr.contains("--resume"), "{stderr}");
    assert!(
        std::fs::read(output.join("checkpoint.safetensors")).unwrap() == kept,
        "the checkpoint was touched"
    );
    let run = train(&references, &output, &["--lr-scheduler", "constant", "--resume"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let fresh = folder.path().join("fresh").join("zed");
    assert_eq!(train(&references, &fresh, &["--lr-scheduler", "constant"]).status, 0);
    let read = |folder: &Path| std::fs::read(folder.join("lora.safetensors")).unwrap();
    assert!(read(&output) == read(&fresh), "the bytes differ");
}

#[test]
fn a_loss_that_is_no_number_stops_the_training_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (references, output) = (references(folder.path()), folder.path().join("zed"));
    let settings = ["--lr-scheduler", "constant"];
    assert_eq!(train(&references, &output, &[&settings[..], &["--max-train-steps", "2"]].concat()).status, 0);
    // Weights so large that the next prediction overflows, as after a learning rate that was too high.
    let path = output.join("checkpoint.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let listed: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    for (name, tensor) in listed.as_object().unwrap() {
        if name.starts_with("value.") || name.starts_with("mean.") {
            let range = |index: usize| tensor["data_offsets"][index].as_u64().unwrap() as usize + 8 + header;
            for value in bytes[range(0)..range(1)].chunks_exact_mut(4) {
                value.copy_from_slice(&1e30f32.to_le_bytes());
            }
        }
    }
    std::fs::write(&path, &bytes).unwrap();
    let run = train(&references, &output, &[&settings[..], &["--resume"]].concat());
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("of step 3 is not finite"), "{}", run.stderr);
    assert!(run.stderr.contains("learning rate"), "{}", run.stderr);
    assert!(std::fs::read(&path).unwrap() == bytes, "the checkpoint was touched");
}

#[test]
fn layouts_of_other_trainers_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let kohya = folder.path().join("kohya");
    std::fs::create_dir_all(kohya.join("2_red hat")).unwrap();
    std::fs::create_dir_all(kohya.join("1_blue hat")).unwrap();
    picture(&kohya.join("2_red hat/a.png"), 64, 64, 1);
    picture(&kohya.join("2_red hat/b.png"), 64, 64, 2);
    picture(&kohya.join("1_blue hat/c.png"), 64, 64, 3);
    let run = train(&kohya, &folder.path().join("a"), &[]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let started = events(&run);
    assert_eq!(of_kind(&started, "started")[0]["references"].as_u64(), Some(5), "two of them count twice");

    let listed = folder.path().join("listed");
    std::fs::create_dir_all(&listed).unwrap();
    picture(&listed.join("a.png"), 64, 64, 1);
    std::fs::write(listed.join("metadata.csv"), "file_name,text\na.png,\"a hat, red\"\n").unwrap();
    let run = train(&listed, &folder.path().join("b"), &["--check"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    std::fs::write(listed.join("metadata.csv"), "file_name,text\n../secret.png,a\n").unwrap();
    let run = train(&listed, &folder.path().join("b"), &["--check"]);
    assert!(run.status == 1 && run.stderr.contains("line 2"), "{}", run.stderr);
}
