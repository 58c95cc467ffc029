//! What a job of any kind needs, gathered before its device begins, and what comes of it.

use std::collections::BTreeMap;

use chapan_api::error::ErrorCode;
use chapan_api::generation::CreateGeneration;
use chapan_api::grid::GridCell;
use chapan_api::id::{ModelId, UserId};
use chapan_api::image::{ImageKind, ImageRecord};
use chapan_api::upscale::UpscaleRecord;

use super::analysing::{Analysing, SeenDataset};
use super::competition::Contending;
use super::device::Bench;
use super::enlarging::Enlarging;
use super::error::JobError;
use super::generation::{Drawing, Materials};
use super::grid::GridDrawing;
use super::loras::{self, with_tagged_loras};
use super::signals::Reporter;
use super::sources::{Source, Sources};
use super::steps::KeptSteps;
use super::training::{Learning, Learnt};
use super::worker::Worker;
use crate::hub::{Checkpoint, UpscalerFile};
use crate::store::{JobRow, Subject};

/// A picture that a job made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// Where it belongs.
    pub kind: ImageKind,
    /// The PNG, with its record inside if it has one.
    pub png: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// How it was made.
    pub record: Option<ImageRecord>,
    /// How it was made larger; then the record is that of the picture that was enlarged.
    pub enlargement: Option<UpscaleRecord>,
    /// Words to find it by, when it has no record.
    pub caption: Option<String>,
    /// What its steps looked like, if that was asked for.
    pub steps: Option<KeptSteps>,
}

/// What came of a job.
#[derive(Debug)]
pub(super) enum Done {
    /// Pictures.
    Pictures(Vec<Made>),
    /// What the pictures of a dataset show.
    Analysis(Box<SeenDataset>),
    /// A LoRA.
    Training(Learnt),
    /// The folder of a competition.
    Competition,
}

/// A job with all it needs.
#[derive(Debug)]
pub(super) enum Task {
    Generation(Box<Drawing>),
    Grid(Box<GridDrawing>),
    Upscale(Box<Enlarging>),
    Analysis(Box<Analysing>),
    Training(Box<Learning>),
    Competition(Box<Contending>),
}

impl Task {
    /// Gathers what a job needs: its request, its models, its pictures.
    pub async fn prepare(worker: &Worker, job: &JobRow) -> Result<Self, JobError> {
        let unreadable = |error| JobError::internal("the request could not be read", &error);
        let gone = || JobError::internal("the request is gone", &"no row");
        let store = &worker.queue.store;
        match &job.subject {
            Subject::Generation(id) => {
                let (parameters, reproduces) =
                    store.generation_request(id).await.map_err(unreadable)?.ok_or_else(gone)?;
                let checkpoint = checkpoint(worker, &job.model).await?;
                let materials =
                    materials(worker, &job.owner, &parameters, std::slice::from_ref(&parameters)).await?;
                let kind = if reproduces.is_some() { ImageKind::Again } else { ImageKind::Made };
                Ok(Self::Generation(Box::new(Drawing { checkpoint, parameters, materials, kind })))
            }
            Subject::Grid(id) => {
                let parameters = store.grid_request(id).await.map_err(unreadable)?.ok_or_else(gone)?;
                let cells = parameters.cells().map_err(|faults| {
                    JobError::internal("the request could not be read", &format!("{faults:?}"))
                })?;
                let cells = tagged(cells)?;
                let requests: Vec<_> = cells.iter().map(|cell| cell.request.clone()).collect();
                let materials = materials(worker, &job.owner, &parameters.base, &requests).await?;
                let checkpoints = checkpoints(worker, &job.model, requests.iter()).await?;
                Ok(Self::Grid(Box::new(GridDrawing { parameters, cells, materials, checkpoints })))
            }
            Subject::Upscale(id) => {
                let (parameters, reproduces) =
                    store.upscale_request(id).await.map_err(unreadable)?.ok_or_else(gone)?;
                let source = Source::read(worker, &job.owner, &parameters.image).await?;
                let upscaler = upscaler(worker, &job.model).await?;
                let kind = if reproduces.is_some() { ImageKind::Again } else { ImageKind::Upscale };
                Ok(Self::Upscale(Box::new(Enlarging { parameters, source, upscaler, kind })))
            }
            Subject::Analysis { dataset, .. } => {
                Ok(Self::Analysis(Box::new(Analysing::prepare(worker, job, dataset).await?)))
            }
            Subject::Training(id) => {
                let checkpoint = checkpoint(worker, &job.model).await?;
                Ok(Self::Training(Box::new(Learning::prepare(worker, job, id, checkpoint).await?)))
            }
            Subject::Competition(id) => {
                let checkpoint = checkpoint(worker, &job.model).await?;
                Ok(Self::Competition(Box::new(Contending::prepare(worker, job, id, checkpoint).await?)))
            }
        }
    }

    /// Does the work, on the device's thread.
    pub fn run(self, bench: &mut Bench, reporter: &Reporter) -> Result<Done, JobError> {
        let report = |progress| reporter.progress(progress);
        Ok(match self {
            Self::Generation(drawing) => Done::Pictures(drawing.run(bench, &report)?),
            Self::Grid(drawing) => Done::Pictures(drawing.run(bench, &report)?),
            Self::Upscale(enlarging) => Done::Pictures(enlarging.run(bench, &report)?),
            Self::Analysis(analysing) => Done::Analysis(Box::new(analysing.run(bench, reporter)?)),
            Self::Training(learning) => Done::Training(learning.run(bench, reporter)?),
            Self::Competition(contending) => {
                contending.run(bench, reporter)?;
                Done::Competition
            }
        })
    }

    /// Whether it can give its device back now and then, and go on later.
    pub fn is_long(&self) -> bool {
        matches!(self, Self::Training(_) | Self::Competition(_))
    }
}

/// The places of a grid with the LoRAs that their own prompts name: an axis may have put them there.
fn tagged(cells: Vec<GridCell>) -> Result<Vec<GridCell>, JobError> {
    let tagged = |cell: GridCell| {
        let request = with_tagged_loras(cell.request).map_err(|body| JobError::Fail { body, cause: None })?;
        Ok(GridCell { request, ..cell })
    };
    cells.into_iter().map(tagged).collect()
}

/// Pictures and upscaler of a request, and the LoRAs of it in all its forms.
async fn materials(
    worker: &Worker,
    owner: &UserId,
    request: &CreateGeneration,
    forms: &[CreateGeneration],
) -> Result<Materials, JobError> {
    let sources = Sources::read(worker, owner, request).await?;
    let wanted = request.hires.as_ref().and_then(|hires| hires.upscaler.as_ref());
    let upscaler = match wanted {
        Some(id) => Some(upscaler(worker, id).await?),
        None => None,
    };
    let catalog = worker.catalog.of(owner);
    Ok(Materials { sources, loras: loras::find(&catalog, forms.iter())?, upscaler })
}

/// The models of several requests; those that name none mean the job's own.
async fn checkpoints(
    worker: &Worker,
    own: &ModelId,
    requests: impl Iterator<Item = &CreateGeneration>,
) -> Result<BTreeMap<ModelId, Checkpoint>, JobError> {
    let mut found = BTreeMap::new();
    for request in requests {
        let id = request.model.as_ref().unwrap_or(own);
        if !found.contains_key(id) {
            found.insert(id.clone(), checkpoint(worker, id).await?);
        }
    }
    Ok(found)
}

async fn checkpoint(worker: &Worker, id: &ModelId) -> Result<Checkpoint, JobError> {
    let (catalog, wanted) = (worker.catalog.clone(), id.clone());
    let found = tokio::task::spawn_blocking(move || catalog.model(&wanted)).await;
    found.ok().flatten().ok_or_else(|| {
        JobError::fail(
            ErrorCode::UnknownModel,
            format!("the model `{id}` is not installed any more"),
            "choose another model",
        )
    })
}

async fn upscaler(worker: &Worker, id: &ModelId) -> Result<UpscalerFile, JobError> {
    let (catalog, wanted) = (worker.catalog.clone(), id.clone());
    let installed = tokio::task::spawn_blocking(move || catalog.upscalers()).await.unwrap_or_default();
    installed.into_iter().find(|file| file.id == wanted).ok_or_else(|| {
        let fact = format!("the upscaler `{id}` is not installed any more");
        JobError::fail(ErrorCode::UnknownModel, fact, "choose another upscaler")
    })
}
