//! Stories of the command line: the built program, driven as a person or a script would.
//!
//! Being here also makes cargo build the program whenever the tests are built: the browser and the kill stories of the
//! integration crate start it.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not there")]

mod again;
mod compete;
mod generate;
mod pictures;
mod places;
mod pretrain;
mod score;
mod train;
mod upscale;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The tiny pipeline with weights of no meaning: real parts, a picture in a moment.
fn tiny_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pipelines/tiny-sdxl")
}

/// What one run of the program came to.
struct Run {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Runs `chapan` with these arguments and an empty environment, its output in pipes.
fn chapan<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chapan"));
    let Output { status, stdout, stderr } = command.args(arguments).env_clear().output().unwrap();
    Run {
        status: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

#[test]
fn the_program_says_its_version() {
    let run = chapan(&["--version"]);
    assert_eq!((run.status, run.stdout.trim()), (0, concat!("chapan ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn help_shows_commands_and_examples() {
    let help = chapan(&["--help"]);
    assert_eq!(help.status, 0);
    for command in [
        "serve",
        "generate",
        "upscale",
        "train-lora",
        "analyze",
        "score",
        "compete",
        "noise",
        "models",
        "world",
        "doctor",
        "bench",
        "pretrain",
    ] {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command} is not in\n{}", help.stdout);
    }
    for command in [
        &["generate"][..],
        &["upscale"],
        &["train-lora"],
        &["analyze"],
        &["score"],
        &["compete"],
        &["noise"],
        &["models"],
        &["world"],
        &["doctor"],
        &["bench", "generate"],
        &["bench", "ssim"],
        &["bench", "train"],
        &["pretrain"],
    ] {
        let mut arguments = command.to_vec();
        arguments.push("--help");
        let help = chapan(&arguments);
        assert!(help.stdout.contains("Examples:"), "{command:?} has no examples\n{}", help.stdout);
    }
}

#[test]
fn a_wrong_command_line_is_status_2_with_a_hint() {
    let noise = ["noise", "--seed", "1", "--shape", "0,4", "--output", "x.safetensors"];
    let cases: [(&[&str], &str); 6] = [
        (&["paint"], "paint"),
        (&["generate", "--prompt", "x"], "--output"),
        (&["generate", "--prompt", "x", "--width", "130", "--output", "x.png"], "try 128 or 136"),
        (&["generate", "--prompt", "x", "--scheduler", "magic", "--output", "x.png"], "dpmpp_2m"),
        (&["generate", "--prompt", "x", "--output", "x.jpg"], "hint: pictures are written as PNG"),
        (&noise, "hint: a picture of 1024x1024"),
    ];
    for (arguments, words) in cases {
        let run = chapan(arguments);
        assert_eq!(run.status, 2, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
        assert!(run.stdout.is_empty());
    }
}

#[test]
fn hostile_numbers_are_refused_before_anything_is_loaded() {
    for (option, value) in [
        ("--num-inference-steps", "0"),
        ("--num-inference-steps", "1000000000"),
        ("--num-inference-steps", "-1"),
        ("--guidance-scale", "NaN"),
        ("--guidance-scale", "inf"),
        ("--guidance-scale", "-1"),
        ("--width", "7"),
        ("--width", "100000"),
        ("--height", "0"),
        ("--seed", "18446744073709551616"),
        ("--dtype", "f8"),
    ] {
        let output = std::env::temp_dir().join("never.png");
        let model = tiny_model();
        let run = chapan(&[
            "generate".as_ref(),
            "--prompt".as_ref(),
            "x".as_ref(),
            "--model".as_ref(),
            model.as_os_str(),
            option.as_ref(),
            value.as_ref(),
            "--output".as_ref(),
            output.as_os_str(),
        ]);
        assert_eq!(run.status, 2, "{option} {value}: {}", run.stderr);
        assert!(!output.exists());
    }
}

#[test]
fn noise_is_torchs_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("noise.safetensors");
    // python: torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    let run = chapan(&[
        "noise".as_ref(),
        "--seed".as_ref(),
        "0".as_ref(),
        "--shape".as_ref(),
        "1,4,8,8".as_ref(),
        "--json".as_ref(),
        "--output".as_ref(),
        file.as_os_str(),
    ]);
    assert_eq!(run.json()["shape"], serde_json::json!([1, 4, 8, 8]));
    let bytes = std::fs::read(&file).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let names: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    assert_eq!(names["noise"]["dtype"], "F32");
    let words: Vec<u32> = bytes[8 + header..]
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    assert_eq!(words.len(), 256);
    assert_eq!(words[..4], [0xbf901b85, 0xbf93808a, 0xbe804bd6, 0xbede255d]);
    assert_eq!(words[252..], [0xbf5ee90d, 0x3e14377b, 0x3ff390cd, 0x3ec7e1f5]);
}
