//! Who may ask at all, and the headers that keep a browser strict.
//!
//! The server listens on loopback, but any page in the same browser can send requests there. So: the `Host` must be a
//! name of this machine (a foreign name that resolves to it is DNS rebinding), and whatever changes state must come from
//! our own pages.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chapan_api::error::ErrorCode;

use super::error::ApiError;

/// The policy of answers that are data: nothing in them may run or load.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses foreign names and requests of other sites, and sets the headers that no answer goes without.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match refusal(request.method(), request.headers()) {
        Some(refused) => refused.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    set_if_absent(headers, header::CONTENT_SECURITY_POLICY, DATA_POLICY);
    set_if_absent(headers, header::CACHE_CONTROL, "no-store");
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn set_if_absent(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

fn refusal(method: &Method, headers: &HeaderMap) -> Option<ApiError> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(&header::HOST).unwrap_or_default();
    if !is_this_machine(host) {
        return Some(ApiError::new(
            ErrorCode::CrossSite,
            "the request was sent to a name that is not this machine's",
            "open the address that the server printed, such as http://127.0.0.1:8080",
        ));
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let site = text(&SEC_FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = text(&header::ORIGIN).is_none_or(|origin| is_same_origin(origin, host));
    (!site || !origin).then(|| {
        ApiError::new(
            ErrorCode::CrossSite,
            "the request came from another site",
            "use the studio's own page, at the address that the server printed",
        )
    })
}

fn is_same_origin(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// Whether `host`, with or without a port, is a loopback name. Browsers resolve no other site's name to these.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_pass() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:80", "127.1.2.3", "[::1]:8080", "LOCALHOST"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example:80", "localhost.evil", "10.0.0.1", "[::2]:1"]
        {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_compared_whole() {
        assert!(is_same_origin("http://127.0.0.1:8080", "127.0.0.1:8080"));
        for origin in
            ["null", "http://127.0.0.1:8081", "http://localhost:8080", "http://127.0.0.1:8080.evil", ""]
        {
            assert!(!is_same_origin(origin, "127.0.0.1:8080"), "{origin}");
        }
    }
}
