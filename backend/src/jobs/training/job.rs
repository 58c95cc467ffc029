//! The job `training`: what the server makes of a request, in a folder of its own, with the same code as the command line.
//!
//! It goes on from its checkpoint whenever it gets a device again: after a restart, after it gave the device to others, after a
//! rest. The folder is locked while somebody works in it, so that an attempt whose lease was lost cannot write into that of its
//! successor.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chapan_api::error::ErrorCode;
use chapan_api::id::{ModelId, TrainingId, UserId};
use chapan_api::job::{JobPhase, JobProgress};
use chapan_api::training::{Preflight, Severity, TrainingEvent};

use super::{Doing, Outcome, RunFolder, Setup, Start, TrainingError, Wish, config_of, prepare, train};
use super::{LORA_FILE, Prepared};
use crate::datasets::CaptionTemplate;
use crate::hub::{Catalog, Checkpoint};
use crate::jobs::device::Bench;
use crate::jobs::error::JobError;
use crate::jobs::generation::loaded;
use crate::jobs::signals::{Report, Reporter};
use crate::jobs::worker::Worker;
use crate::store::{HeldPicture, JobRow, PictureRole, TrainingRequest};

/// The LoRA's file in kohya's names, as the server gives it out.
pub const KOHYA_FILE: &str = "lora_kohya.safetensors";
/// What a training told, one event a line.
pub const LOG_FILE: &str = "events.jsonl";

/// A training's folder in the data folder.
pub fn folder_of(data_dir: &Path, id: &TrainingId) -> PathBuf {
    data_dir.join("trainings").join(id.as_str())
}

/// A training with all it needs.
#[derive(Debug)]
pub struct Learning {
    id: TrainingId,
    owner: UserId,
    checkpoint: Checkpoint,
    request: TrainingRequest,
    folder: PathBuf,
    catalog: Catalog,
}

/// What came of it.
#[derive(Debug)]
pub struct Learnt {
    /// The training.
    pub id: TrainingId,
    /// The LoRA's name among those of its owner.
    pub lora: ModelId,
}

/// Pictures that a device keeps encoded between two slices of one training.
#[derive(Debug)]
pub struct KeptExamples {
    id: TrainingId,
    prepared: Prepared,
}

impl Learning {
    /// Reads the request and lays its pictures out in the training's folder, unless they lie there.
    pub(in crate::jobs) async fn prepare(
        worker: &Worker,
        job: &JobRow,
        id: &TrainingId,
        checkpoint: Checkpoint,
    ) -> Result<Self, JobError> {
        let unreadable =
            |cause: &dyn std::fmt::Display| JobError::internal("the training cannot be read", cause);
        let request = worker.queue.store.training_request(id).await.map_err(|error| unreadable(&error))?;
        let request = request.ok_or_else(|| unreadable(&"no row"))?;
        let folder = folder_of(&worker.data_dir, id);
        for (place, picture) in request.pictures.iter().enumerate() {
            let path = place_of(&folder, place, picture);
            if path.is_file() {
                continue;
            }
            let bytes = worker.blobs.get(&picture.sha256).await.map_err(|error| unreadable(&error))?;
            let bytes = bytes.ok_or_else(|| unreadable(&format!("the file `{}` is gone", picture.sha256)))?;
            let caption = picture.caption.clone();
            let laid = tokio::task::spawn_blocking(move || lay_out(&path, &bytes, caption.as_deref())).await;
            laid.map_err(|error| unreadable(&error))?.map_err(|error| not_written(&error))?;
        }
        let catalog = worker.catalog.clone();
        Ok(Self { id: id.clone(), owner: job.owner.clone(), checkpoint, request, folder, catalog })
    }

    /// Trains until it is done, or is told to stop.
    pub(in crate::jobs) fn run(self, bench: &mut Bench, reporter: &Reporter) -> Result<Learnt, JobError> {
        let folder = RunFolder::open_with_whole_log(&self.folder)?;
        let _lock = lock(&self.folder).map_err(|error| not_written(&error))?;
        let total = self.request.parameters.max_train_steps.unwrap_or_default();
        let mut teller = Teller::new(reporter, total);
        teller.progress(JobPhase::LoadingModel, 0);
        let kept = bench.examples.take().filter(|kept| kept.id == self.id);
        let model = loaded(bench, &self.checkpoint)?;
        // Those of pictures go; the training takes the layers for itself.
        model.loras.clear();
        let setup = self.setup(model.sha256.clone(), model.pipeline.default_size())?;
        let prepared = match kept {
            Some(kept) => kept.prepared,
            None => prepare(&model.pipeline, &setup, &mut |doing| teller.hear(doing))?
                .ok_or_else(|| blocked(teller.blocked.take()))?,
        };
        let start = Start { resume: true, ..Start::default() };
        let mut observer = |doing: Doing<'_>| teller.hear(doing);
        let outcome = train(&mut model.pipeline, &setup, &prepared, &folder, start, &mut observer)?;
        teller.tell_step_time();
        if outcome == Outcome::Finished {
            let file = self.folder.join(LORA_FILE);
            let kept = self.catalog.keep_lora(&self.owner, &self.request.name, &file);
            return Ok(Learnt { id: self.id, lora: kept.map_err(|error| not_written(&error))? });
        }
        bench.examples = Some(KeptExamples { id: self.id, prepared });
        Err(JobError::Cancelled)
    }

    fn setup(&self, model_sha256: String, model_side: usize) -> Result<Setup, JobError> {
        let TrainingRequest { name, parameters, recipe, pictures } = &self.request;
        let whole = |value: Option<u32>| value.map(|value| value as usize);
        let captions =
            CaptionTemplate::new(parameters.caption_template.as_deref(), recipe.trigger_word.as_deref());
        let folder = |role: PictureRole| {
            let there = pictures.iter().any(|picture| picture.role == role);
            there.then(|| self.folder.join(folder_name(role)))
        };
        Ok(Setup {
            config: config_of(parameters, u32::try_from(model_side).unwrap_or(u32::MAX)),
            resolution: whole(parameters.resolution),
            center_crop: false,
            references: self.folder.join(folder_name(PictureRole::Reference)),
            class: folder(PictureRole::Class),
            held_out: folder(PictureRole::HeldOut),
            captions: captions.map_err(TrainingError::from)?,
            class_prompt: recipe.class_prompt.clone(),
            skip_unusable: false,
            sample_prompts: parameters.sample_prompts.clone(),
            sample_every: whole(parameters.sample_every),
            validate_every: whole(parameters.validate_every),
            checkpoint_every: whole(parameters.checkpoint_every).unwrap_or_default(),
            kohya_file: Some(KOHYA_FILE.to_owned()),
            title: name.clone(),
            pictures: recipe.pictures.clone(),
            model: self.checkpoint.id.clone(),
            model_sha256,
        })
    }
}

/// Turns what the training tells into what listeners hear, and their wishes into its own.
struct Teller<'a> {
    reporter: &'a Reporter,
    total_steps: u32,
    step: u32,
    blocked: Option<Preflight>,
    /// When the last step ended, if nothing else was done since.
    stepped: Option<Instant>,
    took: (f64, u32),
}

impl<'a> Teller<'a> {
    fn new(reporter: &'a Reporter, total_steps: u32) -> Self {
        Self { reporter, total_steps, step: 0, blocked: None, stepped: None, took: (0.0, 0) }
    }

    fn progress(&mut self, phase: JobPhase, step: u32) {
        let progress = JobProgress { phase, step, total_steps: self.total_steps, preview: None };
        // The flags are looked at by themselves.
        self.reporter.progress(progress);
    }

    fn hear(&mut self, doing: Doing<'_>) -> Wish {
        let signals = &self.reporter.signals;
        let mut wish = if signals.stops() { Wish::Stop } else { Wish::Continue };
        let before = self.stepped.take();
        match doing {
            Doing::Looking | Doing::Encoding(..) => self.progress(JobPhase::Encoding, 0),
            // Its time is none of a step's.
            Doing::TryingStep | Doing::Drawing => {}
            Doing::Preflight(preflight) => self.blocked = Some(preflight.clone()),
            Doing::Event(event) => {
                if let TrainingEvent::Step { step, .. } = event {
                    let now = Instant::now();
                    if let Some(before) = before {
                        self.took = (self.took.0 + (now - before).as_secs_f64() * 1000.0, self.took.1 + 1);
                    }
                    self.stepped = Some(now);
                    self.step = u32::try_from(*step).unwrap_or(u32::MAX);
                    // A step at least is done in every slice, so that it always gets further.
                    if wish != Wish::Stop {
                        wish = match () {
                            () if signals.gives_back() => Wish::Stop,
                            () if signals.take_save() => Wish::Save,
                            () if signals.take_sample() => Wish::Sample,
                            () => Wish::Continue,
                        };
                    }
                }
                if matches!(event, TrainingEvent::Checkpoint { .. }) {
                    self.reporter.tell(Report::Kept);
                }
                if let TrainingEvent::Started { step, .. } = event {
                    self.step = u32::try_from(*step).unwrap_or(u32::MAX);
                }
                let step = self.step;
                self.progress(JobPhase::Training, step);
            }
        }
        wish
    }

    fn tell_step_time(&self) {
        if self.took.1 > 0 {
            self.reporter.tell(Report::StepTook(self.took.0 / f64::from(self.took.1)));
        }
    }
}

fn folder_name(role: PictureRole) -> &'static str {
    match role {
        PictureRole::Reference => "references",
        PictureRole::Class => "class",
        PictureRole::HeldOut => "held-out",
    }
}

fn place_of(folder: &Path, place: usize, picture: &HeldPicture) -> PathBuf {
    folder.join(folder_name(picture.role)).join(format!("{place:04}.png"))
}

/// Writes a picture and its caption; the picture last, so that where it lies, all lies.
pub(in crate::jobs) fn lay_out(path: &Path, bytes: &[u8], caption: Option<&str>) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if let Some(caption) = caption {
        std::fs::write(path.with_extension("txt"), caption)?;
    }
    let partial = path.with_extension("part");
    std::fs::write(&partial, bytes)?;
    File::open(&partial)?.sync_all()?;
    std::fs::rename(&partial, path)
}

/// Waits until nobody else works in the folder; the system lets go when a process dies.
pub(in crate::jobs) fn lock(folder: &Path) -> std::io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(folder.join("run.lock"))?;
    file.lock()?;
    Ok(file)
}

pub(in crate::jobs) fn not_written(error: &std::io::Error) -> JobError {
    JobError::Fail {
        body: Box::new(
            chapan_api::error::ErrorBody::new(
                ErrorCode::StorageFull,
                "the training's files cannot be written; what was kept before is whole",
            )
            .with_hint("make space on the server's disk, then let the training go on"),
        ),
        cause: Some(error.to_string()),
    }
}

/// Why it did not begin, in the words of the first thing that was found.
fn blocked(preflight: Option<Preflight>) -> JobError {
    let findings = preflight.unwrap_or_default().findings;
    let worst = findings.into_iter().find(|finding| finding.severity == Severity::Error);
    let message = worst.map_or_else(|| "the pictures cannot be used".to_owned(), |finding| finding.message);
    JobError::fail(ErrorCode::UnreadableImage, message, "change the dataset, then begin another training")
}

impl From<TrainingError> for JobError {
    fn from(error: TrainingError) -> Self {
        match error {
            TrainingError::Engine(chapan_engine::Error::Cancelled) => Self::Cancelled,
            TrainingError::Engine(error @ chapan_engine::Error::NotFinite { .. }) => {
                let text = error.to_string();
                let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "lower the learning rate"));
                out_of_range(fact, hint)
            }
            TrainingError::Engine(error) => error.into(),
            TrainingError::AfterCheckpoint { fact, hint, step, not_finite: true, .. } => {
                out_of_range(&fact, &format!("{hint}; step {step} is kept"))
            }
            TrainingError::AfterCheckpoint { fact, hint, step, .. } => {
                Self::fail(ErrorCode::Internal, fact, format!("{hint}; step {step} is kept"))
            }
            TrainingError::Write { source, .. } => not_written(&source),
            other => {
                let text = other.to_string();
                let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "begin another training"));
                Self::fail(ErrorCode::Internal, fact, hint)
            }
        }
    }
}

/// Numbers left their range: most often the learning rate is too high.
fn out_of_range(fact: &str, hint: &str) -> JobError {
    let body = chapan_api::error::ErrorBody::new(ErrorCode::InvalidField, fact).with_hint(hint);
    let body = chapan_api::error::ErrorBody { field: Some("learning_rate".to_owned()), ..body };
    JobError::Fail { body: Box::new(body), cause: None }
}
