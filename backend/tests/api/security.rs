//! Whatever comes from elsewhere stays outside, on every route.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use chapan_api::error::ErrorCode;
use serde_json::Value;

use crate::support::{HOST, Studio, json_of, refusal};

/// Every route of the interface, from its own description: one that is added is tested without being told.
async fn routes(studio: &Studio) -> Vec<(Method, String)> {
    let description: Value = json_of(studio.local().get("/api/openapi.json").await, StatusCode::OK).await;
    let paths = description["paths"].as_object().unwrap();
    let operations =
        paths.iter().flat_map(|(path, methods)| {
            let path = path.replace("{id}", "x").replace("{lesson}", "x").replace("{step}", "x");
            methods.as_object().unwrap().keys().map(move |method| {
                (Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), path.clone())
            })
        });
    operations.collect()
}

fn request(method: &Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from("{}")).unwrap()
}

#[tokio::test]
async fn every_change_from_another_site_is_refused() {
    let studio = Studio::new().await;
    let changing: Vec<_> =
        routes(&studio).await.into_iter().filter(|(method, _)| *method != Method::GET).collect();
    assert!(changing.len() >= 5, "{changing:?}");
    let json = ("content-type", "application/json");
    for (method, path) in &changing {
        for foreign in [
            [json, ("origin", "https://evil.example")],
            [json, ("origin", "null")],
            [json, ("origin", "http://127.0.0.1:9999")],
            [json, ("sec-fetch-site", "cross-site")],
            [json, ("sec-fetch-site", "same-site")],
        ] {
            let response = studio.local().send(request(method, path, &foreign)).await;
            let body = refusal(response, StatusCode::FORBIDDEN).await;
            assert_eq!(body.code, ErrorCode::CrossSite, "{method} {path} {foreign:?}");
        }
        let own = [json, ("origin", &format!("http://{HOST}")), ("sec-fetch-site", "same-origin")];
        let status = studio.local().send(request(method, path, &own)).await.status();
        assert_ne!(status, StatusCode::FORBIDDEN, "{method} {path}");
    }
}

#[tokio::test]
async fn every_route_refuses_a_foreign_name() {
    let studio = Studio::new().await;
    let mut all = routes(&studio).await;
    all.extend([(Method::GET, "/".to_owned()), (Method::GET, "/api/docs".to_owned())]);
    for (method, path) in all {
        for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "192.168.0.7:8080"] {
            let response = studio.local().send(request(&method, &path, &[("host", host)])).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{method} {path} for {host}");
        }
    }
}

#[tokio::test]
async fn every_route_but_health_knows_who_asks() {
    let studio = Studio::new().await;
    let ghost = studio.session_of(&chapan_api::id::UserId::new("ghost")).await;
    let own = [("content-type", "application/json")];
    for (method, path) in routes(&studio).await {
        let status = ghost.send(request(&method, &path, &own)).await.status();
        let expected = if path == "/api/health" { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(status, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn every_answer_is_strict() {
    let studio = Studio::new().await;
    for path in ["/", "/api/health", "/api/nothing", "/nothing.js", "/api/docs", "/gallery"] {
        let response = studio.local().get(path).await;
        let header = |name: &str| {
            let value = response.headers().get(name).unwrap_or_else(|| panic!("{path} has no {name}"));
            value.to_str().unwrap().to_owned()
        };
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(header("x-request-id").len(), 26);
        let policy = header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{path}: {policy}");
        assert!(!policy.contains('*') && !policy.contains("http"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_answer_in_the_same_shape() {
    let studio = Studio::new().await;
    let caller = studio.local();
    refusal(caller.get("/api/nothing").await, StatusCode::NOT_FOUND).await;
    let wrong = refusal(caller.act("DELETE", "/api/me").await, StatusCode::METHOD_NOT_ALLOWED).await;
    assert_eq!(wrong.code, ErrorCode::MethodNotAllowed);
    let own = Request::get("/api/me").header("x-request-id", "mine\tor a log line");
    let response = caller.send(own.body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["x-request-id"].len(), 26, "an identifier from outside is not taken over");
    assert!(response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none());
}
