//! `/api/lessons`.

use axum::http::StatusCode;
use chapan_api::lesson::LessonProgress;

use crate::support::{Studio, json_of, refusal};

const LESSON: &str = "/api/lessons/first-light/progress";

#[tokio::test]
async fn a_finished_step_is_remembered_with_its_first_time() {
    let studio = Studio::new().await;
    let ana = studio.someone("ana").await;
    let none: LessonProgress = json_of(ana.get(LESSON).await, StatusCode::OK).await;
    assert!(none.done.is_empty());
    let step = format!("{LESSON}/same-seed");
    let once: LessonProgress = json_of(ana.act("PUT", &step).await, StatusCode::OK).await;
    studio.clock.advance(5000);
    let twice: LessonProgress = json_of(ana.act("PUT", &step).await, StatusCode::OK).await;
    assert_eq!(once, twice);
    assert!(once.done.contains_key("same-seed"));

    let ben = studio.someone("ben").await;
    let other: LessonProgress = json_of(ben.get(LESSON).await, StatusCode::OK).await;
    assert!(other.done.is_empty(), "each person's progress is their own");
}

#[tokio::test]
async fn names_are_checked() {
    let studio = Studio::new().await;
    let caller = studio.local();
    let long = format!("/api/lessons/{}/progress", "x".repeat(65));
    for path in ["/api/lessons/%00/progress", "/api/lessons/a%2Fb/progress", &long] {
        refusal(caller.get(path).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
}
