//! `chapan models`: models, LoRAs and upscalers that are installed; `chapan models download`: more from the hub.

mod download;

use std::path::PathBuf;

use chapan_api::model::LoraView;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::installed::{Installed, model_folders};
use super::{Failure, output};
use crate::config::Environment;
use crate::hub::{Catalog, Checkpoint, UpscalerFile};
use crate::jobs::{installed_loras, picture_memory};

/// Options of `chapan models`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  chapan models
  chapan models --json | jq -r '.[] | select(.kind == \"model\") | .id'
  chapan models download stabilityai/stable-diffusion-xl-base-1.0
A model is a folder in diffusers layout below `assets/models` or the data folder's `models`; its id is the folder's name. LoRAs are
safetensors files there or in `loras`, upscalers in `upscalers`. In JSON each has its `kind`: model, lora or upscaler.")]
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

/// Something that is installed.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Row {
    Model(ModelRow),
    Lora(LoraRow),
    Upscaler(UpscalerRow),
}

#[derive(Serialize)]
struct ModelRow {
    id: String,
    family: String,
    size_bytes: u64,
    sha256: String,
    precision: String,
    license: Option<String>,
    inpainting: bool,
    default_side: u32,
    default_scheduler: String,
    memory_bytes: u64,
    path: String,
}

#[derive(Serialize)]
struct LoraRow {
    #[serde(flatten)]
    view: LoraView,
    path: String,
}

#[derive(Serialize)]
struct UpscalerRow {
    id: String,
    size_bytes: u64,
    sha256: String,
    path: String,
}

/// Lists models, LoRAs and upscalers.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    if let Some(Command::Download(arguments)) = &arguments.command {
        return download::run(arguments, environment);
    }
    let folders = model_folders(arguments.data_dir.as_deref(), environment);
    let catalog = Catalog::new(folders.clone());
    let models: Vec<ModelRow> = catalog.models().into_iter().map(model_row).collect::<Result<_, _>>()?;
    let (loras, upscalers) = (lora_rows(&catalog)?, upscaler_rows(&catalog)?);
    if arguments.json {
        let rows = models.into_iter().map(Row::Model);
        let rows = rows.chain(loras.into_iter().map(Row::Lora));
        let rows: Vec<Row> = rows.chain(upscalers.into_iter().map(Row::Upscaler)).collect();
        return output::say_json(&rows);
    }
    if models.is_empty() {
        let places: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        output::say(&format!("no models in {}", places.join(", ")))?;
    } else {
        say_models(&models)?;
    }
    if !loras.is_empty() {
        output::say("")?;
        say_loras(&loras)?;
    }
    if upscalers.is_empty() {
        return Ok(());
    }
    output::say("")?;
    let header = ["UPSCALER", "SIZE", "HASH"].map(str::to_owned);
    let lines =
        upscalers.iter().map(|row| [row.id.clone(), output::size(row.size_bytes), brief(&row.sha256)]);
    output::say_table(std::iter::once(header).chain(lines))
}

fn say_models(rows: &[ModelRow]) -> Result<(), Failure> {
    let header =
        ["ID", "FAMILY", "SIZE", "HASH", "PRECISION", "PICTURE", "MEMORY", "LICENCE"].map(str::to_owned);
    let lines = rows.iter().map(|row| {
        [
            row.id.clone(),
            if row.inpainting { format!("{}, inpainting", row.family) } else { row.family.clone() },
            output::size(row.size_bytes),
            brief(&row.sha256),
            row.precision.clone(),
            format!("{0}x{0}", row.default_side),
            output::size(row.memory_bytes),
            row.license.clone().unwrap_or_else(|| NOT_STATED.to_owned()),
        ]
    });
    output::say_table(std::iter::once(header).chain(lines))
}

fn say_loras(rows: &[LoraRow]) -> Result<(), Failure> {
    let header = ["LORA", "FAMILY", "BASE", "SIZE", "HASH", "TRIGGER WORDS", "LICENCE"].map(str::to_owned);
    let stated = |text: &Option<String>| text.clone().unwrap_or_else(|| NOT_STATED.to_owned());
    let lines = rows.iter().map(|LoraRow { view, .. }| {
        let words = (!view.trigger_words.is_empty()).then(|| view.trigger_words.join(", "));
        let words = view.fault.as_ref().map(|fault| format!("cannot be used: {fault}")).or(words);
        [
            view.id.to_string(),
            stated(&view.family),
            stated(&view.base),
            output::size(view.size_bytes),
            brief(view.sha256.as_deref().unwrap_or_default()),
            stated(&words),
            stated(&view.license),
        ]
    });
    output::say_table(std::iter::once(header).chain(lines))
}

/// What stands where a file says nothing.
const NOT_STATED: &str = "not stated";

/// The digits by which people compare hashes.
fn brief(sha256: &str) -> String {
    sha256.chars().take(10).collect()
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::new(error, "can the file be read?")
}

fn lora_rows(catalog: &Catalog) -> Result<Vec<LoraRow>, Failure> {
    let files = catalog.lora_candidates();
    let row = |view: LoraView| {
        let file = files.iter().find(|file| file.id == view.id)?;
        let sha256 = match file.weights().sha256() {
            Ok(sha256) => Some(sha256),
            Err(error) => return Some(Err(unreadable(error))),
        };
        Some(Ok(LoraRow { view: LoraView { sha256, ..view }, path: file.path.display().to_string() }))
    };
    installed_loras(catalog).into_iter().filter_map(row).collect()
}

fn upscaler_rows(catalog: &Catalog) -> Result<Vec<UpscalerRow>, Failure> {
    let row = |file: UpscalerFile| {
        Ok(UpscalerRow {
            sha256: file.weights().sha256().map_err(unreadable)?,
            id: file.id.to_string(),
            size_bytes: file.size_bytes,
            path: file.path.display().to_string(),
        })
    };
    catalog.upscalers().into_iter().map(row).collect()
}

fn model_row(checkpoint: Checkpoint) -> Result<ModelRow, Failure> {
    let memory_bytes = picture_memory(&checkpoint);
    let installed = Installed::from(checkpoint.clone());
    Ok(ModelRow {
        id: checkpoint.id.to_string(),
        family: checkpoint.family,
        size_bytes: checkpoint.size_bytes,
        sha256: installed.sha256()?,
        precision: checkpoint.precision,
        license: checkpoint.license,
        inpainting: checkpoint.inpainting,
        default_side: checkpoint.default_side,
        default_scheduler: checkpoint.default_scheduler,
        memory_bytes,
        path: checkpoint.folder.display().to_string(),
    })
}
