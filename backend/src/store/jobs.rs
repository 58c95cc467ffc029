//! Jobs: their rows, and the writes of whoever holds a lease on one.
//!
//! A lease is the right to work on a job. Its token grows whenever the job changes hands, and every write of a worker is
//! conditional on the token: a worker that was slow, suspended or cut off can never overwrite a newer attempt.

use chapan_api::error::ErrorBody;
use chapan_api::id::{
    CompetitionId, DatasetId, GenerationId, GridId, ImageId, JobId, ModelId, TrainingId, UpscaleId, UserId,
};
use chapan_api::job::{JobKind, JobPhase, JobProgress, JobStatus, JobView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::images::NewImage;
use super::{Error, Result, Store};

/// Events of a live job are numbered in memory. Where a number must not fall behind what a reader has seen (after a
/// restart, and at the end of a job) the stored one is raised by more than a job ever has events.
pub(super) const SEQ_HEADROOM: i64 = 1_000_000;

macro_rules! job_columns {
    () => {
        "j.id, j.owner_id, j.kind, j.subject_id, j.model, j.state, j.attempts, j.cancel_requested, j.phase, j.step, \
         j.total_steps, j.seq, j.result_id, j.error, j.created_at_ms, j.started_at_ms, j.finished_at_ms, j.paused"
    };
}
pub(super) use job_columns;

/// The same columns where SQL allows no alias.
macro_rules! returning_job {
    () => {
        "RETURNING lease_token, id, owner_id, kind, subject_id, model, state, attempts, cancel_requested, phase, step, \
         total_steps, seq, result_id, error, created_at_ms, started_at_ms, finished_at_ms, paused"
    };
}
pub(super) use returning_job;

/// The request that a job answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Pictures from a prompt.
    Generation(GenerationId),
    /// A larger copy.
    Upscale(UpscaleId),
    /// A grid of pictures.
    Grid(GridId),
    /// A look at the pictures of a dataset; a dataset can be looked at again, so that each look has an `id` of its own.
    Analysis {
        /// The dataset, a colon, and what tells this look from others.
        id: String,
        /// The dataset.
        dataset: DatasetId,
    },
    /// A LoRA.
    Training(TrainingId),
    /// Rounds of training, drawing and scoring.
    Competition(CompetitionId),
}

impl Subject {
    /// The kind of work.
    pub fn kind(&self) -> JobKind {
        match self {
            Self::Generation(_) => JobKind::Generation,
            Self::Upscale(_) => JobKind::Upscale,
            Self::Grid(_) => JobKind::Grid,
            Self::Analysis { .. } => JobKind::Analysis,
            Self::Training(_) => JobKind::Training,
            Self::Competition(_) => JobKind::Competition,
        }
    }

    /// The text of its identifier.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Generation(id) => id.as_str(),
            Self::Upscale(id) => id.as_str(),
            Self::Grid(id) => id.as_str(),
            Self::Analysis { id, .. } => id,
            Self::Training(id) => id.as_str(),
            Self::Competition(id) => id.as_str(),
        }
    }

    /// The generation, if it is one.
    pub fn generation(&self) -> Option<&GenerationId> {
        if let Self::Generation(id) = self { Some(id) } else { None }
    }

    /// The request for a larger copy, if it is one.
    pub fn upscale(&self) -> Option<&UpscaleId> {
        if let Self::Upscale(id) = self { Some(id) } else { None }
    }

    /// The grid, if it is one.
    pub fn grid(&self) -> Option<&GridId> {
        if let Self::Grid(id) = self { Some(id) } else { None }
    }

    /// The dataset, if it is looked at.
    pub fn dataset(&self) -> Option<&DatasetId> {
        if let Self::Analysis { dataset, .. } = self { Some(dataset) } else { None }
    }

    /// The training, if it is one.
    pub fn training(&self) -> Option<&TrainingId> {
        if let Self::Training(id) = self { Some(id) } else { None }
    }

    /// The competition, if it is one.
    pub fn competition(&self) -> Option<&CompetitionId> {
        if let Self::Competition(id) = self { Some(id) } else { None }
    }

    /// A new look at a dataset; `unique` tells it from others.
    pub fn analysis_of(dataset: &DatasetId, unique: &str) -> Self {
        Self::Analysis { id: format!("{dataset}:{unique}"), dataset: dataset.clone() }
    }

    fn read(kind: JobKind, id: String) -> Self {
        match kind {
            JobKind::Generation => Self::Generation(GenerationId::new(id)),
            JobKind::Upscale => Self::Upscale(UpscaleId::new(id)),
            JobKind::Grid => Self::Grid(GridId::new(id)),
            JobKind::Analysis => {
                let dataset = id.split_once(':').map_or(id.as_str(), |(dataset, _)| dataset);
                Self::Analysis { dataset: DatasetId::new(dataset), id }
            }
            JobKind::Training => Self::Training(TrainingId::new(id)),
            JobKind::Competition => Self::Competition(CompetitionId::new(id)),
        }
    }
}

/// A job, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRow {
    /// The job.
    pub id: JobId,
    /// Whose it is.
    pub owner: UserId,
    /// The request that it answers.
    pub subject: Subject,
    /// The model that it needs.
    pub model: ModelId,
    /// Where it stands.
    pub status: JobStatus,
    /// How often it has been started.
    pub attempt: u32,
    /// Whether its owner asked to stop it.
    pub cancel_requested: bool,
    /// Whether it rests until its owner lets it go on.
    pub paused: bool,
    /// How far it is known to be.
    pub place: Option<Place>,
    /// Steps in all.
    pub total_steps: u32,
    /// Number of the last event that this row covers.
    pub seq: u64,
    /// The first picture, when it succeeded.
    pub image: Option<ImageId>,
    /// Why it failed.
    pub error: Option<ErrorBody>,
    /// When it was accepted.
    pub created_at_ms: i64,
    /// When it was last started.
    pub started_at_ms: Option<i64>,
    /// When it ended.
    pub finished_at_ms: Option<i64>,
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is doing.
    pub phase: JobPhase,
    /// Steps done.
    pub step: u32,
}

/// The right to work on a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// Grows whenever the job changes hands.
    pub token: i64,
}

/// What the owner of a running job wants of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// That it ends.
    pub cancel: bool,
    /// That it rests.
    pub rest: bool,
}

/// What came of a request to cancel.
#[derive(Clone, Debug, PartialEq)]
pub enum Cancelled {
    /// It was waiting and is cancelled now.
    Now(JobRow),
    /// It is running; its worker stops at the next step.
    Requested(JobRow),
    /// It had ended before.
    TooLate(JobRow),
}

impl JobRow {
    /// The job as readers see it; its place in the queue and its pictures are known elsewhere.
    pub fn view(&self, position: Option<u32>, images: Vec<ImageId>) -> JobView {
        let running = self.status == JobStatus::Running;
        let progress = self.place.filter(|_| running).map(|place| JobProgress {
            phase: place.phase,
            step: place.step,
            total_steps: self.total_steps,
            preview: None,
        });
        JobView {
            id: self.id.clone(),
            kind: self.subject.kind(),
            generation: self.subject.generation().cloned(),
            upscale: self.subject.upscale().cloned(),
            grid: self.subject.grid().cloned(),
            dataset: self.subject.dataset().cloned(),
            training: self.subject.training().cloned(),
            competition: self.subject.competition().cloned(),
            status: self.status,
            position: position.filter(|_| self.status == JobStatus::Queued),
            progress,
            image: self.image.clone(),
            images,
            error: self.error.clone(),
            attempt: self.attempt,
            seq: self.seq,
            created_at_ms: self.created_at_ms,
            started_at_ms: self.started_at_ms,
            finished_at_ms: self.finished_at_ms,
        }
    }

    pub(super) fn read(row: &SqliteRow) -> Result<Self> {
        let id: String = row.try_get("id")?;
        let error: Option<String> = row.try_get("error")?;
        let phase: Option<String> = row.try_get("phase")?;
        let phase: Option<JobPhase> = phase.map(|word| from_word("phase", &id, &word)).transpose()?;
        let state: String = row.try_get("state")?;
        let kind: String = row.try_get("kind")?;
        let step = row.try_get::<i64, _>("step")? as u32;
        Ok(Self {
            owner: UserId::new(row.try_get::<String, _>("owner_id")?),
            subject: Subject::read(from_word("kind", &id, &kind)?, row.try_get("subject_id")?),
            model: ModelId::new(row.try_get::<String, _>("model")?),
            status: from_word("state", &id, &state)?,
            attempt: row.try_get::<i64, _>("attempts")? as u32,
            cancel_requested: row.try_get::<i64, _>("cancel_requested")? != 0,
            paused: row.try_get::<i64, _>("paused")? != 0,
            place: phase.map(|phase| Place { phase, step }),
            total_steps: row.try_get::<i64, _>("total_steps")? as u32,
            seq: row.try_get::<i64, _>("seq")? as u64,
            image: row.try_get::<Option<String>, _>("result_id")?.map(ImageId::new),
            error: error.map(|text| from_json("error", &id, &text)).transpose()?,
            created_at_ms: row.try_get("created_at_ms")?,
            started_at_ms: row.try_get("started_at_ms")?,
            finished_at_ms: row.try_get("finished_at_ms")?,
            id: JobId::new(id),
        })
    }
}

impl Store {
    /// A job of this owner.
    pub async fn job(&self, owner: &UserId, id: &JobId) -> Result<Option<JobRow>> {
        let sql = concat!("SELECT ", job_columns!(), " FROM jobs j WHERE j.id = $1 AND j.owner_id = $2");
        let row =
            sqlx::query(sql).bind(id.as_str()).bind(owner.as_str()).fetch_optional(&self.reader).await?;
        row.as_ref().map(JobRow::read).transpose()
    }

    /// The jobs of an owner that have not ended, newest first.
    pub async fn active_jobs(&self, owner: &UserId) -> Result<Vec<JobRow>> {
        let sql = concat!(
            "SELECT ",
            job_columns!(),
            " FROM jobs j WHERE j.owner_id = $1 AND j.state IN ('queued', 'running') ORDER BY j.created_at_ms DESC, j.id DESC"
        );
        let rows = sqlx::query(sql).bind(owner.as_str()).fetch_all(&self.reader).await?;
        rows.iter().map(JobRow::read).collect()
    }

    /// Keeps the lease until `until_ms` and says what the owner wants of the job.
    pub async fn renew_lease(&self, lease: &Lease, until_ms: i64) -> Result<Wanted> {
        self.while_leased(
            lease,
            sqlx::query(
                "UPDATE jobs SET lease_expires_at_ms = $3 \
                 WHERE id = $1 AND lease_token = $2 AND state = 'running' RETURNING cancel_requested, paused",
            )
            .bind(lease.job.as_str())
            .bind(lease.token)
            .bind(until_ms),
        )
        .await
    }

    /// Notes how far the job is, keeps the lease, and says what the owner wants of it.
    pub async fn record_progress(&self, lease: &Lease, place: Place, until_ms: i64) -> Result<Wanted> {
        self.while_leased(
            lease,
            sqlx::query(
                "UPDATE jobs SET phase = $3, step = $4, lease_expires_at_ms = $5 \
                 WHERE id = $1 AND lease_token = $2 AND state = 'running' RETURNING cancel_requested, paused",
            )
            .bind(lease.job.as_str())
            .bind(lease.token)
            .bind(to_word(&place.phase))
            .bind(i64::from(place.step))
            .bind(until_ms),
        )
        .await
    }

    async fn while_leased(
        &self,
        lease: &Lease,
        query: sqlx::query::Query<'_, sqlx::Sqlite, <sqlx::Sqlite as sqlx::Database>::Arguments>,
    ) -> Result<Wanted> {
        match query.fetch_optional(&self.writer).await? {
            Some(row) => Ok(Wanted {
                cancel: row.try_get::<i64, _>("cancel_requested")? != 0,
                rest: row.try_get::<i64, _>("paused")? != 0,
            }),
            None => Err(lease.lost()),
        }
    }

    /// Ends the job with its pictures: all or nothing, and only for the holder of the lease.
    pub async fn succeed(&self, lease: &Lease, images: &[NewImage]) -> Result<()> {
        let now = self.now_ms();
        let mut tx = self.write().await?;
        self.mark_succeeded(&mut tx, lease, images.first().map(|image| &image.id)).await?;
        for (place, image) in images.iter().enumerate() {
            image.insert(&mut tx, Some(&lease.job), place, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Ends the job well, within a transaction that writes what came of it.
    pub(super) async fn mark_succeeded(
        &self,
        db: &mut SqliteConnection,
        lease: &Lease,
        image: Option<&ImageId>,
    ) -> Result<()> {
        let done = sqlx::query(
            "UPDATE jobs SET state = 'succeeded', result_id = $3, finished_at_ms = $4, seq = seq + $5, \
             lease_expires_at_ms = NULL WHERE id = $1 AND lease_token = $2 AND state = 'running'",
        )
        .bind(lease.job.as_str())
        .bind(lease.token)
        .bind(image.map(ImageId::as_str))
        .bind(self.now_ms())
        .bind(SEQ_HEADROOM)
        .execute(db)
        .await?;
        if done.rows_affected() == 0 { Err(lease.lost()) } else { Ok(()) }
    }

    /// Ends the job with an error.
    pub async fn fail(&self, lease: &Lease, error: &ErrorBody) -> Result<()> {
        self.end(lease, "failed", Some(to_json(error))).await
    }

    /// Ends the job because its owner asked for it.
    pub async fn finish_cancelled(&self, lease: &Lease) -> Result<()> {
        self.end(lease, "cancelled", None).await
    }

    async fn end(&self, lease: &Lease, state: &str, error: Option<String>) -> Result<()> {
        let done = sqlx::query(
            "UPDATE jobs SET state = $3, error = $4, finished_at_ms = $5, seq = seq + $6, lease_expires_at_ms = NULL \
             WHERE id = $1 AND lease_token = $2 AND state = 'running'",
        )
        .bind(lease.job.as_str())
        .bind(lease.token)
        .bind(state)
        .bind(error)
        .bind(self.now_ms())
        .bind(SEQ_HEADROOM)
        .execute(&self.writer)
        .await?;
        if done.rows_affected() == 0 { Err(lease.lost()) } else { Ok(()) }
    }

    /// Gives the job back to the queue in good order: this attempt does not count. One that `yields` stands behind all who
    /// wait now, and before those who come later. Says whether it rests.
    pub async fn release(&self, lease: &Lease, yields: bool) -> Result<bool> {
        let released = sqlx::query(
            "UPDATE jobs SET state = 'queued', attempts = attempts - 1, lease_token = lease_token + 1, phase = NULL, \
             step = 0, worker = NULL, lease_expires_at_ms = NULL, \
             yielded_at_ms = CASE WHEN $3 = 1 THEN $4 ELSE yielded_at_ms END \
             WHERE id = $1 AND lease_token = $2 AND state = 'running' RETURNING paused",
        )
        .bind(lease.job.as_str())
        .bind(lease.token)
        .bind(i64::from(yields))
        .bind(self.now_ms())
        .fetch_optional(&self.writer)
        .await?;
        match released {
            Some(row) => Ok(row.try_get::<i64, _>("paused")? != 0),
            None => Err(lease.lost()),
        }
    }

    /// Notes that the work so far is kept: attempts that were lost before it do not count any more.
    pub async fn forgive_losses(&self, lease: &Lease) -> Result<()> {
        let done = sqlx::query(
            "UPDATE jobs SET losses = 0, lost_there = 0, lost_place = NULL \
             WHERE id = $1 AND lease_token = $2 AND state = 'running'",
        )
        .bind(lease.job.as_str())
        .bind(lease.token)
        .execute(&self.writer)
        .await?;
        if done.rows_affected() == 0 { Err(lease.lost()) } else { Ok(()) }
    }

    /// Whether a job waits that a worker could take.
    pub async fn somebody_waits(&self) -> Result<bool> {
        let waiting: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND paused = 0")
                .fetch_one(&self.reader)
                .await?;
        Ok(waiting > 0)
    }

    /// Stops a waiting job, or asks the worker of a running one to stop. `None`: the owner has no such job.
    pub async fn request_cancel(&self, owner: &UserId, id: &JobId) -> Result<Option<Cancelled>> {
        let mut tx = self.write().await?;
        let stopped = sqlx::query(
            "UPDATE jobs SET state = 'cancelled', finished_at_ms = $3, seq = seq + $4, cancel_requested = 1 \
             WHERE id = $1 AND owner_id = $2 AND state = 'queued'",
        )
        .bind(id.as_str())
        .bind(owner.as_str())
        .bind(self.now_ms())
        .bind(SEQ_HEADROOM)
        .execute(&mut *tx)
        .await?;
        let asked = sqlx::query(
            "UPDATE jobs SET cancel_requested = 1 WHERE id = $1 AND owner_id = $2 AND state = 'running'",
        )
        .bind(id.as_str())
        .bind(owner.as_str())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        let Some(row) = self.job(owner, id).await? else { return Ok(None) };
        Ok(Some(match (stopped.rows_affected(), asked.rows_affected()) {
            (1, _) => Cancelled::Now(row),
            (_, 1) => Cancelled::Requested(row),
            _ => Cancelled::TooLate(row),
        }))
    }
}

impl Lease {
    pub(super) fn lost(&self) -> Error {
        Error::LeaseLost { job: self.job.to_string() }
    }
}

/// The one word that a plain enum is written as.
pub(super) fn to_word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("a plain enum is written as a word, not as {other:?}"),
    }
}

pub(super) fn from_word<T: DeserializeOwned>(column: &'static str, id: &str, word: &str) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).map_err(|source| Error::Corrupt {
        column,
        id: id.to_owned(),
        source,
    })
}

pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("wire types are plain data with text keys")
}

pub(super) fn from_json<T: DeserializeOwned>(column: &'static str, id: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| Error::Corrupt { column, id: id.to_owned(), source })
}
