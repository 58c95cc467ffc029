//! `chapan doctor`: is everything in place? Each check says what it found and, if something is wrong, what to do.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use chapan_engine::pipelines::StableDiffusionXl;
use chapan_engine::weights::open_component;
use chapan_engine::{DType, Device};
use clap::Args;
use serde::Serialize;

use super::installed::model_folders;
use super::{Failure, output};
use crate::config::{DEFAULT_PORT, Environment, assets_folders, default_data_dir};
use crate::hub::{Catalog, Checkpoint};
use crate::jobs::{available_memory_bytes, open_device, picture_memory};

/// Models up to this size are loaded whole; of larger ones the headers are checked.
const LOAD_WHOLE_BYTES: u64 = 1_000_000_000;
/// Below this the studio soon cannot store pictures.
const LITTLE_SPACE_BYTES: u64 = 500_000_000;

/// Options of `chapan doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan doctor
  chapan doctor --json | jq '.[] | select(.state != \"ok\")'
The exit status is 1 if something is broken; warnings do not count.")]
pub struct Arguments {
    /// The studio's data folder [default: the user's own]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The port that the studio would listen on.
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warning,
    Broken,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    fn ok(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: State::Ok, found: found.into(), hint: None }
    }

    fn warning(name: &str, found: impl Into<String>, hint: &str) -> Self {
        Self { state: State::Warning, hint: Some(hint.to_owned()), ..Self::ok(name, found) }
    }

    fn broken(name: &str, found: impl Into<String>, hint: &str) -> Self {
        Self { state: State::Broken, ..Self::warning(name, found, hint) }
    }
}

/// Runs every check and reports all of them.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let data_dir = arguments
        .data_dir
        .clone()
        .or_else(|| environment.path("CHAPAN_DATA_DIR"))
        .unwrap_or_else(|| default_data_dir(environment));
    let mut checks = vec![processor(), memory(), accelerator()];
    checks.extend(models(&data_dir, environment));
    checks.push(data_folder(&data_dir));
    checks.push(space(&data_dir));
    checks.push(page());
    checks.push(port(arguments.port));

    if arguments.json {
        output::say_json(&checks)?;
    } else {
        for check in &checks {
            let state = match check.state {
                State::Ok => "ok     ",
                State::Warning => "warning",
                State::Broken => "BROKEN ",
            };
            output::say(&format!("{state}  {}: {}", check.name, check.found))?;
            if let Some(hint) = &check.hint {
                output::say(&format!("         hint: {hint}"))?;
            }
        }
    }
    let broken = checks.iter().filter(|check| check.state == State::Broken).count();
    match broken {
        0 => Ok(()),
        1 => Err(Failure::new("one check failed", "follow its hint above, then run `chapan doctor` again")),
        _ => Err(Failure::new(
            format!("{broken} checks failed"),
            "follow their hints above, then run `chapan doctor` again",
        )),
    }
}

fn processor() -> Check {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let features = processor_features();
    let found = format!("{} with {threads} threads, {}", std::env::consts::ARCH, features.join(" "));
    if cfg!(target_arch = "x86_64") && !(features.contains(&"avx2") && features.contains(&"fma")) {
        return Check::warning("processor", found, "without AVX2 and FMA pictures take several times longer");
    }
    Check::ok("processor", found)
}

#[cfg(target_arch = "x86_64")]
fn processor_features() -> Vec<&'static str> {
    let known = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("f16c", std::arch::is_x86_feature_detected!("f16c")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    known.iter().filter(|(_, present)| *present).map(|(name, _)| *name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn processor_features() -> Vec<&'static str> {
    vec!["the usual vector unit"]
}

fn memory() -> Check {
    let bytes = available_memory_bytes();
    let found = format!("{} free for programs", output::size(bytes));
    if bytes < 1_000_000_000 {
        return Check::warning("memory", found, "close other programs: a large picture may not fit");
    }
    Check::ok("memory", found)
}

fn accelerator() -> Check {
    match open_device("auto") {
        Ok((name, _, _)) if name != "cpu" => Check::ok("accelerator", name),
        _ if cfg!(any(feature = "cuda", feature = "metal")) => Check::warning(
            "accelerator",
            "none was found",
            "is the driver installed? pictures are drawn on the CPU",
        ),
        _ => Check::ok("accelerator", "this build draws on the CPU only"),
    }
}

fn models(data_dir: &Path, environment: &Environment) -> Vec<Check> {
    let folders = model_folders(Some(data_dir), environment);
    let models = Catalog::new(folders.clone()).models();
    if models.is_empty() {
        let places: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let found = format!("none in {}", places.join(", "));
        return vec![Check::broken(
            "models",
            found,
            "the mini family comes with the repository in assets/models",
        )];
    }
    models.iter().map(model).collect()
}

fn model(checkpoint: &Checkpoint) -> Check {
    let name = format!("model {}", checkpoint.id);
    let found = format!(
        "{}, {}, {}, needs {}",
        checkpoint.family,
        output::size(checkpoint.size_bytes),
        checkpoint.precision,
        output::size(picture_memory(checkpoint)),
    );
    let tried = if checkpoint.size_bytes <= LOAD_WHOLE_BYTES {
        StableDiffusionXl::load(&checkpoint.folder, &Device::Cpu, DType::F32).map(|_| "loads")
    } else {
        let parts = ["text_encoder", "text_encoder_2", "unet", "vae"];
        let opened =
            parts.iter().try_for_each(|part| open_component(&checkpoint.folder.join(part)).map(|_| ()));
        opened.map(|()| "its files are whole").map_err(chapan_engine::Error::from)
    };
    match tried {
        Ok(how) => Check::ok(&name, format!("{how}; {found}")),
        Err(error) => {
            let text = error.to_string();
            let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "get the model again"));
            Check::broken(&name, fact, hint)
        }
    }
}

fn data_folder(folder: &Path) -> Check {
    let shown = folder.display().to_string();
    let probe = folder.join(format!(".doctor.{}", std::process::id()));
    let tried = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&probe, b"ok"))
        .and_then(|()| std::fs::remove_file(&probe));
    match tried {
        Ok(()) => Check::ok("data folder", format!("{shown} can be written to")),
        Err(error) => Check::broken(
            "data folder",
            format!("{shown}: {error}"),
            "name another with --data-dir or CHAPAN_DATA_DIR",
        ),
    }
}

fn space(folder: &Path) -> Check {
    match fs4::available_space(folder) {
        Ok(bytes) if bytes < LITTLE_SPACE_BYTES => Check::warning(
            "disk",
            format!("only {} free", output::size(bytes)),
            "make room: pictures may not be stored",
        ),
        Ok(bytes) => Check::ok("disk", format!("{} free", output::size(bytes))),
        Err(error) => Check::warning("disk", error.to_string(), "check the data folder"),
    }
}

fn page() -> Check {
    match assets_folders("dist").into_iter().find(|folder| folder.join("index.html").is_file()) {
        Some(folder) => Check::ok("page", folder.display().to_string()),
        None => Check::warning("page", "the front end is not built", "`cargo xtask serve` builds it"),
    }
}

fn port(port: u16) -> Check {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Check::ok("port", format!("{port} is free")),
        Err(error) => {
            let hint = "is the studio running already? otherwise choose another with `chapan serve --port`";
            Check::warning("port", format!("{port}: {error}"), hint)
        }
    }
}
