//! `/api/jobs`.

use axum::http::StatusCode;
use chapan_api::error::ErrorCode;
use chapan_api::job::{JobStatus, JobView};
use chapan_api::page::Page;

use crate::support::{Studio, json_of, refusal};

#[tokio::test]
async fn a_job_is_seen_by_its_owner_only() {
    let studio = Studio::new().await;
    let ana = studio.someone("ana").await;
    let ben = studio.someone("ben").await;
    let job = ana.ask().await;
    let path = format!("/api/jobs/{}", job.id);
    let seen: JobView = json_of(ana.get(&path).await, StatusCode::OK).await;
    assert_eq!(seen.id, job.id);
    for refused in [
        ben.get(&path).await,
        ben.get(&format!("{path}/events")).await,
        ben.act("POST", &format!("{path}/cancel")).await,
        ana.get("/api/jobs/nothing").await,
    ] {
        assert_eq!(refusal(refused, StatusCode::NOT_FOUND).await.code, ErrorCode::NotFound);
    }
    let theirs: Page<JobView> = json_of(ben.get("/api/jobs").await, StatusCode::OK).await;
    assert!(theirs.items.is_empty());
    let still: JobView = json_of(ana.get(&path).await, StatusCode::OK).await;
    assert_eq!(still.status, JobStatus::Queued, "nobody else can stop it");
}

#[tokio::test]
async fn active_jobs_are_listed_newest_first_until_they_end() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let (first, second) = (caller.ask().await, caller.ask().await);
    let list = async || -> Vec<_> {
        let page: Page<JobView> = json_of(caller.get("/api/jobs").await, StatusCode::OK).await;
        page.items.into_iter().map(|job| job.id).collect()
    };
    assert_eq!(list().await, [second.id.clone(), first.id.clone()]);
    let claimed = studio.claim().await.unwrap();
    assert_eq!(claimed.job.id, first.id);
    studio.finish(&claimed, b"png").await;
    assert_eq!(list().await, [second.id]);
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_those_behind_move_up() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let (first, second) = (caller.ask().await, caller.ask().await);
    let cancel = format!("/api/jobs/{}/cancel", first.id);
    let cancelled: JobView = json_of(caller.act("POST", &cancel).await, StatusCode::OK).await;
    assert_eq!(cancelled.status, JobStatus::Cancelled);
    let again: JobView = json_of(caller.act("POST", &cancel).await, StatusCode::OK).await;
    assert_eq!(again.status, JobStatus::Cancelled, "stopping twice is no fault");
    let path = format!("/api/jobs/{}", second.id);
    let behind: JobView = json_of(caller.get(&path).await, StatusCode::OK).await;
    assert_eq!(behind.position, Some(0));
    assert_eq!(studio.claim().await.map(|claimed| claimed.job.id), Some(second.id));
    assert!(studio.claim().await.is_none());
}

#[tokio::test]
async fn a_finished_job_stays_finished() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let job = caller.ask().await;
    let image = studio.finish(&studio.claim().await.unwrap(), b"png").await;
    let cancel = format!("/api/jobs/{}/cancel", job.id);
    let late: JobView = json_of(caller.act("POST", &cancel).await, StatusCode::OK).await;
    assert_eq!((late.status, late.image), (JobStatus::Succeeded, Some(image)));
}
