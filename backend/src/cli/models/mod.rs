//! `chapan models`: what is installed; `chapan models download`: more from the hub.

mod download;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::installed::{Installed, model_folders};
use super::{Failure, output};
use crate::config::Environment;
use crate::hub::{Catalog, Checkpoint};

/// Options of `chapan models`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  chapan models
  chapan models --json | jq -r '.[].id'
  chapan models download stabilityai/stable-diffusion-xl-base-1.0
A model is a folder in diffusers layout below `assets/models` or the data folder's `models`; its id is the folder's name.")]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The studio's data folder, whose `models` are listed too [default: the user's own]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch a model or a LoRA from the hub
    Download(download::Arguments),
}

#[derive(Serialize)]
struct Row {
    id: String,
    family: String,
    size_bytes: u64,
    sha256: String,
    precision: String,
    license: Option<String>,
    default_side: u32,
    default_scheduler: String,
    memory_bytes: u64,
    path: String,
}

/// Lists the models.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    if let Some(Command::Download(arguments)) = &arguments.command {
        return download::run(arguments, environment);
    }
    let folders = model_folders(arguments.data_dir.as_deref(), environment);
    let rows: Vec<Row> =
        Catalog::new(folders.clone()).models().into_iter().map(row).collect::<Result<_, _>>()?;
    if arguments.json {
        return output::say_json(&rows);
    }
    if rows.is_empty() {
        let places: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        return output::say(&format!("no models in {}", places.join(", ")));
    }
    let header =
        ["ID", "FAMILY", "SIZE", "HASH", "PRECISION", "PICTURE", "MEMORY", "LICENCE"].map(str::to_owned);
    let lines = rows.iter().map(|row| {
        [
            row.id.clone(),
            row.family.clone(),
            output::size(row.size_bytes),
            row.sha256.chars().take(10).collect(),
            row.precision.clone(),
            format!("{0}x{0}", row.default_side),
            output::size(row.memory_bytes),
            row.license.clone().unwrap_or_else(|| "not stated".to_owned()),
        ]
    });
    output::say_table(std::iter::once(header).chain(lines))
}

fn row(checkpoint: Checkpoint) -> Result<Row, Failure> {
    let memory_bytes = checkpoint.memory_bytes(checkpoint.default_side, checkpoint.default_side);
    let installed = Installed::from(checkpoint.clone());
    Ok(Row {
        id: checkpoint.id.to_string(),
        family: checkpoint.family,
        size_bytes: checkpoint.size_bytes,
        sha256: installed.sha256()?,
        precision: checkpoint.precision,
        license: checkpoint.license,
        default_side: checkpoint.default_side,
        default_scheduler: checkpoint.default_scheduler,
        memory_bytes,
        path: checkpoint.folder.display().to_string(),
    })
}
