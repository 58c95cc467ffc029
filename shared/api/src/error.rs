//! Errors as they travel: a closed set of codes, a fact, a hint, and the field at fault.

use serde::{Deserialize, Serialize};

use crate::validation::{FieldError, Rule};

/// What went wrong, as a program reads it. Closed: a new code is a change of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// A field breaks its rule.
    InvalidField,
    /// The body is not the JSON that the route takes.
    MalformedBody,
    /// The body is larger than the route takes.
    BodyTooLarge,
    /// The body is of another content type than the route takes.
    UnsupportedContentType,
    /// The file is damaged, or a picture of a form that is not taken.
    UnreadableImage,
    /// Nobody is signed in.
    Unauthenticated,
    /// The user may not do this.
    Forbidden,
    /// The request came from another site.
    CrossSite,
    /// There is no such thing, or it is not yours.
    NotFound,
    /// This person has voted on every pair of pictures that there is.
    NoBallot,
    /// The route does not know this method.
    MethodNotAllowed,
    /// The thing is not in a state that allows this.
    Conflict,
    /// There is one of that name already.
    AlreadyExists,
    /// What it was made from is gone, or not known.
    SourceGone,
    /// The model is not installed.
    UnknownModel,
    /// The picture would need more memory than the machine has free.
    NotEnoughMemory,
    /// The disk is full.
    StorageFull,
    /// Too many requests at once.
    TooManyRequests,
    /// The server is stopping or overloaded: try again.
    Unavailable,
    /// A fault of ours; the request id leads to the log.
    Internal,
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// The fact, with the value in backticks. English; browsers translate by `code` and `rule`.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The request's field at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Every fault of the request, when `code` is `invalid_field`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldError>,
    /// The request's id, as in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl ErrorBody {
    /// A body with a code and a fact.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, field: None, fields: Vec::new(), request_id: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The body for a request with faults; the first one is the headline.
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        let first = fields.first().cloned().unwrap_or_else(|| FieldError::new("body", Rule::Required));
        Self {
            code: ErrorCode::InvalidField,
            message: first.message(),
            hint: Some(first.hint()),
            field: Some(first.field),
            fields,
            request_id: None,
        }
    }
}
