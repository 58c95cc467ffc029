//! The one shape of every failure: a closed code, a fact, a hint. Internals are logged here, once, and never sent.

use std::fmt;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::validation::FieldError;

use super::request_log;
use crate::{files, store};

/// This room's result.
pub type ApiResult<T> = Result<T, ApiError>;

/// A failure on its way to the caller.
#[derive(Debug)]
pub struct ApiError {
    body: Box<ErrorBody>,
    cause: Option<String>,
}

/// The one table from codes to statuses.
pub(super) fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidField | ErrorCode::UnknownModel | ErrorCode::UnreadableImage => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ErrorCode::MalformedBody => StatusCode::BAD_REQUEST,
        ErrorCode::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::UnsupportedContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden | ErrorCode::CrossSite => StatusCode::FORBIDDEN,
        ErrorCode::NotFound | ErrorCode::NoBallot => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::Conflict | ErrorCode::AlreadyExists | ErrorCode::SourceGone => StatusCode::CONFLICT,
        ErrorCode::NotEnoughMemory | ErrorCode::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl ApiError {
    /// A failure with a fact and a hint.
    pub fn new(code: ErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { body: Box::new(ErrorBody::new(code, message).with_hint(hint)), cause: None }
    }

    /// A request with faults in its fields.
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        Self { body: Box::new(ErrorBody::invalid(fields)), cause: None }
    }

    /// A failure that another room has put into words.
    pub fn from_body(body: Box<ErrorBody>) -> Self {
        Self { body, cause: None }
    }

    /// Something that does not exist, or belongs to somebody else: the answer is the same.
    pub fn not_found(noun: &str, id: impl fmt::Display) -> Self {
        // An address can be long and hold anything; the answer repeats no more than an identifier's length of it.
        let id: String = id.to_string().chars().filter(|c| !c.is_control()).take(40).collect();
        Self::new(
            ErrorCode::NotFound,
            format!("there is no {noun} `{id}`"),
            "check the address; it may have been removed",
        )
    }

    /// A fault of ours. The cause goes into the log, not into the answer.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let error = Self::new(
            ErrorCode::Internal,
            "something went wrong on the server",
            "try again; if it stays, give the request id to whoever runs the server",
        );
        error.because(cause)
    }

    /// Names the field at fault.
    #[must_use]
    pub fn at_field(mut self, field: impl Into<String>) -> Self {
        self.body.field = Some(field.into());
        self
    }

    /// Notes what to log.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The fact and what to do, in one line.
    pub fn told(&self) -> String {
        match &self.body.hint {
            Some(hint) => format!("{}; {hint}", self.body.message),
            None => self.body.message.clone(),
        }
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.body.code
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match &error {
            store::Error::QueueFull { waiting } => Self::new(
                ErrorCode::TooManyRequests,
                format!("{waiting} of your jobs are waiting already"),
                "wait until one is done, or cancel one",
            ),
            store::Error::Full(_) => Self::new(
                ErrorCode::StorageFull,
                "the server's disk is full",
                "ask whoever runs the server to free some space",
            )
            .because(error),
            store::Error::Busy(_) => {
                Self::new(ErrorCode::Unavailable, "the server is busy", "try again in a moment")
                    .because(error)
            }
            _ => Self::internal(error),
        }
    }
}

impl From<files::Error> for ApiError {
    fn from(error: files::Error) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(mut self) -> Response {
        let code = self.body.code;
        self.body.request_id = request_log::current_id();
        if let Some(cause) = &self.cause {
            tracing::error!(?code, cause, "request failed");
        }
        let mut response = (status_of(code), Json(&*self.body)).into_response();
        if matches!(code, ErrorCode::TooManyRequests | ErrorCode::Unavailable) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
