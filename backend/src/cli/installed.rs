//! Which model a command means: an installed one by its id, a folder, or a single file.

use std::path::{Path, PathBuf};

use chapan_api::id::ModelId;
use chapan_engine::pipelines::StableDiffusionXl;
use chapan_engine::{DType, Device};
use clap::Args;

use super::Failure;
use crate::config::{Environment, assets_folders, default_data_dir};
use crate::hub::{Catalog, Checkpoint, WeightFiles};
use crate::jobs::open_device;

/// Where to look for models, and where to run them.
#[derive(Debug, Args)]
pub struct ModelOptions {
    /// A model's id (see `chapan models`), a folder in diffusers layout, or an SDXL single file [default: the first
    /// installed]
    #[arg(long, value_name = "ID|PATH")]
    pub model: Option<String>,
    /// The studio's data folder, whose `models` are found by id [default: the user's own]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where to run: auto, cpu, cuda:N or metal
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Number format of the weights: f32, f16 or bf16 [default: f32 on the CPU, bf16 elsewhere]
    #[arg(long)]
    pub dtype: Option<String>,
}

/// A model that was found.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Its id: the name of its folder or file.
    pub id: ModelId,
    /// Its folder or file.
    pub path: PathBuf,
    /// What its configuration says; absent for a single file.
    pub checkpoint: Option<Checkpoint>,
}

/// A device and the number format for it.
#[derive(Debug)]
pub struct Place {
    /// As written in records: `cpu`, `cuda:0`, `metal`.
    pub name: String,
    /// The device.
    pub device: Device,
    /// The number format of weights.
    pub dtype: DType,
}

/// Folders whose folders are models: the program's own, those of the data folder, and the one that `CHAPAN_MODELS_DIR` names, as
/// for the server.
pub fn model_folders(data_dir: Option<&Path>, environment: &Environment) -> Vec<PathBuf> {
    let data_dir = data_dir
        .map(Path::to_path_buf)
        .or_else(|| environment.path("CHAPAN_DATA_DIR"))
        .unwrap_or_else(|| default_data_dir(environment));
    let mut folders = assets_folders("assets/models");
    folders.push(data_dir.join("models"));
    folders.extend(environment.path("CHAPAN_MODELS_DIR"));
    folders
}

impl ModelOptions {
    /// The model that is meant.
    pub fn find(&self, environment: &Environment) -> Result<Installed, Failure> {
        self.find_or(None, environment)
    }

    /// The model that is meant; where none is named the `usual` one.
    pub fn find_or(&self, usual: Option<&str>, environment: &Environment) -> Result<Installed, Failure> {
        let catalog = Catalog::new(model_folders(self.data_dir.as_deref(), environment));
        let Some(name) = self.model.as_deref().or(usual) else {
            let first = catalog.models().into_iter().next();
            return first.map(Installed::from).ok_or_else(|| {
                let hint = "name a folder in diffusers layout with `--model PATH`; `chapan doctor` shows where models are looked for";
                Failure::new("no model is installed", hint)
            });
        };
        let path = Path::new(name);
        if path.is_file() {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Installed { id: ModelId::new(stem), path: path.to_owned(), checkpoint: None });
        }
        if path.is_dir() {
            // `.` and `..` have no name of their own.
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            return match Checkpoint::read(&path) {
                Ok(Some(checkpoint)) => Ok(checkpoint.into()),
                Ok(None) => {
                    let fact = format!("`{name}` is not a folder of a text-to-image model");
                    Err(Failure::new(fact, "it needs a model_index.json of a StableDiffusionXLPipeline"))
                }
                Err(error) => Err(Failure::new(error, "get the model again, with all its small JSON files")),
            };
        }
        if let Some(checkpoint) = catalog.model(&ModelId::new(name)) {
            return Ok(checkpoint.into());
        }
        let known: Vec<String> = catalog.models().iter().map(|model| format!("`{}`", model.id)).collect();
        let hint = if known.is_empty() {
            "no model is installed".into()
        } else {
            format!("installed are {}", known.join(", "))
        };
        Err(Failure::new(format!("`{name}` is neither an installed model nor a folder or file"), hint))
    }

    /// The device and number format that are meant.
    pub fn place(&self) -> Result<Place, Failure> {
        find_place(&self.device, self.dtype.as_deref())
    }
}

/// The device of this name and the number format for it.
pub fn find_place(device: &str, dtype: Option<&str>) -> Result<Place, Failure> {
    let (name, device, usual) = open_device(device).map_err(Failure::from)?;
    let dtype = match dtype {
        None => usual,
        Some("f32") => DType::F32,
        Some("f16") => DType::F16,
        Some("bf16") => DType::BF16,
        Some(other) => {
            let fact = format!("`--dtype {other}` is not a number format");
            return Err(Failure::usage(fact, "choose f32, f16 or bf16"));
        }
    };
    if device.is_cpu() && dtype != DType::F32 {
        let fact = format!("`--dtype {}` is not available on the CPU", dtype.as_str());
        return Err(Failure::usage(fact, "leave it out: weights of every format are computed in f32 there"));
    }
    Ok(Place { name, device, dtype })
}

impl From<Checkpoint> for Installed {
    fn from(checkpoint: Checkpoint) -> Self {
        Self { id: checkpoint.id.clone(), path: checkpoint.folder.clone(), checkpoint: Some(checkpoint) }
    }
}

impl Installed {
    /// Reads the model into memory.
    pub fn load(&self, place: &Place) -> Result<StableDiffusionXl, Failure> {
        Ok(StableDiffusionXl::load(&self.path, &place.device, place.dtype)?)
    }

    /// SHA-256 of the weights, hexadecimal: of the file, or over the files of the folder.
    pub fn sha256(&self) -> Result<String, Failure> {
        let weights = match &self.checkpoint {
            Some(checkpoint) => checkpoint.weights(),
            None => Ok(WeightFiles::new(vec![self.path.clone()])),
        };
        let hash = weights.and_then(|weights| weights.sha256());
        hash.map_err(|error| Failure::new(error, "can the model's files be read?"))
    }
}
