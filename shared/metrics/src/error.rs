//! Why a measure cannot be taken.

/// Input that a measure is not defined on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// Two inputs that must match do not.
    #[error("the inputs have {left} and {right} values\nhint: bring both pictures to one size first")]
    LengthMismatch {
        /// Values on the left.
        left: usize,
        /// Values on the right.
        right: usize,
    },
    /// The slice does not hold what its size says.
    #[error(
        "{width}x{height} with {channels} channels needs {expected} values, got {got}\nhint: this is a bug, please report it"
    )]
    WrongLength {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Channels.
        channels: usize,
        /// Values needed.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// The picture is smaller than the window that slides over it.
    #[error(
        "a picture of {width}x{height} is smaller than the window of {window}x{window}\nhint: compare larger pictures"
    )]
    SmallerThanWindow {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Side of the window.
        window: usize,
    },
    /// There is nothing to measure.
    #[error("there is nothing to measure\nhint: give at least one value")]
    Empty,
    /// A vector of zeros has no direction.
    #[error("a vector of zeros has no direction\nhint: the embedding is broken, compute it again")]
    ZeroVector,
    /// Weights that are negative, not finite, or all zero.
    #[error("the weights {0:?} cannot be used\nhint: give finite weights of zero or more, not all zero")]
    BadWeights([f64; 3]),
}

pub(crate) fn same_length(left: usize, right: usize) -> Result<(), MetricError> {
    match left == right {
        _ if left == 0 && right == 0 => Err(MetricError::Empty),
        true => Ok(()),
        false => Err(MetricError::LengthMismatch { left, right }),
    }
}
