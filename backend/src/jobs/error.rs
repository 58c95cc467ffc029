//! How a job ends when it does not succeed.

use chapan_api::error::{ErrorBody, ErrorCode};

/// Why a job did not succeed. Whoever writes a `?` in a job decides which it is.
#[derive(Debug)]
pub enum JobError {
    /// It was told to stop. By whom is known to the one who told it.
    Cancelled,
    /// It cannot be done; trying again would end the same way. The owner reads the body; the log gets the cause too.
    Fail {
        /// What the owner reads.
        body: Box<ErrorBody>,
        /// What the log says in addition.
        cause: Option<String>,
    },
}

impl JobError {
    /// A failure whose text the owner may read.
    pub fn fail(code: ErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Fail { body: Box::new(ErrorBody::new(code, message).with_hint(hint)), cause: None }
    }

    /// A fault of ours: the owner reads that there was one, the log says which.
    pub fn internal(message: &str, cause: &dyn std::fmt::Display) -> Self {
        let hint = "try again; if it stays, give the job's id to whoever runs the server";
        let body = ErrorBody::new(ErrorCode::Internal, message).with_hint(hint);
        Self::Fail { body: Box::new(body), cause: Some(cause.to_string()) }
    }
}

impl From<chapan_engine::Error> for JobError {
    fn from(error: chapan_engine::Error) -> Self {
        if matches!(error, chapan_engine::Error::Cancelled) {
            return Self::Cancelled;
        }
        // The engine writes for students: a fact, then a hint. It names files of the server, which is fine on the
        // machine of its owner; the classroom will have to shorten paths here.
        let text = error.to_string();
        let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "try other parameters"));
        Self::fail(ErrorCode::Internal, fact, hint)
    }
}
