//! The job `competition`: what the server makes of a request, in a folder of its own, with the same code as the command line.
//!
//! It goes on at its last finished step whenever it gets a device again: after a restart, after it gave the device to others. The
//! folder is locked while somebody works in it, so that an attempt whose lease was lost cannot write into that of its successor.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use chapan_api::competition::{CompetitionEvent, CompetitionStage, CreateContestant};
use chapan_api::error::ErrorCode;
use chapan_api::id::CompetitionId;
use chapan_api::job::{JobPhase, JobProgress};
use chapan_api::training::TrainingEvent;

use super::{
    CompetitionError, CompetitionSetup, Eyes, FirstSettings, Imported, NamedLora, Turn, run_competition,
};
use crate::hub::Checkpoint;
use crate::jobs::analysing::ClipPlaces;
use crate::jobs::device::Bench;
use crate::jobs::error::JobError;
use crate::jobs::generation::{loaded, run_of};
use crate::jobs::signals::{Report, Reporter};
use crate::jobs::training::{lay_out, lock, not_written};
use crate::jobs::worker::Worker;
use crate::store::{CompetitionRequest, HeldPicture, JobRow, PictureRole};

/// What a round counts of a competition's progress.
pub const ROUND_STEPS: u32 = 100;
/// Where a round's training, drawing and scoring end, of [`ROUND_STEPS`].
const TRAINED: f64 = 70.0;
const DRAWN: f64 = 90.0;

/// A competition's folder in the data folder.
pub fn folder_of(data_dir: &Path, id: &CompetitionId) -> PathBuf {
    data_dir.join("competitions").join(id.as_str())
}

/// A competition with all it needs.
#[derive(Debug)]
pub struct Contending {
    checkpoint: Checkpoint,
    request: CompetitionRequest,
    folder: PathBuf,
    clip: ClipPlaces,
    imported: Vec<(String, Imported)>,
}

impl Contending {
    /// Reads the request and lays its pictures and LoRAs out in the competition's folder, unless they lie there.
    pub(in crate::jobs) async fn prepare(
        worker: &Worker,
        job: &JobRow,
        id: &CompetitionId,
        checkpoint: Checkpoint,
    ) -> Result<Self, JobError> {
        let request = worker.queue.store.competition_request(id).await;
        let request = request.map_err(|error| unreadable(&error))?.ok_or_else(|| unreadable(&"no row"))?;
        let folder = folder_of(&worker.data_dir, id);
        let inputs = folder.join("inputs");
        lay_out_all(worker, &inputs, &request.pictures).await?;
        let mut imported = Vec::with_capacity(request.contestants.len());
        for (index, one) in request.parameters.contestants.iter().enumerate() {
            let place = inputs.join(index.to_string());
            let from = if one.lora.is_some() {
                Imported::Lora(kept_lora(worker, job, one, &place).await?)
            } else {
                lay_out_all(worker, &place, &request.contestants[index]).await?;
                Imported::Pictures(place.join(folder_name(PictureRole::Reference)))
            };
            imported.push((one.name.clone(), from));
        }
        let clip = ClipPlaces::usual(worker)?;
        Ok(Self { checkpoint, request, folder, clip, imported })
    }

    /// Runs to the end, or until it is told to stop.
    pub(in crate::jobs) fn run(self, bench: &mut Bench, reporter: &Reporter) -> Result<(), JobError> {
        let _lock = lock(&self.folder).map_err(|error| not_written(&error))?;
        let teller = Teller::new(reporter, self.request.parameters.iterations);
        teller.progress(JobPhase::LoadingModel);
        let (device, dtype) = (bench.name.clone(), bench.dtype);
        self.clip.open(bench)?;
        let (looking, mut looks) = (bench.looking.take(), std::mem::take(&mut bench.looks));
        let Some(looking) = looking else { return Err(unreadable(&"no CLIP")) };
        let done = loaded(bench, &self.checkpoint).and_then(|model| {
            // Those of pictures go; the rounds put on what they need.
            model.loras.clear();
            let scheduler = &self.checkpoint.default_scheduler;
            let run = run_of(self.checkpoint.id.clone(), model.sha256.clone(), scheduler, &device, dtype);
            let setup = self.setup(run);
            let eyes = Eyes { clip: &looking.clip, id: self.clip.id.as_str(), phrases: &looking.phrases };
            let mut tell = |event: &CompetitionEvent| teller.hear(event);
            let signals = &reporter.signals;
            let turn = || match () {
                () if signals.stops() => Turn::Stop,
                () if signals.gives_back() => Turn::Rest,
                () => Turn::GoOn,
            };
            let ended =
                run_competition(&setup, eyes, &mut model.pipeline, &mut looks, &mut tell, &turn).map(|_| ());
            ended.map_err(|error| failed(&self.folder, error))
        });
        bench.looking = Some(looking);
        // Until it goes on; the next competition forgets them.
        bench.looks = looks;
        done
    }

    fn setup(&self, run: chapan_api::image::Run) -> CompetitionSetup {
        let CompetitionRequest { parameters, trigger_word, pictures, .. } = &self.request;
        let first = parameters.seed.unwrap_or(1);
        let inputs = self.folder.join("inputs");
        let held_out = pictures.iter().any(|picture| picture.role == PictureRole::HeldOut);
        CompetitionSetup {
            folder: self.folder.clone(),
            references: inputs.join(folder_name(PictureRole::Reference)),
            held_out: held_out.then(|| inputs.join(folder_name(PictureRole::HeldOut))),
            trigger: trigger_word.clone(),
            prompts: parameters.prompts.clone(),
            seeds: (first..first + u64::from(parameters.seeds)).collect(),
            iterations: parameters.iterations,
            score_gap: parameters.score_gap,
            weights: parameters.weights.unwrap_or_default(),
            settings: parameters.settings.clone().map_or_else(FirstSettings::default, FirstSettings::from),
            num_inference_steps: parameters.num_inference_steps.unwrap_or(20),
            guidance_scale: parameters.guidance_scale.unwrap_or(5.0),
            imported: self.imported.clone(),
            run,
            language: "en".to_owned(),
        }
    }
}

/// Turns what the competition tells into what listeners of its job hear: a share of all rounds that never goes back.
struct Teller<'a> {
    reporter: &'a Reporter,
    total_steps: u32,
    /// Phase, and how far all rounds are.
    place: Cell<(JobPhase, f64)>,
    /// Steps of the training that is going on.
    train_steps: Cell<u64>,
}

impl<'a> Teller<'a> {
    fn new(reporter: &'a Reporter, iterations: u32) -> Self {
        let total_steps = iterations * ROUND_STEPS;
        Self {
            reporter,
            total_steps,
            place: Cell::new((JobPhase::LoadingModel, 0.0)),
            train_steps: Cell::new(0),
        }
    }

    fn progress(&self, phase: JobPhase) {
        let (_, far) = self.place.get();
        self.place.set((phase, far));
        let step = (far as u32).min(self.total_steps);
        // The flags are looked at by themselves.
        self.reporter.progress(JobProgress { phase, step, total_steps: self.total_steps, preview: None });
    }

    /// At least so far, of a round.
    fn reach(&self, round: u32, share: f64) {
        let (phase, far) = self.place.get();
        let reached = f64::from(round.saturating_sub(1) * ROUND_STEPS) + share;
        self.place.set((phase, far.max(reached)));
    }

    fn hear(&self, event: &CompetitionEvent) {
        let (mut phase, _) = self.place.get();
        match event {
            CompetitionEvent::Stage { round, stage } => {
                let (next, share) = match stage {
                    CompetitionStage::Analyse => (JobPhase::Analysing, 0.0),
                    CompetitionStage::Train => (JobPhase::Training, 0.0),
                    CompetitionStage::Draw => (JobPhase::Denoising, TRAINED),
                    CompetitionStage::Score | CompetitionStage::Learn => (JobPhase::Scoring, DRAWN),
                    CompetitionStage::Finished => (JobPhase::Saving, f64::from(ROUND_STEPS)),
                };
                phase = next;
                self.reach(*round, share);
            }
            CompetitionEvent::Training { round, event } => match event {
                TrainingEvent::Started { max_train_steps, .. } => self.train_steps.set(*max_train_steps),
                TrainingEvent::Step { step, .. } => {
                    let of = self.train_steps.get().max(1);
                    self.reach(*round, TRAINED * (*step as f64 / of as f64).min(1.0));
                }
                TrainingEvent::Checkpoint { .. } => self.reporter.tell(Report::Kept),
                _ => {}
            },
            CompetitionEvent::Picture { round, .. } => {
                self.reach(*round, (self.place.get().1 % f64::from(ROUND_STEPS) + 0.2).clamp(TRAINED, DRAWN));
                self.reporter.tell(Report::Kept);
            }
            CompetitionEvent::Scored { .. } => {}
            CompetitionEvent::RoundFinished { round } => {
                self.reach(*round, f64::from(ROUND_STEPS));
                self.reporter.tell(Report::Kept);
            }
            CompetitionEvent::Finished { .. } => {
                self.reach(self.total_steps / ROUND_STEPS, f64::from(ROUND_STEPS));
            }
        }
        self.progress(phase);
    }
}

fn folder_name(role: PictureRole) -> &'static str {
    match role {
        PictureRole::Reference => "references",
        PictureRole::Class => "class",
        PictureRole::HeldOut => "held-out",
    }
}

/// Lays pictures out with their captions, each role in a folder of its own.
async fn lay_out_all(worker: &Worker, folder: &Path, pictures: &[HeldPicture]) -> Result<(), JobError> {
    for (place, picture) in pictures.iter().enumerate() {
        let path = folder.join(folder_name(picture.role)).join(format!("{place:04}.png"));
        if path.is_file() {
            continue;
        }
        let bytes = worker.blobs.get(&picture.sha256).await.map_err(|error| unreadable(&error))?;
        let bytes = bytes.ok_or_else(|| unreadable(&format!("the file `{}` is gone", picture.sha256)))?;
        let caption = picture.caption.clone();
        let laid = tokio::task::spawn_blocking(move || lay_out(&path, &bytes, caption.as_deref())).await;
        laid.map_err(|error| unreadable(&error))?.map_err(|error| not_written(&error))?;
    }
    Ok(())
}

/// A LoRA from elsewhere, copied: the competition goes on with the same one, whatever becomes of the installed file.
async fn kept_lora(
    worker: &Worker,
    job: &JobRow,
    one: &CreateContestant,
    folder: &Path,
) -> Result<NamedLora, JobError> {
    let id = one.lora.clone().ok_or_else(|| unreadable(&"a contestant without a LoRA"))?;
    let path = folder.join("lora.safetensors");
    if !path.is_file() {
        let (catalog, wanted, copy) = (worker.catalog.of(&job.owner), id.clone(), path.clone());
        let copied = tokio::task::spawn_blocking(move || {
            let found = catalog.lora_candidates().into_iter().find(|file| file.id == wanted)?;
            Some(std::fs::read(found.path).and_then(|bytes| lay_out(&copy, &bytes, None)))
        });
        let Some(copied) = copied.await.map_err(|error| unreadable(&error))? else {
            let fact = format!("the LoRA `{id}` is not installed any more");
            return Err(JobError::fail(ErrorCode::UnknownModel, fact, "choose another, or leave it out"));
        };
        copied.map_err(|error| not_written(&error))?;
    }
    Ok(NamedLora { id, path })
}

fn unreadable(cause: &dyn std::fmt::Display) -> JobError {
    JobError::internal("the competition cannot be read", cause)
}

/// A failure in words for the owner, without the place where the server keeps files.
fn failed(folder: &Path, error: CompetitionError) -> JobError {
    match error {
        CompetitionError::Stopped | CompetitionError::Engine(chapan_engine::Error::Cancelled) => {
            JobError::Cancelled
        }
        CompetitionError::Engine(error) => error.into(),
        error => {
            let code = match &error {
                CompetitionError::File { .. } => ErrorCode::StorageFull,
                CompetitionError::Comparison(_) | CompetitionError::Dataset(_) => ErrorCode::UnreadableImage,
                _ => ErrorCode::Internal,
            };
            let place = format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR);
            let text = error.to_string().replace(&place, "");
            let hint = "what was finished stays; begin another competition";
            let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, hint));
            JobError::fail(code, fact, hint)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chapan_api::competition::Decision;

    use super::*;
    use crate::jobs::signals::Signals;

    #[test]
    fn progress_never_goes_back_and_ends_at_all_rounds() {
        let (reporter, mut inbox) = Reporter::new(Arc::new(Signals::default()));
        let teller = Teller::new(&reporter, 2);
        let training = |round, event| CompetitionEvent::Training { round, event };
        let step = |step| TrainingEvent::Step { step, loss: 1.0, lr: 1.0, grad_norm: 1.0 };
        let stage = |round, stage| CompetitionEvent::Stage { round, stage };
        let started = TrainingEvent::Started {
            step: 0,
            max_train_steps: 10,
            references: 1,
            class_pictures: 0,
            held_out: 0,
            parameters: 1,
        };
        let picture = CompetitionEvent::Picture {
            round: 1,
            contestant: String::new(),
            file: String::new(),
            prompt: String::new(),
            seed: 1,
        };
        teller.hear(&stage(1, CompetitionStage::Train));
        teller.hear(&training(1, started.clone()));
        teller.hear(&training(1, step(5)));
        // Gone on with from an earlier checkpoint.
        teller.hear(&training(1, started));
        teller.hear(&training(1, step(2)));
        teller.hear(&stage(1, CompetitionStage::Draw));
        for _ in 0..500 {
            teller.hear(&picture);
        }
        teller.hear(&stage(1, CompetitionStage::Score));
        teller.hear(&CompetitionEvent::RoundFinished { round: 1 });
        teller.hear(&stage(1, CompetitionStage::Finished));
        teller.hear(&CompetitionEvent::Finished { decision: Decision::GapClosed });
        let mut steps = Vec::new();
        while let Ok(report) = inbox.try_recv() {
            if let Report::Progress(progress) = report {
                assert_eq!(progress.total_steps, 200);
                steps.push(progress.step);
            }
        }
        assert!(steps.is_sorted(), "{steps:?}");
        assert_eq!((steps[2], steps.last()), (35, Some(&200)));
        let drawn = steps.iter().filter(|step| (70..=90).contains(*step)).count();
        assert!(drawn >= 500, "pictures stay within their share: {steps:?}");
    }

    #[test]
    fn failures_do_not_tell_where_the_server_keeps_files() {
        let path = Path::new("/data/competitions/c/comparisons/a.png").to_owned();
        let error = CompetitionError::File { path, fault: "no space left".into() };
        let JobError::Fail { body, .. } = failed(Path::new("/data/competitions/c"), error) else { panic!() };
        assert!(body.message.contains("`comparisons/a.png`") && !body.message.contains("/data"));
        assert_eq!(body.code, ErrorCode::StorageFull);
        assert!(matches!(failed(Path::new("/"), CompetitionError::Stopped), JobError::Cancelled));
    }
}
