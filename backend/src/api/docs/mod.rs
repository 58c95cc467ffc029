//! `/api/openapi.json` and `/api/docs`: the interface described, from the code, for programs and for people.
//!
//! The page is ours and loads nothing from elsewhere: it reads the description and lays it out.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::OpenApi;

use super::AppState;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The description and its page.
pub(super) fn routes(description: &OpenApi) -> Router<AppState> {
    let json = serde_json::to_string(description).expect("a description is plain data with text keys");
    Router::new()
        .route("/api/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], json) }))
        .route("/api/docs", get(|| async { asset("text/html; charset=utf-8", PAGE) }))
        .route("/api/docs/page.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/api/docs/page.js", get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }))
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, POLICY)], text)
}
