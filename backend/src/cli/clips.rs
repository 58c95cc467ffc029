//! Which CLIP and which features a command looks with.

use std::path::{Path, PathBuf};

use chapan_engine::evaluate::Clip;
use clap::Args;

use super::Failure;
use super::installed::{find_place, model_folders};
use crate::config::{Environment, assets_folders};
use crate::jobs::comparison::{ComparisonError, Phrases, read_features};

/// The mini family's own.
const USUAL_CLIP: &str = "chapan-mini-clip";
/// The features of a character in the drawing world.
const USUAL_FEATURES: &str = "character.json";

/// What to look with.
#[derive(Debug, Args)]
pub struct ClipOptions {
    /// A CLIP's id in a folder of models, or a folder in transformers' layout (ViT-B/32, L/14, ...) [default:
    /// chapan-mini-clip]
    #[arg(long, value_name = "ID|PATH")]
    pub model: Option<String>,
    /// Groups of phrases as JSON; `assets/features/character.json` is one to copy and change [default: that one]
    #[arg(long, value_name = "FILE.json")]
    pub features: Option<PathBuf>,
    /// The studio's data folder, whose `models` are found by id [default: the user's own]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where to run: auto, cpu, cuda:N or metal
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// A CLIP and its features, ready to look.
#[derive(Debug)]
pub struct Looking {
    /// The CLIP's id: the name of its folder.
    pub model: String,
    /// The CLIP.
    pub clip: Clip,
    /// The features, embedded by it.
    pub phrases: Phrases,
}

impl ClipOptions {
    /// Reads the features, then the model.
    pub fn open(&self, environment: &Environment) -> Result<Looking, Failure> {
        let features = if let Some(path) = &self.features {
            path.clone()
        } else {
            let folders = assets_folders("assets/features").into_iter();
            let found = folders.map(|folder| folder.join(USUAL_FEATURES)).find(|path| path.is_file());
            found.ok_or_else(|| {
                Failure::new("there are no features beside the program", "name a file with --features")
            })?
        };
        let set = read_features(&features)?;
        let folder = self.folder(environment)?;
        let place = find_place(&self.device, None)?;
        let clip = Clip::open(&folder, &place.device)?;
        let phrases = Phrases::embed(&clip, set)?;
        let model = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Looking { model, clip, phrases })
    }

    fn folder(&self, environment: &Environment) -> Result<PathBuf, Failure> {
        let name = self.model.as_deref().unwrap_or(USUAL_CLIP);
        let path = Path::new(name);
        if path.is_dir() {
            // `.` and `..` have no name of their own.
            return Ok(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        }
        let is_id = path.components().count() == 1;
        let folders = model_folders(self.data_dir.as_deref(), environment).into_iter();
        let mut found = folders.map(|folder| folder.join(name)).filter(|folder| is_id && folder.is_dir());
        found.next().ok_or_else(|| {
            let hint = "name a folder with config.json, weights and tokenizer, or put it into `models` of the data folder";
            Failure::new(format!("`{name}` is neither an installed CLIP nor a folder"), hint)
        })
    }
}

/// Where references lie: `training` and `held-out` inside a folder that has both, else the folder itself.
pub fn reference_folders(folder: &Path) -> (PathBuf, Option<PathBuf>) {
    let (training, held_out) = (folder.join("training"), folder.join("held-out"));
    if training.is_dir() && held_out.is_dir() {
        (training, Some(held_out))
    } else {
        (folder.to_owned(), None)
    }
}

impl From<ComparisonError> for Failure {
    fn from(error: ComparisonError) -> Self {
        match error {
            ComparisonError::Engine(error) => error.into(),
            other => Self::from_text(&other.to_string()),
        }
    }
}
