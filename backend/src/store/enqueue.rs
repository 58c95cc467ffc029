//! Accepting work: a request and its job, both or neither.

use chapan_api::competition::CreateCompetition;
use chapan_api::generation::CreateGeneration;
use chapan_api::grid::CreateGrid;
use chapan_api::id::{
    CompetitionId, DatasetId, GenerationId, GridId, ImageId, JobId, ModelId, TrainingId, UpscaleId, UserId,
};
use chapan_api::job::{JobStatus, JobView};
use chapan_api::training::{CreateTraining, Preflight};
use chapan_api::upscale::CreateUpscale;
use sqlx::sqlite::SqliteConnection;

use super::competitions::hold_all;
use super::held::hold;
use super::jobs::{JobRow, Subject, returning_job, to_json, to_word};
use super::{Error, HeldPicture, Recipe, Result, Store};

/// Work to be queued.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The job.
    pub id: JobId,
    /// Who asks.
    pub owner: UserId,
    /// The model that was chosen.
    pub model: ModelId,
    /// What is asked for.
    pub request: NewRequest,
    /// Steps in all.
    pub total_steps: u32,
    /// When it was asked for.
    pub created_at_ms: i64,
    /// How many jobs the owner may have in the queue.
    pub most_waiting: u32,
}

/// What is asked for, with all that the server chose filled in.
#[derive(Clone, Debug)]
pub enum NewRequest {
    /// Pictures from a prompt.
    Generation {
        /// The generation.
        id: GenerationId,
        /// Its parameters.
        parameters: Box<CreateGeneration>,
        /// The picture that it makes again, if it does.
        reproduces: Option<ImageId>,
    },
    /// A larger copy.
    Upscale {
        /// The request.
        id: UpscaleId,
        /// Its parameters.
        parameters: CreateUpscale,
        /// The picture that it makes again, if it does.
        reproduces: Option<ImageId>,
    },
    /// A grid of pictures.
    Grid {
        /// The grid.
        id: GridId,
        /// Its parameters.
        parameters: Box<CreateGrid>,
    },
    /// A look at the pictures of a dataset.
    Analysis {
        /// The dataset.
        dataset: DatasetId,
        /// What tells this look from others.
        unique: String,
    },
    /// A LoRA.
    Training {
        /// The training.
        id: TrainingId,
        /// Its parameters.
        parameters: Box<CreateTraining>,
        /// What else decides the result.
        recipe: Recipe,
        /// What was found before it was accepted.
        preflight: Box<Preflight>,
        /// Its pictures.
        pictures: Vec<HeldPicture>,
    },
    /// Rounds of training, drawing and scoring.
    Competition {
        /// The competition.
        id: CompetitionId,
        /// Its parameters.
        parameters: Box<CreateCompetition>,
        /// The word that the character is called by.
        trigger_word: Option<String>,
        /// The references.
        pictures: Vec<HeldPicture>,
        /// Pictures of each contestant from elsewhere, in order.
        contestants: Vec<Vec<HeldPicture>>,
    },
}

impl NewRequest {
    /// The request that the job answers.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Generation { id, .. } => Subject::Generation(id.clone()),
            Self::Upscale { id, .. } => Subject::Upscale(id.clone()),
            Self::Grid { id, .. } => Subject::Grid(id.clone()),
            Self::Analysis { dataset, unique } => Subject::analysis_of(dataset, unique),
            Self::Training { id, .. } => Subject::Training(id.clone()),
            Self::Competition { id, .. } => Subject::Competition(id.clone()),
        }
    }
}

impl NewJob {
    /// The job as readers see it before it has a place.
    pub fn view(&self) -> JobView {
        let subject = self.request.subject();
        JobView {
            id: self.id.clone(),
            kind: subject.kind(),
            generation: subject.generation().cloned(),
            upscale: subject.upscale().cloned(),
            grid: subject.grid().cloned(),
            dataset: subject.dataset().cloned(),
            training: subject.training().cloned(),
            competition: subject.competition().cloned(),
            status: JobStatus::Queued,
            position: None,
            progress: None,
            image: None,
            images: Vec::new(),
            error: None,
            attempt: 0,
            seq: 0,
            created_at_ms: self.created_at_ms,
            started_at_ms: None,
            finished_at_ms: None,
        }
    }

    async fn insert_request(&self, db: &mut SqliteConnection) -> Result<()> {
        let query = match &self.request {
            NewRequest::Generation { id, parameters, reproduces } => sqlx::query(
                "INSERT INTO generations (id, owner_id, parameters, created_at_ms, reproduces) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(id.as_str())
            .bind(self.owner.as_str())
            .bind(to_json(parameters))
            .bind(self.created_at_ms)
            .bind(reproduces.as_ref().map(ImageId::as_str)),
            NewRequest::Upscale { id, parameters, reproduces } => sqlx::query(
                "INSERT INTO upscales (id, owner_id, parameters, created_at_ms, reproduces) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(id.as_str())
            .bind(self.owner.as_str())
            .bind(to_json(parameters))
            .bind(self.created_at_ms)
            .bind(reproduces.as_ref().map(ImageId::as_str)),
            NewRequest::Grid { id, parameters } => sqlx::query(
                "INSERT INTO grids (id, owner_id, parameters, created_at_ms) VALUES ($1, $2, $3, $4)",
            )
            .bind(id.as_str())
            .bind(self.owner.as_str())
            .bind(to_json(parameters))
            .bind(self.created_at_ms),
            // The dataset is all there is to know.
            NewRequest::Analysis { .. } => return Ok(()),
            NewRequest::Training { id, parameters, recipe, preflight, pictures } => {
                hold(&mut *db, id.as_str(), pictures).await?;
                sqlx::query(
                    "INSERT INTO trainings (id, owner_id, dataset_id, name, model, parameters, recipe, preflight, created_at_ms) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                )
                .bind(id.as_str())
                .bind(self.owner.as_str())
                .bind(parameters.dataset.as_str())
                .bind(&parameters.name)
                .bind(self.model.as_str())
                .bind(to_json(parameters))
                .bind(to_json(recipe))
                .bind(to_json(preflight))
                .bind(self.created_at_ms)
            }
            NewRequest::Competition { id, parameters, trigger_word, pictures, contestants } => {
                hold_all(&mut *db, id, pictures, contestants).await?;
                sqlx::query(
                    "INSERT INTO competitions (id, owner_id, dataset_id, name, parameters, trigger_word, created_at_ms) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(id.as_str())
                .bind(self.owner.as_str())
                .bind(parameters.dataset.as_str())
                .bind(&parameters.name)
                .bind(to_json(parameters))
                .bind(trigger_word.as_deref())
                .bind(self.created_at_ms)
            }
        };
        query.execute(db).await?;
        Ok(())
    }
}

impl Store {
    /// Stores a request and queues its job: both or neither.
    pub async fn enqueue(&self, new: &NewJob) -> Result<JobRow> {
        let mut tx = self.write().await?;
        let waiting: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM jobs WHERE owner_id = $1 AND state IN ('queued', 'running')",
        )
        .bind(new.owner.as_str())
        .fetch_one(&mut *tx)
        .await?;
        if waiting >= i64::from(new.most_waiting) {
            return Err(Error::QueueFull { waiting: waiting as u32 });
        }
        new.insert_request(&mut tx).await?;
        let subject = new.request.subject();
        let row = sqlx::query(concat!(
            "INSERT INTO jobs (id, owner_id, kind, subject_id, model, state, total_steps, created_at_ms) \
             VALUES ($1, $2, $3, $4, $5, 'queued', $6, $7) ",
            returning_job!()
        ))
        .bind(new.id.as_str())
        .bind(new.owner.as_str())
        .bind(to_word(&subject.kind()))
        .bind(subject.as_str())
        .bind(new.model.as_str())
        .bind(i64::from(new.total_steps))
        .bind(new.created_at_ms)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        JobRow::read(&row)
    }
}
