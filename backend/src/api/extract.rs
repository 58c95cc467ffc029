//! What handlers take from a request, with failures in our own shape.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use chapan_api::error::ErrorCode;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// A JSON body. The content type must say so: a form of another site cannot send it without asking first.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(
                ErrorCode::UnsupportedContentType,
                "the body is not marked as JSON",
                "send the header `content-type: application/json`",
            ));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|refused| {
            if refused.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let hint = format!("send at most {} kB", super::BODY_LIMIT_BYTES / 1024);
                ApiError::new(ErrorCode::BodyTooLarge, "the body is too large", hint)
            } else {
                let hint = "check the connection and send it again";
                ApiError::new(ErrorCode::MalformedBody, "the body did not arrive", hint)
            }
        })?;
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let refused = malformed(error.inner());
            if path == "." { refused } else { refused.at_field(path) }
        })?;
        reader.end().map_err(|error| malformed(&error))?;
        Ok(Self(value))
    }
}

fn malformed(error: &serde_json::Error) -> ApiError {
    // serde repeats the value at fault; a long one is of no use to anybody.
    let fact: String = error.to_string().chars().take(200).collect();
    ApiError::new(
        ErrorCode::MalformedBody,
        format!("the body is not what this route takes: {fact}"),
        "compare it with the description at /api/docs",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
}

/// The part of the address after `?`.
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(value) = Query::<T>::from_request_parts(parts, state).await.map_err(|refused| {
            let fact: String = refused.body_text().chars().take(200).collect();
            let hint = "compare the address with the description at /api/docs";
            ApiError::new(ErrorCode::MalformedBody, fact, hint)
        })?;
        Ok(Self(value))
    }
}
