//! The queue: who is next, and what happens to jobs whose worker was lost.
//!
//! Fair between owners, then first come first served: in each round every owner who waits has one job, and the owner
//! whose turn was longest ago goes first. A job that took its worker with it goes behind the others of its owner, so
//! that one bad job cannot hold up the rest. A long job gives its device back now and then; it goes behind those who wait at
//! that moment. One that rests is not in line.

use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::id::{JobId, ModelId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::jobs::{JobRow, Lease, Place, SEQ_HEADROOM, job_columns, returning_job, to_json, to_word};
use super::{Result, Store};

/// A job that takes its worker with it this often in a row, at the same place, has itself to blame: the engine is
/// deterministic. Three, because a power cut or a hand that stops the server seldom strikes twice at one step.
pub const MAX_LOSSES_IN_ONE_PLACE: i64 = 3;

/// So many lost attempts end a job wherever they happened.
pub const MAX_LOSSES: i64 = 10;

/// A worker's offer to take a job.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// Who offers, for the log.
    pub worker: &'a str,
    /// The model that it has in memory.
    pub loaded: Option<&'a ModelId>,
    /// Until when it holds the job without a sign of life.
    pub until_ms: i64,
}

/// A job with the right to work on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The job.
    pub job: JobRow,
    /// The right to work on it.
    pub lease: Lease,
}

/// What became of a job whose worker was lost: look at its status.
pub type Lost = JobRow;

struct Waiting {
    id: String,
    owner: String,
    model: String,
    round: i64,
    bypassed: i64,
}

macro_rules! waiting {
    () => {
        "SELECT w.id, w.owner_id, w.model, w.bypassed, w.round FROM ( \
            SELECT j.id, j.owner_id, j.model, j.bypassed, COALESCE(j.yielded_at_ms, j.created_at_ms) AS created_at_ms, COALESCE(t.turn, 0) AS turn, \
                ROW_NUMBER() OVER (PARTITION BY j.owner_id ORDER BY j.losses, COALESCE(j.yielded_at_ms, j.created_at_ms), j.id) \
                AS round \
            FROM jobs j LEFT JOIN queue_turns t ON t.owner_id = j.owner_id WHERE j.state = 'queued' AND j.paused = 0 \
         ) w ORDER BY w.round, w.turn, w.created_at_ms, w.id"
    };
}

/// How far down the queue a claim looks for a job whose model is loaded.
macro_rules! near_the_front {
    () => {
        concat!(waiting!(), " LIMIT 64")
    };
}

impl Store {
    /// The waiting jobs, the next one first.
    pub async fn queue_order(&self) -> Result<Vec<JobId>> {
        let rows = sqlx::query(waiting!()).fetch_all(&self.reader).await?;
        rows.iter().map(|row| Ok(JobId::new(row.try_get::<String, _>("id")?))).collect()
    }

    /// The waiting jobs as rows, for a server that starts.
    pub async fn queued_jobs(&self) -> Result<Vec<JobRow>> {
        let sql = concat!("SELECT ", job_columns!(), " FROM jobs j WHERE j.state = 'queued'");
        sqlx::query(sql).fetch_all(&self.reader).await?.iter().map(JobRow::read).collect()
    }

    /// Hands the next job to a worker, if one waits.
    pub async fn claim(&self, claim: &Claim<'_>) -> Result<Option<Claimed>> {
        let mut tx = self.write().await?;
        let rows = sqlx::query(near_the_front!()).fetch_all(&mut *tx).await?;
        let waiting = rows.iter().map(Waiting::read).collect::<Result<Vec<_>>>()?;
        let Some(chosen) = choose(&waiting, claim.loaded.map(ModelId::as_str)) else { return Ok(None) };
        for passed in &waiting[..chosen] {
            sqlx::query("UPDATE jobs SET bypassed = bypassed + 1 WHERE id = $1")
                .bind(&passed.id)
                .execute(&mut *tx)
                .await?;
        }
        let row = sqlx::query(concat!(
            "UPDATE jobs SET state = 'running', lease_token = lease_token + 1, attempts = attempts + 1, worker = $2, \
             lease_expires_at_ms = $3, started_at_ms = $4, phase = NULL, step = 0 WHERE id = $1 AND state = 'queued' ",
            returning_job!()
        ))
        .bind(&waiting[chosen].id)
        .bind(claim.worker)
        .bind(claim.until_ms)
        .bind(self.now_ms())
        .fetch_one(&mut *tx)
        .await?;
        let job = JobRow::read(&row)?;
        let lease = Lease { job: job.id.clone(), token: row.try_get("lease_token")? };
        sqlx::query(
            "INSERT INTO queue_turns (owner_id, turn) \
             VALUES ($1, (SELECT COALESCE(MAX(turn), 0) + 1 FROM queue_turns)) \
             ON CONFLICT (owner_id) DO UPDATE SET turn = excluded.turn",
        )
        .bind(&waiting[chosen].owner)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(Claimed { job, lease }))
    }

    /// At the start of the only process that uses this database: every running job has lost its worker. Numbers of
    /// events continue above all that a reader may have seen.
    pub async fn recover(&self) -> Result<Vec<Lost>> {
        sqlx::query("UPDATE jobs SET seq = seq + $1 WHERE state IN ('queued', 'running')")
            .bind(SEQ_HEADROOM)
            .execute(&self.writer)
            .await?;
        self.requeue_lost(i64::MAX).await
    }

    /// Takes back the jobs whose worker has given no sign of life in time.
    pub async fn requeue_expired(&self) -> Result<Vec<Lost>> {
        self.requeue_lost(self.now_ms()).await
    }

    async fn requeue_lost(&self, expired_before_ms: i64) -> Result<Vec<Lost>> {
        let mut tx = self.write().await?;
        let rows = sqlx::query(concat!(
            "SELECT ",
            job_columns!(),
            ", j.losses, j.lost_place, j.lost_there FROM jobs j \
             WHERE j.state = 'running' AND COALESCE(j.lease_expires_at_ms, 0) <= $1 ORDER BY j.id"
        ))
        .bind(expired_before_ms)
        .fetch_all(&mut *tx)
        .await?;
        let mut lost = Vec::with_capacity(rows.len());
        for row in &rows {
            let job = JobRow::read(row)?;
            let place = place_word(job.place);
            let before: Option<String> = row.try_get("lost_place")?;
            let same = before.as_deref() == Some(place.as_str());
            let lost_there = if same { row.try_get::<i64, _>("lost_there")? + 1 } else { 1 };
            let losses = row.try_get::<i64, _>("losses")? + 1;
            let poison = lost_there >= MAX_LOSSES_IN_ONE_PLACE || losses >= MAX_LOSSES;
            let (state, error) = match (job.cancel_requested, poison) {
                (true, _) => ("cancelled", None),
                (false, true) => ("failed", Some(to_json(&poisoned(losses)))),
                (false, false) => ("queued", None),
            };
            let (ended_at, headroom) =
                if state == "queued" { (None, 0) } else { (Some(self.now_ms()), SEQ_HEADROOM) };
            let changed = sqlx::query(concat!(
                "UPDATE jobs SET state = $2, error = $3, losses = $4, lost_place = $5, lost_there = $6, \
                 finished_at_ms = $7, seq = seq + $8, lease_token = lease_token + 1, lease_expires_at_ms = NULL, \
                 worker = NULL, phase = NULL, step = 0 WHERE id = $1 ",
                returning_job!()
            ))
            .bind(job.id.as_str())
            .bind(state)
            .bind(error)
            .bind(losses)
            .bind(place)
            .bind(lost_there)
            .bind(ended_at)
            .bind(headroom)
            .fetch_one(&mut *tx)
            .await?;
            lost.push(JobRow::read(&changed)?);
        }
        tx.commit().await?;
        Ok(lost)
    }
}

impl Waiting {
    fn read(row: &SqliteRow) -> Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            owner: row.try_get("owner_id")?,
            model: row.try_get("model")?,
            round: row.try_get("round")?,
            bypassed: row.try_get("bypassed")?,
        })
    }
}

/// The job to take: the first, unless another of the same round finds its model in memory and nobody before it has been
/// passed by yet. So a change of models is put off, but nobody waits twice for it.
fn choose(waiting: &[Waiting], loaded: Option<&str>) -> Option<usize> {
    let first = waiting.first()?;
    let same_round = waiting.iter().take_while(|job| job.round == first.round);
    let fits = same_round.clone().position(|job| Some(job.model.as_str()) == loaded);
    let free = same_round.take_while(|job| job.bypassed == 0).count();
    Some(fits.filter(|&index| index <= free).unwrap_or(0))
}

fn place_word(place: Option<Place>) -> String {
    place.map_or_else(|| "start".to_owned(), |place| format!("{}:{}", to_word(&place.phase), place.step))
}

fn poisoned(losses: i64) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, format!("the server stopped {losses} times while it worked on this"))
        .with_hint("try a smaller size or another model; if it happens again, tell whoever runs the server")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(model: &str, round: i64, bypassed: i64) -> Waiting {
        Waiting { id: String::new(), owner: String::new(), model: model.to_owned(), round, bypassed }
    }

    #[test]
    fn first_come_first_served_unless_a_loaded_model_helps() {
        assert_eq!(choose(&[], Some("a")), None);
        let queue = [job("b", 1, 0), job("a", 1, 0)];
        assert_eq!(choose(&queue, None), Some(0));
        assert_eq!(choose(&queue, Some("b")), Some(0));
        assert_eq!(choose(&queue, Some("a")), Some(1));
    }

    #[test]
    fn nobody_is_passed_by_twice() {
        assert_eq!(choose(&[job("b", 1, 1), job("a", 1, 0)], Some("a")), Some(0));
        assert_eq!(choose(&[job("b", 1, 0), job("b", 1, 1), job("a", 1, 0)], Some("a")), Some(0));
    }

    #[test]
    fn a_later_round_never_goes_before_this_one() {
        assert_eq!(choose(&[job("b", 1, 0), job("a", 2, 0)], Some("a")), Some(0));
    }
}
