//! `chapan models download`: a model of the hub, fetched, checked and installed.

use std::path::PathBuf;
use std::sync::Mutex;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::sync::watch;

use super::super::{Failure, output};
use crate::config::{Environment, default_data_dir};
use crate::hub::remote::{
    Hub, HubError, HubOptions, PUBLIC_HUB, Precision, Progress, Revision, Wanted, install,
};

/// Options of `chapan models download`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan models download stabilityai/stable-diffusion-xl-base-1.0
  chapan models download someone/my-lora --file my-lora.safetensors
Only safetensors are taken, and each file is compared with the hash that the hub lists. Stop with Ctrl+C and start again:
it goes on where it was. HF_TOKEN holds a token for gated models; HF_ENDPOINT names another hub.")]
pub(super) struct Arguments {
    /// The repository: owner/name
    repo: String,
    /// A branch, tag or commit [default: the newest files]
    #[arg(long)]
    revision: Option<String>,
    /// One .safetensors file of it, such as a LoRA
    #[arg(long, value_name = "PATH")]
    file: Option<String>,
    /// Prefer weights in full precision: twice the download
    #[arg(long)]
    full_precision: bool,
    /// The studio's data folder, whose `models` the model goes into [default: the user's own]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    model: String,
    path: String,
    was_there: bool,
}

/// Fetches the model; Ctrl+C keeps what has arrived.
pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let usage = |error: HubError| {
        let text = error.to_string();
        let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "see --help"));
        Failure::usage(fact, hint)
    };
    let wanted = Wanted {
        repo: arguments.repo.parse().map_err(usage)?,
        revision: arguments
            .revision
            .as_deref()
            .map_or_else(|| Ok(Revision::default()), str::parse)
            .map_err(usage)?,
        file: arguments.file.clone(),
        precision: if arguments.full_precision { Precision::Full } else { Precision::Half },
    };
    let hub = Hub::new(&HubOptions {
        endpoint: environment.get("HF_ENDPOINT").unwrap_or(PUBLIC_HUB).to_owned(),
        token: environment.secret("HF_TOKEN"),
    })
    .map_err(usage)?;
    let data_dir = arguments.data_dir.clone().or_else(|| environment.path("CHAPAN_DATA_DIR"));
    let models = data_dir.unwrap_or_else(|| default_data_dir(environment)).join("models");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new(format!("the download cannot start: {error}"), "free some memory and try again")
    })?;
    let bar = bar(&wanted.repo.to_string());
    let file = Mutex::new(String::new());
    let report = |progress: Progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
        if let Ok(mut known) = file.lock()
            && *known != progress.file
        {
            bar.set_message(progress.file.clone());
            *known = progress.file;
        }
    };
    let arrived = runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        tokio::select! {
            arrived = install(&hub, &wanted, &models, &report, &stopped) => arrived,
            _ = tokio::signal::ctrl_c() => {
                let _unheard = stop.send(true);
                Err(HubError::Stopped)
            }
        }
    });
    bar.finish_and_clear();
    let arrived = arrived.map_err(|error| Failure::from_text(&error.to_string()))?;
    let model = arrived.id.to_string();
    let path = arrived.path.display().to_string();
    if arguments.json {
        return output::say_json(&Report { model, path, was_there: arrived.was_there });
    }
    let what = if arrived.was_there { "was installed already" } else { "is installed" };
    output::say(&format!("`{model}` {what} in {path}"))
}

/// Bytes, speed and time left; nothing where standard error is not a terminal.
fn bar(what: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = "{wide_msg} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}
