//! `GET /api/me`, and sessions.

use axum::http::{StatusCode, header};
use chapan::auth::COOKIE;
use chapan_api::error::ErrorCode;
use chapan_api::id::UserId;
use chapan_api::user::UserView;

use crate::support::{Studio, json_of, refusal};

#[tokio::test]
async fn the_first_answer_brings_a_session_that_scripts_and_other_sites_cannot_use() {
    let studio = Studio::new().await;
    let mut caller = studio.local();
    let response = caller.get("/api/me").await;
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    for part in [COOKIE, "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let me: UserView = json_of(response, StatusCode::OK).await;
    assert!(me.solo && me.roles.len() == 3);

    caller.cookie = cookie.split(';').next().map(str::to_owned);
    let again = caller.get("/api/me").await;
    assert!(again.headers().get(header::SET_COOKIE).is_none(), "the session is known");
}

#[tokio::test]
async fn a_session_belongs_to_its_user() {
    let studio = Studio::new().await;
    let me: UserView = json_of(studio.someone("ana").await.get("/api/me").await, StatusCode::OK).await;
    assert_eq!(me.id, UserId::new("ana"));
}

#[tokio::test]
async fn a_session_of_nobody_is_refused() {
    let studio = Studio::new().await;
    let ghost = studio.session_of(&UserId::new("ghost")).await;
    for path in ["/api/me", "/api/jobs", "/api/images", "/api/generations", "/api/models"] {
        let body = refusal(ghost.get(path).await, StatusCode::UNAUTHORIZED).await;
        assert_eq!(body.code, ErrorCode::Unauthenticated, "{path}");
    }
}

#[tokio::test]
async fn an_old_session_is_forgotten() {
    let studio = Studio::new().await;
    let ana = studio.someone("ana").await;
    studio.clock.advance(2 * 3600 * 1000);
    let me: UserView = json_of(ana.get("/api/me").await, StatusCode::OK).await;
    assert_eq!(me.id, UserId::new("local"), "without a session one is the local user");
    assert_eq!(studio.app.store.delete_expired_sessions().await.unwrap(), 1);
}
