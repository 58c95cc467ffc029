//! The job `analysis`: what the pictures of a dataset show, each and together.

use std::path::PathBuf;

use chapan_api::analysis::{Analysis, PictureAnalysis};
use chapan_api::error::ErrorCode;
use chapan_api::id::{DatasetId, ImageId, ModelId};
use chapan_api::job::{JobPhase, JobProgress};
use chapan_engine::evaluate::Clip;
use chapan_engine::pipelines::Flow;

use super::comparison::{ComparisonError, Phrases, Seen, analyse, look_at_bytes, read_features};
use super::device::Bench;
use super::error::JobError;
use super::signals::Reporter;
use super::worker::Worker;
use crate::store::JobRow;

/// The CLIP that looks: the mini family's own.
pub const USUAL_CLIP: &str = "chapan-mini-clip";
/// The features that it looks for: those of a character in the drawing world.
pub const USUAL_FEATURES: &str = "character.json";

/// A CLIP in memory with the phrases that it looks for.
#[derive(Debug)]
pub struct Looking {
    /// The folder of the CLIP and the file of the features.
    pub from: (PathBuf, PathBuf),
    /// The CLIP.
    pub clip: Clip,
    /// The features, embedded by it.
    pub phrases: Phrases,
}

/// Where a CLIP and its features lie.
#[derive(Clone, Debug)]
pub(super) struct ClipPlaces {
    pub id: ModelId,
    pub folder: PathBuf,
    pub features: PathBuf,
}

impl ClipPlaces {
    /// The usual ones, if they are installed.
    pub fn usual(worker: &Worker) -> Result<Self, JobError> {
        let id = ModelId::new(USUAL_CLIP);
        let folder = worker.catalog.folder(&id).ok_or_else(|| {
            let fact = format!("the model `{id}`, which looks at pictures, is not installed");
            JobError::fail(
                ErrorCode::UnknownModel,
                fact,
                "put it into the folder `models` of the data folder",
            )
        })?;
        let mut files = worker.features_dirs.iter().map(|folder| folder.join(USUAL_FEATURES));
        let features = files.find(|path| path.is_file()).ok_or_else(|| {
            JobError::fail(
                ErrorCode::UnknownModel,
                format!("the features `{USUAL_FEATURES}` are not installed"),
                "install the studio again",
            )
        })?;
        Ok(Self { id, folder, features })
    }

    /// The CLIP, from memory or from its folder.
    pub fn open<'a>(&self, bench: &'a mut Bench) -> Result<&'a Looking, JobError> {
        let from = (self.folder.clone(), self.features.clone());
        let at_hand = bench.looking.take().filter(|held| held.from == from);
        let looking = if let Some(held) = at_hand {
            held
        } else {
            let set = read_features(&self.features)?;
            let clip = Clip::open(&self.folder, &bench.device)?;
            let phrases = Phrases::embed(&clip, set)?;
            Looking { from, clip, phrases }
        };
        Ok(bench.looking.insert(looking))
    }
}

/// All that a look at a dataset needs.
#[derive(Debug)]
pub(super) struct Analysing {
    dataset: DatasetId,
    trigger: Option<String>,
    clip: ClipPlaces,
    /// The pictures: which, and their files.
    pictures: Vec<(ImageId, bytes::Bytes)>,
}

/// What was seen.
#[derive(Debug)]
pub(super) struct SeenDataset {
    pub dataset: DatasetId,
    pub pictures: Vec<(ImageId, PictureAnalysis)>,
    pub together: Analysis,
}

impl Analysing {
    pub async fn prepare(worker: &Worker, job: &JobRow, dataset: &DatasetId) -> Result<Self, JobError> {
        let unreadable =
            |cause: &dyn std::fmt::Display| JobError::internal("the dataset cannot be read", cause);
        let row =
            worker.queue.store.dataset(&job.owner, dataset).await.map_err(|error| unreadable(&error))?;
        let row = row.ok_or_else(|| {
            JobError::fail(ErrorCode::NotFound, "the dataset is gone", "choose another one")
        })?;
        let mut pictures = Vec::with_capacity(row.pictures.len());
        for picture in row.pictures {
            let bytes = worker.blobs.get(&picture.sha256).await.map_err(|error| unreadable(&error))?;
            let bytes = bytes.ok_or_else(|| unreadable(&format!("no file for image `{}`", picture.image)))?;
            pictures.push((picture.image, bytes));
        }
        let clip = ClipPlaces::usual(worker)?;
        Ok(Self { dataset: dataset.clone(), trigger: row.trigger_word, clip, pictures })
    }

    pub fn run(self, bench: &mut Bench, reporter: &Reporter) -> Result<SeenDataset, JobError> {
        let total_steps = self.pictures.len() as u32;
        let tell = |phase: JobPhase, step: usize| {
            let progress = JobProgress { phase, step: step as u32, total_steps, preview: None };
            match reporter.progress(progress) {
                Flow::Continue => Ok(()),
                Flow::Cancel => Err(JobError::Cancelled),
            }
        };
        tell(JobPhase::LoadingModel, 0)?;
        let looking = self.clip.open(bench)?;
        let mut seen: Vec<Seen> = Vec::with_capacity(self.pictures.len());
        for (index, (image, bytes)) in self.pictures.iter().enumerate() {
            tell(JobPhase::Analysing, index)?;
            seen.push(look_at_bytes(&looking.clip, image.as_str(), bytes)?);
        }
        tell(JobPhase::Analysing, seen.len())?;
        let mut together = analyse(&looking.phrases, &seen, self.clip.id.as_str(), self.trigger.as_deref())?;
        // Each stands beside its picture instead.
        let each = std::mem::take(&mut together.pictures);
        let pictures = self.pictures.into_iter().map(|(image, _)| image).zip(each).collect();
        Ok(SeenDataset { dataset: self.dataset, pictures, together })
    }
}

impl From<ComparisonError> for JobError {
    fn from(error: ComparisonError) -> Self {
        match error {
            ComparisonError::Engine(error) => error.into(),
            other => {
                let text = other.to_string();
                let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "choose other pictures"));
                Self::fail(ErrorCode::UnreadableImage, fact, hint)
            }
        }
    }
}
