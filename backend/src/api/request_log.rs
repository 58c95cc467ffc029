//! Every request gets an identifier, a line in the log, and a time limit.
//!
//! The line holds method, path, status and time: no query, no headers, no body, so no key, cookie or prompt can slip in.

use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chapan_api::error::ErrorCode;
use tracing::Instrument;

use super::AppState;
use super::error::ApiError;
use crate::ids;

/// The header that carries the identifier back.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Handlers answer at once or hand work to the queue; whatever takes longer is stuck.
const TIME_LIMIT: Duration = Duration::from_secs(30);

tokio::task_local! {
    static CURRENT: String;
}

/// The identifier of the request that this task answers.
pub(super) fn current_id() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs a request under its identifier. An identifier from outside is not taken over: the log is ours.
pub(super) async fn with_request_id(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let id = ids::new_id(&*app.clock);
    let method = request.method().clone();
    let path: String = request.uri().path().chars().filter(|c| !c.is_control()).take(200).collect();
    let span = tracing::info_span!("request", %id);
    let started = Instant::now();
    let answer = async {
        let limited = tokio::time::timeout(TIME_LIMIT, next.run(request)).await;
        limited.unwrap_or_else(|_| {
            ApiError::new(
                ErrorCode::Unavailable,
                "the server took too long to answer",
                "try again in a moment",
            )
            .into_response()
        })
    };
    let mut response = CURRENT.scope(id.clone(), answer).instrument(span.clone()).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let took_ms = started.elapsed().as_millis() as u64;
    let status = response.status().as_u16();
    span.in_scope(|| tracing::info!(%method, path, status, took_ms, "answered"));
    response
}
