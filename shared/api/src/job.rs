//! The noun `job`: work in the queue, its events, and the one reducer that turns events into a state.

use serde::{Deserialize, Serialize};

use crate::error::ErrorBody;
use crate::id::{CompetitionId, DatasetId, GenerationId, GridId, ImageId, JobId, TrainingId, UpscaleId};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waiting for a device.
    Queued,
    /// A device works on it.
    Running,
    /// Done, with a result.
    Succeeded,
    /// Done, with an error.
    Failed,
    /// Stopped by its owner.
    Cancelled,
}

impl JobStatus {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// What kind of work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Makes pictures from a prompt.
    Generation,
    /// Makes a larger copy of a picture.
    Upscale,
    /// Makes a grid of pictures.
    Grid,
    /// Says what the pictures of a dataset show.
    Analysis,
    /// Makes a LoRA.
    Training,
    /// Trains, draws and scores in rounds.
    Competition,
}

/// What a running job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobPhase {
    /// Reading weights from disk.
    LoadingModel,
    /// Turning the prompt into embeddings.
    Encoding,
    /// Removing noise, step by step.
    Denoising,
    /// Turning latents into pixels.
    Decoding,
    /// Making a larger copy, tile by tile.
    Upscaling,
    /// Writing the picture.
    Saving,
    /// Learning, step by step.
    Training,
    /// Saying what pictures show, one by one.
    Analysing,
    /// Comparing pictures with references, one by one.
    Scoring,
}

/// How far a running job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobProgress {
    /// What it is doing.
    pub phase: JobPhase,
    /// Steps done.
    pub step: u32,
    /// Steps in all.
    pub total_steps: u32,
    /// A small picture of the latents, as a `data:` address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}

/// A job as `GET /api/jobs/{id}` gives it, and as every stream begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobView {
    /// The job.
    pub id: JobId,
    /// What kind of work it is.
    pub kind: JobKind,
    /// The generation that it makes; only of kind `generation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<GenerationId>,
    /// The larger copy that it makes; only of kind `upscale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upscale: Option<UpscaleId>,
    /// The grid that it makes; only of kind `grid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<GridId>,
    /// The dataset that it looks at; only of kind `analysis`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetId>,
    /// The training that it does; only of kind `training`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingId>,
    /// The competition that it holds; only of kind `competition`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub competition: Option<CompetitionId>,
    /// Where it stands.
    pub status: JobStatus,
    /// How many jobs run before it, `0` when it is next; only while queued. A paused training is queued and has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// How far it is; only while running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// Its picture, the first when there are several, the sheet of a grid; only when it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageId>,
    /// All its pictures, in order; only when it succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageId>,
    /// Why it failed; only when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
    /// How often it has been started; more than one after a crash.
    pub attempt: u32,
    /// Sequence number of the last event that this view includes.
    pub seq: u64,
    /// When it was accepted, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
    /// When it was last started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at_ms: Option<i64>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at_ms: Option<i64>,
}

/// What happened to a job. `seq` grows by one with each event of the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(try_from = "FlatEvent")]
pub struct JobEvent {
    /// Sequence number; also the id of the server-sent event.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub change: JobChange,
}

/// The change that an event reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum JobChange {
    /// The whole state; every stream begins with it.
    Snapshot {
        /// The state.
        job: Box<JobView>,
    },
    /// The place in the queue changed.
    Moved {
        /// How many jobs run before it.
        position: u32,
    },
    /// A device began (again).
    Started {
        /// Which attempt this is, from 1.
        attempt: u32,
        /// When, in milliseconds since 1970 UTC.
        at_ms: i64,
    },
    /// It got further.
    Progressed {
        /// How far.
        progress: JobProgress,
    },
    /// It is back in the queue: its device was lost, or given to those who wait.
    Requeued {
        /// How many jobs run before it.
        position: u32,
    },
    /// It rests: it is back in the queue, without a place, until its owner lets it go on.
    Paused,
    /// Done.
    Finished {
        /// Its pictures, in order; none where its kind makes something else.
        images: Vec<ImageId>,
        /// When.
        at_ms: i64,
    },
    /// It failed.
    Failed {
        /// Why.
        error: ErrorBody,
        /// When.
        at_ms: i64,
    },
    /// Its owner stopped it.
    Cancelled {
        /// When.
        at_ms: i64,
    },
    /// Events were lost on the way; a snapshot follows.
    Gap,
}

/// An event as it is read: one level of fields. What serde makes of a flattened, tagged enum would bring the code that
/// reads a job into the browser twice.
#[derive(Deserialize)]
struct FlatEvent {
    seq: u64,
    event: String,
    job: Option<Box<JobView>>,
    position: Option<u32>,
    attempt: Option<u32>,
    at_ms: Option<i64>,
    progress: Option<JobProgress>,
    images: Option<Vec<ImageId>>,
    error: Option<ErrorBody>,
}

impl TryFrom<FlatEvent> for JobEvent {
    type Error = String;

    fn try_from(flat: FlatEvent) -> Result<Self, String> {
        let FlatEvent { seq, event, job, position, attempt, at_ms, progress, images, error } = flat;
        let lacks = |name: &str| format!("the event `{event}` comes without `{name}`");
        let at_ms = at_ms.ok_or_else(|| lacks("at_ms"));
        let position = position.ok_or_else(|| lacks("position"));
        let change = match event.as_str() {
            "snapshot" => JobChange::Snapshot { job: job.ok_or_else(|| lacks("job"))? },
            "moved" => JobChange::Moved { position: position? },
            "started" => {
                JobChange::Started { attempt: attempt.ok_or_else(|| lacks("attempt"))?, at_ms: at_ms? }
            }
            "progressed" => JobChange::Progressed { progress: progress.ok_or_else(|| lacks("progress"))? },
            "requeued" => JobChange::Requeued { position: position? },
            "paused" => JobChange::Paused,
            "finished" => {
                JobChange::Finished { images: images.ok_or_else(|| lacks("images"))?, at_ms: at_ms? }
            }
            "failed" => JobChange::Failed { error: error.ok_or_else(|| lacks("error"))?, at_ms: at_ms? },
            "cancelled" => JobChange::Cancelled { at_ms: at_ms? },
            "gap" => JobChange::Gap,
            other => return Err(format!("there is no event `{other}`")),
        };
        Ok(Self { seq, change })
    }
}

/// A job's state as a reader of its events knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobState {
    /// The state so far.
    pub view: JobView,
}

/// What a reader should do after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The state changed.
    Changed,
    /// The event was old news.
    Ignored,
    /// Events are missing: ask for a snapshot.
    NeedsSnapshot,
}

impl JobState {
    /// Starts from a view.
    pub fn new(view: JobView) -> Self {
        Self { view }
    }

    /// Applies one event. Old events are ignored, a hole in the numbers asks for a snapshot, and within one attempt
    /// progress never goes back. A final state is never left.
    pub fn apply(&mut self, event: &JobEvent) -> Applied {
        match &event.change {
            JobChange::Snapshot { job } => {
                let stale =
                    job.seq < self.view.seq || (self.view.status.is_final() && !job.status.is_final());
                if stale || **job == self.view {
                    return Applied::Ignored;
                }
                self.view = (**job).clone();
                return Applied::Changed;
            }
            JobChange::Gap => return Applied::NeedsSnapshot,
            _ => {}
        }
        if event.seq <= self.view.seq || self.view.status.is_final() {
            return Applied::Ignored;
        }
        if event.seq != self.view.seq + 1 {
            return Applied::NeedsSnapshot;
        }
        self.view.seq = event.seq;
        self.change(&event.change);
        Applied::Changed
    }

    fn change(&mut self, change: &JobChange) {
        let view = &mut self.view;
        match change {
            JobChange::Snapshot { .. } | JobChange::Gap => {}
            JobChange::Moved { position } => view.position = Some(*position),
            JobChange::Started { attempt, at_ms } => {
                view.status = JobStatus::Running;
                view.position = None;
                view.progress = None;
                view.attempt = *attempt;
                view.started_at_ms = Some(*at_ms);
            }
            JobChange::Progressed { progress } => {
                let back = view.progress.as_ref().is_some_and(|old| old.step > progress.step);
                if !back {
                    let mut progress = progress.clone();
                    // A preview stays on screen until a newer one comes.
                    if progress.preview.is_none() {
                        progress.preview = view.progress.take().and_then(|old| old.preview);
                    }
                    view.progress = Some(progress);
                }
            }
            JobChange::Requeued { position } => {
                view.status = JobStatus::Queued;
                view.position = Some(*position);
                view.progress = None;
            }
            JobChange::Paused => {
                view.status = JobStatus::Queued;
                view.position = None;
                view.progress = None;
            }
            JobChange::Finished { images, at_ms } => {
                view.image = images.first().cloned();
                view.images.clone_from(images);
                view.end(JobStatus::Succeeded, *at_ms);
            }
            JobChange::Failed { error, at_ms } => {
                view.error = Some(error.clone());
                view.end(JobStatus::Failed, *at_ms);
            }
            JobChange::Cancelled { at_ms } => view.end(JobStatus::Cancelled, *at_ms),
        }
    }
}

impl JobView {
    fn end(&mut self, status: JobStatus, at_ms: i64) {
        self.status = status;
        self.position = None;
        self.progress = None;
        self.finished_at_ms = Some(at_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn queued() -> JobState {
        JobState::new(JobView {
            id: JobId::new("j"),
            kind: JobKind::Generation,
            generation: Some(GenerationId::new("g")),
            upscale: None,
            grid: None,
            dataset: None,
            training: None,
            competition: None,
            status: JobStatus::Queued,
            position: Some(2),
            progress: None,
            image: None,
            images: Vec::new(),
            error: None,
            attempt: 0,
            seq: 0,
            created_at_ms: 1,
            started_at_ms: None,
            finished_at_ms: None,
        })
    }

    fn event(seq: u64, change: JobChange) -> JobEvent {
        JobEvent { seq, change }
    }

    fn step(step: u32, preview: Option<&str>) -> JobChange {
        let preview = preview.map(str::to_owned);
        JobChange::Progressed {
            progress: JobProgress { phase: JobPhase::Denoising, step, total_steps: 4, preview },
        }
    }

    #[test]
    fn every_event_survives_json() {
        let error = ErrorBody::new(ErrorCode::Internal, "fact");
        let changes = [
            JobChange::Snapshot { job: Box::new(queued().view) },
            JobChange::Moved { position: 3 },
            JobChange::Started { attempt: 1, at_ms: 5 },
            step(1, Some("data:a")),
            JobChange::Requeued { position: 0 },
            JobChange::Paused,
            JobChange::Finished { images: vec![ImageId::new("i")], at_ms: 9 },
            JobChange::Failed { error, at_ms: 9 },
            JobChange::Cancelled { at_ms: 10 },
            JobChange::Gap,
        ];
        for change in changes {
            let event = event(7, change);
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<JobEvent>(&json).unwrap(), event);
        }
        let lacking = serde_json::from_str::<JobEvent>(r#"{"seq":1,"event":"moved"}"#);
        assert_eq!(lacking.unwrap_err().to_string(), "the event `moved` comes without `position`");
    }

    #[test]
    fn a_whole_life() {
        let mut state = queued();
        let life = [
            JobChange::Moved { position: 0 },
            JobChange::Started { attempt: 1, at_ms: 5 },
            step(1, Some("data:a")),
            step(2, None),
            JobChange::Finished { images: vec![ImageId::new("i"), ImageId::new("k")], at_ms: 9 },
        ];
        for (i, change) in life.into_iter().enumerate() {
            assert_eq!(state.apply(&event(i as u64 + 1, change)), Applied::Changed);
        }
        assert_eq!(state.view.status, JobStatus::Succeeded);
        assert_eq!((state.view.image.clone(), state.view.images.len()), (Some(ImageId::new("i")), 2));
        assert_eq!(state.apply(&event(6, JobChange::Cancelled { at_ms: 10 })), Applied::Ignored);
    }

    #[test]
    fn repeated_events_are_ignored_and_holes_are_noticed() {
        let mut state = queued();
        state.apply(&event(1, JobChange::Started { attempt: 1, at_ms: 5 }));
        assert_eq!(state.apply(&event(1, JobChange::Started { attempt: 1, at_ms: 5 })), Applied::Ignored);
        assert_eq!(state.apply(&event(3, step(2, None))), Applied::NeedsSnapshot);
        assert_eq!(state.apply(&event(2, JobChange::Gap)), Applied::NeedsSnapshot);
    }

    #[test]
    fn progress_never_goes_back_and_keeps_its_preview() {
        let mut state = queued();
        state.apply(&event(1, JobChange::Started { attempt: 1, at_ms: 5 }));
        state.apply(&event(2, step(3, Some("data:a"))));
        state.apply(&event(3, step(1, Some("data:b"))));
        assert_eq!(state.view.progress.as_ref().map(|p| p.step), Some(3));
        state.apply(&event(4, step(4, None)));
        assert_eq!(state.view.progress.as_ref().and_then(|p| p.preview.as_deref()), Some("data:a"));
    }

    #[test]
    fn an_old_snapshot_does_not_undo_an_end() {
        let mut state = queued();
        let old = state.view.clone();
        state.apply(&event(1, JobChange::Cancelled { at_ms: 3 }));
        let late = event(9, JobChange::Snapshot { job: Box::new(JobView { seq: 9, ..old }) });
        assert_eq!(state.apply(&late), Applied::Ignored);
    }

    #[test]
    fn events_survive_json() {
        let whole = event(7, JobChange::Snapshot { job: Box::new(queued().view) });
        for event in [whole, event(1, step(1, Some("data:a"))), event(2, JobChange::Gap)] {
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<JobEvent>(&json).unwrap(), event, "{json}");
        }
    }
}
