//! The built front end.

use std::fs;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use tempfile::TempDir;

use crate::support::{Studio, bytes_of};

const SCRIPT: &str = "import init from '/app.js'; init();";

async fn studio() -> (Studio, TempDir) {
    let dist = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dist.path().join(name), text).unwrap();
    write("index.html", &format!("<html><script type=\"module\">{SCRIPT}</script>the page</html>"));
    write("app-0123456789abcdef.js", "export default 1");
    write("app-0123456789abcdef_bg.wasm", "\0asm plain");
    write("app-0123456789abcdef_bg.wasm.br", "compressed");
    write("robots.txt", "hello");
    let folder = dist.path().to_owned();
    (Studio::with(|config| config.static_dir = Some(folder)).await, dist)
}

#[tokio::test]
async fn pages_are_the_page_and_its_inline_script_is_allowed_by_its_hash() {
    let (studio, _dist) = studio().await;
    let caller = studio.local();
    for path in ["/", "/index.html", "/gallery", "/lesson/first-light/2"] {
        let response = caller.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.contains("'wasm-unsafe-eval' 'sha256-"), "{policy}");
        assert!(bytes_of(response).await.ends_with(b"the page</html>"));
    }
}

#[tokio::test]
async fn hashed_files_last_and_come_compressed_where_they_can() {
    let (studio, _dist) = studio().await;
    let caller = studio.local();
    let wasm = "/app-0123456789abcdef_bg.wasm";
    let asked = Request::get(wasm).header(header::ACCEPT_ENCODING, "gzip, br");
    let compressed = caller.send(asked.body(Body::empty()).unwrap()).await;
    assert_eq!(compressed.headers()[header::CONTENT_TYPE], "application/wasm");
    assert_eq!(compressed.headers()[header::CONTENT_ENCODING], "br");
    assert!(compressed.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    assert_eq!(bytes_of(compressed).await, "compressed");
    assert_eq!(bytes_of(caller.get(wasm).await).await, "\0asm plain");
    assert_eq!(caller.get("/robots.txt").await.headers()[header::CACHE_CONTROL], "no-cache");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_nothing_outside_is_reached() {
    let (studio, dist) = studio().await;
    let secret = dist.path().parent().unwrap().join("chapan-secret.txt");
    fs::write(&secret, "secret").unwrap();
    let caller = studio.local();
    for path in [
        "/nothing.js",
        "/../chapan-secret.txt",
        "/%2e%2e/chapan-secret.txt",
        "/..%2fchapan-secret.txt",
        "/..%5cchapan-secret.txt",
        "/%2e%2e%2fchapan-secret.txt",
    ] {
        let response = caller.get(path).await;
        assert_ne!(response.status(), StatusCode::OK, "{path}");
        assert!(!bytes_of(response).await.ends_with(b"secret"), "{path}");
    }
    fs::remove_file(secret).unwrap();
    assert_eq!(caller.act("POST", "/gallery").await.status(), StatusCode::METHOD_NOT_ALLOWED);
}
