//! What a task says when it cannot go on: a fact, and a hint where there is something to do.

use std::fmt;

/// The result of a task.
pub type Result<T = ()> = std::result::Result<T, Fault>;

/// Why a task stopped.
#[derive(Debug)]
pub struct Fault {
    fact: String,
    hint: Option<String>,
    usage: bool,
}

impl Fault {
    /// A failure with nothing to suggest.
    pub fn new(fact: impl Into<String>) -> Self {
        Self { fact: fact.into(), hint: None, usage: false }
    }

    /// A failure with a way out.
    pub fn hinted(fact: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { fact: fact.into(), hint: Some(hint.into()), usage: false }
    }

    /// The command line itself was wrong; the exit status is 2.
    pub fn usage(fact: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { fact: fact.into(), hint: Some(hint.into()), usage: true }
    }

    /// Whether the command line itself was wrong.
    pub fn is_usage(&self) -> bool {
        self.usage
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "error: {}", self.fact)?;
        match &self.hint {
            Some(hint) => write!(out, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Puts the path in front of an input or output error.
pub fn at(path: &std::path::Path) -> impl Fn(std::io::Error) -> Fault + '_ {
    move |error| Fault::new(format!("`{}`: {error}", path.display()))
}
