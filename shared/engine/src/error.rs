//! What can go wrong in the engine, said as a fact with the value in backticks and a `hint:` on what to do.
//!
//! Students read these messages. `Cancelled` is not a failure: it is the answer to a request to stop.

use std::path::PathBuf;

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything the engine can refuse or fail at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked to stop; the work done so far is dropped.
    #[error("cancelled")]
    Cancelled,

    /// An operation was given a tensor that does not fit.
    #[error(
        "`{op}` expected {expected}, got shape {got:?}\nhint: the checkpoint's configuration and its weights may not belong together"
    )]
    Shape {
        /// The operation that refused.
        op: &'static str,
        /// What it expected, in words or as a shape.
        expected: String,
        /// The shape it was given.
        got: Vec<usize>,
    },

    /// The checkpoint's weights are broken, hostile, or belong to another model.
    #[error(transparent)]
    Weights(#[from] crate::weights::WeightsError),

    /// A LoRA file is broken, hostile, or was made for another model.
    #[error(transparent)]
    Lora(#[from] crate::lora::LoraError),

    /// A file could not be read.
    #[error("cannot read `{path}`: {source}\nhint: {hint}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
        /// What to do.
        hint: String,
    },

    /// A file was read but is not what it claims to be.
    #[error("`{path}` is refused: {fault}\nhint: {hint}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The fault by its name.
        fault: String,
        /// What to do.
        hint: String,
    },

    /// A configuration value that this engine does not implement or that makes no sense.
    #[error("configuration of `{what}`: {fault}\nhint: {hint}")]
    Config {
        /// The component, such as `unet`.
        what: &'static str,
        /// What is wrong, with the value in backticks.
        fault: String,
        /// What to do.
        hint: String,
    },

    /// A parameter of one call is out of range.
    #[error("`{parameter}` {fault}\nhint: {hint}")]
    Parameter {
        /// Name of the parameter, as the caller spells it.
        parameter: &'static str,
        /// What is wrong with it.
        fault: String,
        /// What to do.
        hint: String,
    },

    /// A computation left the range of floating-point numbers.
    #[error("{what} is not finite\nhint: {hint}")]
    NotFinite {
        /// What, and at which step.
        what: String,
        /// What to do.
        hint: String,
    },

    /// Candle reported a failure.
    #[error("tensor computation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// A shape refusal of `op`.
    pub fn shape(op: &'static str, expected: impl Into<String>, got: &[usize]) -> Self {
        Self::Shape { op, expected: expected.into(), got: got.to_vec() }
    }

    /// A configuration refusal of component `what`.
    pub fn config(what: &'static str, fault: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config { what, fault: fault.into(), hint: hint.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_state_the_fact_and_then_the_hint() {
        let message =
            Error::config("unet", "`mid_block_type` is `Foo`", "use `UNetMidBlock2DCrossAttn`").to_string();
        assert_eq!(
            message,
            "configuration of `unet`: `mid_block_type` is `Foo`\nhint: use `UNetMidBlock2DCrossAttn`"
        );
    }
}
