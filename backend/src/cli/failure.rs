//! How a command fails: a fact, a hint, and the exit status.

use std::fmt;
use std::process::ExitCode;

use crate::jobs::DeviceError;
use crate::server::StartError;

/// Why a command could not do its work. Printed to standard error as `error: fact` and `hint: ...`.
#[derive(Debug)]
pub struct Failure {
    fact: String,
    hint: Option<String>,
    status: u8,
}

impl Failure {
    /// The work failed: exit status 1.
    pub fn new(fact: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self { fact: fact.to_string(), hint: Some(hint.into()), status: 1 }
    }

    /// The command line cannot be meant this way: exit status 2, as for unknown options.
    pub fn usage(fact: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self { status: 2, ..Self::new(fact, hint) }
    }

    /// An error whose text already carries its hint on a line of its own, as all of ours do.
    pub fn from_text(text: &str) -> Self {
        let (fact, hint) = match text.split_once("\nhint: ") {
            Some((fact, hint)) => (fact.to_owned(), Some(hint.to_owned())),
            None => (text.to_owned(), None),
        };
        Self { fact, hint, status: 1 }
    }

    /// The same for a fault of the command line.
    pub fn usage_text(text: &str) -> Self {
        Self { status: 2, ..Self::from_text(text) }
    }

    /// The fact, and on a line of its own the hint: the text that [`Self::from_text`] reads.
    pub fn text(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}\nhint: {hint}", self.fact),
            None => self.fact.clone(),
        }
    }

    /// The exit status for the shell.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.fact)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<chapan_engine::Error> for Failure {
    fn from(error: chapan_engine::Error) -> Self {
        let status = if matches!(error, chapan_engine::Error::Parameter { .. }) { 2 } else { 1 };
        Self { status, ..Self::from_text(&error.to_string()) }
    }
}

/// A name that is no device is a fault of the command line; a device that is not there is one of the machine.
impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        let status = if matches!(error, DeviceError::Unknown(_)) { 2 } else { 1 };
        Self { status, ..Self::from_text(&error.to_string()) }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Device(error) => error.into(),
            other => Self::from_text(&other.to_string()),
        }
    }
}

impl From<chapan_engine::weights::WeightsError> for Failure {
    fn from(error: chapan_engine::weights::WeightsError) -> Self {
        Self::from_text(&error.to_string())
    }
}
