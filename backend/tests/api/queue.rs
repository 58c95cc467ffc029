//! The queue's promises, on the rows themselves: fairness, leases, and what happens when a worker is lost.

use std::sync::Arc;

use chapan::clock::{Clock, ManualClock};
use chapan::ids::new_id;
use chapan::store::{
    Cancelled, Claim, Claimed, Error, ImageFilter, MAX_LOSSES, MAX_LOSSES_IN_ONE_PLACE, NewImage, NewJob,
    NewRequest, Place, Store, UserRow,
};
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::generation::CreateGeneration;
use chapan_api::id::{GenerationId, ImageId, JobId, ModelId, UserId};
use chapan_api::image::ImageKind;
use chapan_api::job::{JobPhase, JobStatus};
use tempfile::TempDir;

use crate::support::record;

const LEASE_MS: i64 = 1000;

struct Rows {
    store: Store,
    clock: Arc<ManualClock>,
    folder: TempDir,
}

impl Rows {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(1_000_000));
        let store = Store::open(&folder.path().join("chapan.db"), clock.clone()).await.unwrap();
        for name in ["ana", "ben", "cem"] {
            let user = UserRow { id: UserId::new(name), name: name.to_owned(), roles: vec![] };
            store.add_user(&user).await.unwrap();
        }
        Self { store, clock, folder }
    }

    async fn ask(&self, owner: &str, model: &str) -> JobId {
        let (id, job) = (new_id(&*self.clock), new_id(&*self.clock));
        let mut new = generation(&id, &job, owner, model);
        new.created_at_ms = self.clock.now_ms();
        self.clock.advance(1);
        self.store.enqueue(&new).await.unwrap().id
    }

    async fn claim_with(&self, loaded: Option<&str>) -> Option<Claimed> {
        let loaded = loaded.map(ModelId::new);
        let until_ms = self.clock.now_ms() + LEASE_MS;
        self.store.claim(&Claim { worker: "w", loaded: loaded.as_ref(), until_ms }).await.unwrap()
    }

    async fn claim(&self) -> Claimed {
        self.claim_with(None).await.expect("a job waits")
    }

    async fn status(&self, owner: &str, job: &JobId) -> JobStatus {
        self.store.job(&UserId::new(owner), job).await.unwrap().unwrap().status
    }

    fn image(&self, claimed: &Claimed) -> NewImage {
        NewImage {
            id: ImageId::new(new_id(&*self.clock)),
            owner: claimed.job.owner.clone(),
            kind: ImageKind::Made,
            subject: Some(claimed.job.subject.clone()),
            sha256: "0".repeat(64),
            size_bytes: 1,
            width: 64,
            height: 64,
            record: Some(record()),
            enlargement: None,
            imported: None,
            caption: None,
            duration_ms: 1,
        }
    }
}

/// A request of five at most.
fn generation(id: &str, job: &str, owner: &str, model: &str) -> NewJob {
    let parameters = CreateGeneration { prompt: owner.to_owned(), ..Default::default() };
    NewJob {
        id: JobId::new(job),
        owner: UserId::new(owner),
        model: ModelId::new(model),
        request: NewRequest::Generation {
            id: GenerationId::new(id),
            parameters: Box::new(parameters),
            reproduces: None,
        },
        total_steps: 20,
        created_at_ms: 0,
        most_waiting: 5,
    }
}

fn denoising(step: u32) -> Place {
    Place { phase: JobPhase::Denoising, step }
}

fn is_lost<T: std::fmt::Debug>(written: &Result<T, Error>) -> bool {
    matches!(written, Err(Error::LeaseLost { .. }))
}

#[tokio::test]
async fn owners_take_turns_and_each_owner_is_served_in_order() {
    let rows = Rows::new().await;
    let mut asked = Vec::new();
    for owner in ["ana", "ana", "ana", "ben", "ben", "cem"] {
        asked.push(rows.ask(owner, "m").await);
    }
    let fair: Vec<_> = [0, 3, 5, 1, 4, 2].iter().map(|&index: &usize| asked[index].clone()).collect();
    assert_eq!(rows.store.queue_order().await.unwrap(), fair, "what is told");
    for expected in &fair {
        assert_eq!(rows.claim().await.job.id, *expected, "is what happens");
    }
    assert!(rows.claim_with(None).await.is_none());
}

#[tokio::test]
async fn whoever_was_just_served_goes_behind_the_others() {
    let rows = Rows::new().await;
    rows.ask("ana", "m").await;
    rows.claim().await;
    let ana = rows.ask("ana", "m").await;
    let ben = rows.ask("ben", "m").await;
    assert_eq!([rows.claim().await.job.id, rows.claim().await.job.id], [ben, ana]);
}

#[tokio::test]
async fn a_loaded_model_goes_first_once_and_nobody_waits_twice_for_it() {
    let rows = Rows::new().await;
    let other = rows.ask("ana", "cold").await;
    let warm = rows.ask("ben", "warm").await;
    assert_eq!(rows.claim_with(Some("warm")).await.unwrap().job.id, warm);
    rows.ask("cem", "warm").await;
    assert_eq!(rows.claim_with(Some("warm")).await.unwrap().job.id, other, "it was passed by before");
}

#[tokio::test]
async fn one_person_cannot_fill_the_queue() {
    let rows = Rows::new().await;
    for _ in 0..5 {
        rows.ask("ana", "m").await;
    }
    let refused = rows.store.enqueue(&generation("g", "j", "ana", "m")).await;
    assert!(matches!(refused, Err(Error::QueueFull { waiting: 5 })), "{refused:?}");
    let left = rows.store.generation_request(&GenerationId::new("g")).await.unwrap();
    assert!(left.is_none(), "and no row is left over");
    rows.ask("ben", "m").await;
}

#[tokio::test]
async fn a_worker_that_was_cut_off_cannot_write_any_more() {
    let rows = Rows::new().await;
    rows.ask("ana", "m").await;
    let slow = rows.claim().await;
    rows.clock.advance(LEASE_MS + 1);
    assert_eq!(rows.store.requeue_expired().await.unwrap().len(), 1);
    let quick = rows.claim().await;
    assert_eq!((quick.job.id.clone(), quick.job.attempt), (slow.job.id.clone(), 2));
    assert!(quick.lease.token > slow.lease.token);

    let error = ErrorBody::new(ErrorCode::Internal, "late");
    assert!(is_lost(&rows.store.record_progress(&slow.lease, denoising(3), 0).await));
    assert!(is_lost(&rows.store.renew_lease(&slow.lease, 0).await));
    assert!(is_lost(&rows.store.succeed(&slow.lease, &[rows.image(&slow)]).await));
    assert!(is_lost(&rows.store.fail(&slow.lease, &error).await));
    assert!(is_lost(&rows.store.finish_cancelled(&slow.lease).await));
    assert!(is_lost(&rows.store.release(&slow.lease, false).await));
    assert_eq!(rows.status("ana", &slow.job.id).await, JobStatus::Running, "the newer attempt goes on");

    let image = rows.image(&quick);
    rows.store.succeed(&quick.lease, std::slice::from_ref(&image)).await.unwrap();
    assert!(is_lost(&rows.store.succeed(&quick.lease, &[rows.image(&quick)]).await), "a job completes once");
    let filter = ImageFilter { limit: 10, ..ImageFilter::default() };
    let images = rows.store.images(&UserId::new("ana"), &filter).await.unwrap();
    assert_eq!(images.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), [image.id]);
}

#[tokio::test]
async fn a_sign_of_life_keeps_the_lease() {
    let rows = Rows::new().await;
    rows.ask("ana", "m").await;
    let claimed = rows.claim().await;
    rows.clock.advance(LEASE_MS - 1);
    rows.store.record_progress(&claimed.lease, denoising(1), rows.clock.now_ms() + LEASE_MS).await.unwrap();
    rows.clock.advance(LEASE_MS - 1);
    assert!(rows.store.requeue_expired().await.unwrap().is_empty());
    rows.clock.advance(2);
    assert_eq!(rows.store.requeue_expired().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_cancelled_running_job_is_told_so_and_is_not_started_again() {
    let rows = Rows::new().await;
    let owner = UserId::new("ana");
    let job = rows.ask("ana", "m").await;
    let claimed = rows.claim().await;
    assert!(!rows.store.record_progress(&claimed.lease, denoising(1), i64::MAX).await.unwrap().cancel);
    let cancelled = rows.store.request_cancel(&owner, &job).await.unwrap();
    assert!(matches!(cancelled, Some(Cancelled::Requested(_))), "{cancelled:?}");
    assert!(rows.store.record_progress(&claimed.lease, denoising(2), i64::MAX).await.unwrap().cancel);
    // Its worker is lost before it could stop: the wish of the owner still holds.
    let lost = rows.store.recover().await.unwrap();
    assert_eq!(lost[0].status, JobStatus::Cancelled);
    assert!(rows.claim_with(None).await.is_none());
}

#[tokio::test]
async fn after_a_restart_the_job_waits_again_and_its_events_count_on() {
    let rows = Rows::new().await;
    let job = rows.ask("ana", "m").await;
    let before = rows.claim().await;
    let file = rows.folder.path().join("chapan.db");
    rows.store.close().await;
    let store = Store::open(&file, rows.clock.clone()).await.unwrap();
    let lost = store.recover().await.unwrap();
    assert_eq!((lost[0].id.clone(), lost[0].status), (job.clone(), JobStatus::Queued));
    assert!(lost[0].seq > before.job.seq + 1000, "no reader has seen a later number");
    assert!(is_lost(&store.succeed(&before.lease, &[rows.image(&before)]).await), "a zombie stays dead");
    assert_eq!(store.integrity().await.unwrap(), "ok");
}

#[tokio::test]
async fn a_job_that_takes_its_worker_with_it_goes_behind_and_in_the_end_fails() {
    let rows = Rows::new().await;
    let bad = rows.ask("ana", "m").await;
    let good = rows.ask("ana", "m").await;
    let lose = async || {
        let claimed = rows.claim().await;
        assert_eq!(claimed.job.id, bad);
        rows.store.record_progress(&claimed.lease, denoising(4), i64::MAX).await.unwrap();
        rows.store.recover().await.unwrap().remove(0)
    };
    assert_eq!(lose().await.status, JobStatus::Queued);
    let behind = rows.claim().await;
    assert_eq!(behind.job.id, good, "the others of its owner go first");
    rows.store.succeed(&behind.lease, &[rows.image(&behind)]).await.unwrap();
    for loss in 2..=MAX_LOSSES_IN_ONE_PLACE {
        let expected = if loss == MAX_LOSSES_IN_ONE_PLACE { JobStatus::Failed } else { JobStatus::Queued };
        assert_eq!(lose().await.status, expected, "loss {loss}");
    }
    let error = rows.store.job(&UserId::new("ana"), &bad).await.unwrap().unwrap().error.unwrap();
    assert!(error.message.contains("3 times") && error.hint.is_some(), "{error:?}");
}

#[tokio::test]
async fn losses_at_different_places_are_bad_luck_for_long() {
    let rows = Rows::new().await;
    let job = rows.ask("ana", "m").await;
    for loss in 1..=MAX_LOSSES {
        assert_eq!(rows.status("ana", &job).await, JobStatus::Queued, "before loss {loss}");
        let claimed = rows.claim().await;
        rows.store.record_progress(&claimed.lease, denoising(loss as u32), i64::MAX).await.unwrap();
        rows.store.recover().await.unwrap();
    }
    assert_eq!(rows.status("ana", &job).await, JobStatus::Failed);
}

#[tokio::test]
async fn a_job_that_is_given_back_has_not_been_started() {
    let rows = Rows::new().await;
    rows.ask("ana", "m").await;
    let claimed = rows.claim().await;
    rows.store.release(&claimed.lease, false).await.unwrap();
    let again = rows.claim().await;
    assert_eq!(again.job.attempt, 1);
    assert!(again.lease.token > claimed.lease.token);
}

#[tokio::test]
async fn many_at_once_get_what_the_limit_allows_and_each_job_is_claimed_once() {
    let rows = Arc::new(Rows::new().await);
    let mut asking = tokio::task::JoinSet::new();
    for index in 0..40 {
        let rows = rows.clone();
        asking.spawn(async move {
            let new = generation(&format!("g{index}"), &format!("j{index}"), "ana", "m");
            rows.store.enqueue(&new).await.is_ok()
        });
    }
    let accepted = asking.join_all().await.into_iter().filter(|&ok| ok).count();
    assert_eq!(accepted, 5);
    let mut claiming = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let rows = rows.clone();
        claiming.spawn(async move { rows.claim_with(None).await.map(|claimed| claimed.job.id) });
    }
    let mut claimed: Vec<_> = claiming.join_all().await.into_iter().flatten().collect();
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 5);
}

#[tokio::test]
async fn a_long_job_gives_its_device_to_those_who_wait_and_goes_before_those_who_come_later() {
    let rows = Rows::new().await;
    let (long, waiting) = (rows.ask("ana", "m").await, rows.ask("ana", "m").await);
    let claimed = rows.claim().await;
    assert_eq!(claimed.job.id, long);
    assert!(rows.store.somebody_waits().await.unwrap());
    assert!(!rows.store.release(&claimed.lease, true).await.unwrap());
    rows.clock.advance(1);
    let later = rows.ask("ana", "m").await;
    assert_eq!(rows.store.queue_order().await.unwrap(), [waiting.clone(), long.clone(), later.clone()]);
    // Another person's job takes its turn as ever.
    let other = rows.ask("ben", "m").await;
    assert_eq!(rows.store.queue_order().await.unwrap()[..2], [other, waiting]);
}

#[tokio::test]
async fn a_job_that_rests_is_not_in_line_and_crashes_before_a_checkpoint_are_forgiven() {
    let rows = Rows::new().await;
    let (ana, job) = (UserId::new("ana"), rows.ask("ana", "m").await);
    rows.store.set_paused(&ana, &job, true).await.unwrap().unwrap();
    assert!(rows.claim_with(None).await.is_none() && !rows.store.somebody_waits().await.unwrap());
    assert!(rows.store.queue_order().await.unwrap().is_empty());
    assert!(rows.store.set_paused(&UserId::new("ben"), &job, false).await.unwrap().is_none());
    rows.store.set_paused(&ana, &job, false).await.unwrap().unwrap();
    // One that runs hears of it at its next sign of life, and rests when it gives its device back.
    let claimed = rows.claim().await;
    rows.store.set_paused(&ana, &job, true).await.unwrap().unwrap();
    let wanted = rows.store.record_progress(&claimed.lease, denoising(1), i64::MAX).await.unwrap();
    assert!(wanted.rest && !wanted.cancel);
    assert!(rows.store.release(&claimed.lease, false).await.unwrap());
    rows.store.set_paused(&ana, &job, false).await.unwrap().unwrap();
    // So many crashes would end it, did it not keep its work in between.
    for _ in 0..2 * MAX_LOSSES {
        let claimed = rows.claim().await;
        rows.store.forgive_losses(&claimed.lease).await.unwrap();
        rows.store.recover().await.unwrap();
    }
    assert_eq!(rows.status("ana", &job).await, JobStatus::Queued);
    let claimed = rows.claim().await;
    rows.store.fail(&claimed.lease, &ErrorBody::new(ErrorCode::StorageFull, "full")).await.unwrap();
    rows.store.requeue_failed(&ana, &job).await.unwrap().unwrap();
    assert_eq!(
        (rows.claim().await.job.id, rows.status("ana", &job).await),
        (job.clone(), JobStatus::Running)
    );
    assert!(is_lost(&rows.store.forgive_losses(&claimed.lease).await), "the old attempt has no say");
}
