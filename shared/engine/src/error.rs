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

    /// A tensor that the model needs is not in the checkpoint.
    #[error(
        "tensor `{name}` is missing from the checkpoint\nhint: the file may be incomplete, or belong to another architecture than its configuration says"
    )]
    MissingTensor {
        /// Full dotted name.
        name: String,
    },

    /// A tensor exists but has another shape than the configuration implies.
    #[error(
        "tensor `{name}` has shape {got:?}, the configuration implies {expected:?}\nhint: the weights and the configuration are of different models"
    )]
    TensorShape {
        /// Full dotted name.
        name: String,
        /// Shape implied by the configuration.
        expected: Vec<usize>,
        /// Shape found in the file.
        got: Vec<usize>,
    },

    /// A tensor's element type cannot be used here.
    #[error("tensor `{name}` has element type `{dtype}`\nhint: weights are floating point: F32, F16 or BF16")]
    TensorDtype {
        /// Full dotted name.
        name: String,
        /// The type found.
        dtype: String,
    },

    /// A tensor was asked for twice: a mistake in the model's code.
    #[error(
        "tensor `{name}` was consumed twice\nhint: two layers claim the same weights; this is a mistake in the model's code"
    )]
    TensorTaken {
        /// Full dotted name.
        name: String,
    },

    /// The checkpoint holds tensors that no layer asked for.
    #[error(
        "{count} tensors of the checkpoint were not used, the first are {names:?}\nhint: the configuration describes a smaller or another model than the weights"
    )]
    LeftoverTensors {
        /// How many.
        count: usize,
        /// The first few names, sorted.
        names: Vec<String>,
    },

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
