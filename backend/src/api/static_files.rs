//! The built front end: hashed files for a year, the page itself checked each time, unknown pages are the page.
//!
//! Files are served compressed where `name.br` or `name.gz` lies beside them. The page's inline scripts (the build tool
//! writes one that starts the program) are allowed by their hashes, so the policy never needs `unsafe-inline`.

use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use sha2::{Digest, Sha256};
use tower::ServiceExt;
use tower_http::services::ServeDir;

use super::AppState;
use super::error::ApiError;

const FOR_A_YEAR: &str = "public, max-age=31536000, immutable";
const CHECK_EACH_TIME: &str = "no-cache";

/// What is shown when there is no front end to show.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Chapan</title>\
    <h1>The server runs, but its page is not built</h1>\
    <p>Build it with <code>cargo xtask build</code>, or name its folder with <code>--static-dir</code>. \
    The interface for programs is described at <a href=\"/api/docs\">/api/docs</a>.</p></html>";

/// Answers whatever no route took.
pub(super) async fn serve(State(app): State<AppState>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return ApiError::not_found("route", path).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_page = !name.contains('.') || name == "index.html";
    match (&app.config.static_dir, is_page) {
        (Some(folder), false) => file(folder, request).await,
        (Some(folder), true) => page(&folder.join("index.html")).await,
        (None, true) => html(NOT_BUILT.to_owned()),
        (None, false) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn file(folder: &Path, request: Request) -> Response {
    let lasting = is_hashed(request.uri().path());
    let files = ServeDir::new(folder).precompressed_br().precompressed_gzip();
    let Ok(found) = files.oneshot(request).await;
    let mut response = found.map(Body::new);
    let served = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    let caching = if lasting && served { FOR_A_YEAR } else { CHECK_EACH_TIME };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    set_policy(headers, &[]);
    response
}

/// Sixteen hexadecimal digits of a hash stand in the name of a file or of its folder.
fn is_hashed(path: &str) -> bool {
    let is_hash = |part: &str| part.len() >= 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    path.split(['/', '-', '_', '.']).any(is_hash)
}

async fn page(file: &Path) -> Response {
    let file: PathBuf = file.to_owned();
    let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
    match text {
        Ok(Ok(text)) => html(text),
        _ => html(NOT_BUILT.to_owned()),
    }
}

fn html(text: String) -> Response {
    let scripts: Vec<String> = inline_scripts(&text).iter().map(|script| source_hash(script)).collect();
    let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CHECK_EACH_TIME));
    set_policy(headers, &scripts);
    response
}

fn set_policy(headers: &mut HeaderMap, script_hashes: &[String]) {
    let scripts = script_hashes.join(" ");
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' {scripts}; style-src 'self'; font-src 'self'; \
         img-src 'self' data: blob:; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    if let Ok(value) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, value);
    }
}

/// The texts of the scripts that are written into the page itself.
fn inline_scripts(page: &str) -> Vec<&str> {
    let mut scripts = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("<script") {
        let Some((attributes, after)) = after.split_once('>') else { break };
        let Some((text, after)) = after.split_once("</script>") else { break };
        if !attributes.contains("src=") && !text.is_empty() {
            scripts.push(text);
        }
        rest = after;
    }
    scripts
}

fn source_hash(script: &str) -> String {
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(script.as_bytes()));
    format!("'sha256-{digest}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_names_are_told_from_plain_ones() {
        assert!(is_hashed("/chapan-web-0123456789abcdef_bg.wasm"));
        assert!(is_hashed("/chapan-web-0123456789abcdef.js"));
        assert!(is_hashed("/program-0123456789abcdef/split_gallery.wasm"));
        assert!(!is_hashed("/index.html"));
        assert!(!is_hashed("/fonts/golos-text-cyrillic.woff2"));
    }

    #[test]
    fn inline_scripts_are_found_and_hashed() {
        let page =
            "<script src=\"a.js\"></script><script type=\"module\">start()</script><p><script></script>";
        assert_eq!(inline_scripts(page), ["start()"]);
        // python3 -c "import hashlib,base64;print(base64.b64encode(hashlib.sha256(b'start()').digest()).decode())"
        assert_eq!(source_hash("start()"), "'sha256-DIm7WJS6ZKDYe5qFLPy+h4JFI9Bol5QmYC57mt3Fb00='");
    }
}
