//! What can be wrong with a LoRA file, each fault by its own name.

use std::fmt;

use super::family::BaseModel;

/// A fault of a LoRA file, with the file it was found in.
#[derive(Debug, thiserror::Error)]
#[error("LoRA `{origin}`: {fault}\nhint: {}", .fault.hint())]
pub struct LoraError {
    /// The file, or the label of bytes in memory.
    pub origin: String,
    /// What is wrong.
    pub fault: Box<LoraFault>,
}

impl LoraError {
    /// A fault found in `origin`.
    pub fn new(origin: impl fmt::Display, fault: LoraFault) -> Self {
        Self { origin: origin.to_string(), fault: Box::new(fault) }
    }
}

/// The faults a LoRA file can have.
#[derive(Debug, thiserror::Error)]
pub enum LoraFault {
    /// Not one tensor has the name of a LoRA's factor.
    #[error("no tensor in it is part of a LoRA; the first is `{first}`")]
    NotALora {
        /// A name.
        first: String,
    },
    /// Most of it fits no layer of the loaded model.
    #[error(
        "only {matched} of its {total} tensors fit this model; {}. Not matched: {}",
        .base.as_ref().map_or_else(|| "it does not say which model it was made for".to_owned(), |base| format!("it was made for {base}")),
        .unmatched.join(", ")
    )]
    OtherBase {
        /// Tensors that fit.
        matched: usize,
        /// All tensors.
        total: usize,
        /// What it was made for, as far as the file tells.
        base: Option<BaseModel>,
        /// The first names that do not fit.
        unmatched: Vec<String>,
    },
    /// A kind of change that is not computed.
    #[error("`{tensor}` belongs to {kind}, which is not implemented")]
    NotImplemented {
        /// The kind, in words.
        kind: &'static str,
        /// The tensor that told it.
        tensor: String,
    },
    /// The shape does not fit the layer.
    #[error("tensor `{tensor}` has shape {got:?}; beside layer `{layer}` it should be {expected}")]
    WrongShape {
        /// The tensor.
        tensor: String,
        /// The layer's path in the model.
        layer: String,
        /// The shape that fits, in words.
        expected: String,
        /// Its shape.
        got: Vec<usize>,
    },
    /// More rank than any honest file.
    #[error("tensor `{tensor}` has rank {rank}; at most {limit} is accepted")]
    RankTooLarge {
        /// The tensor.
        tensor: String,
        /// Its rank.
        rank: usize,
        /// The limit.
        limit: usize,
    },
    /// A factor without its counterpart.
    #[error("layer `{layer}` has {found} but {missing} is missing")]
    Incomplete {
        /// The layer's path in the model.
        layer: String,
        /// A tensor that is there.
        found: String,
        /// What it needs.
        missing: &'static str,
    },
    /// Factors of two formats for one layer.
    #[error("layer `{layer}` has both `{first}` and `{second}`, which are of different formats")]
    TwoFormats {
        /// The layer's path in the model.
        layer: String,
        /// A tensor of one.
        first: String,
        /// A tensor of the other.
        second: String,
    },
    /// Two tensors for one place.
    #[error("`{first}` and `{second}` are names of the same factor")]
    Twice {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// An alpha that is no number or makes the change absurdly large.
    #[error(
        "layer `{layer}` has alpha {alpha} for rank {rank}; the quotient must be a number of at most {limit}"
    )]
    AlphaTooLarge {
        /// The layer's path in the model.
        layer: String,
        /// The alpha.
        alpha: f64,
        /// The rank.
        rank: usize,
        /// The limit of their quotient.
        limit: f64,
    },
    /// Metadata that changes the result and is not understood.
    #[error("its metadata `{key}` is not understood: {fault}")]
    Metadata {
        /// The key.
        key: &'static str,
        /// Why not.
        fault: String,
    },
    /// Numbers that leave the range of floats once the factors are multiplied.
    #[error("the change of layer `{layer}` is not finite")]
    NotFinite {
        /// The layer's path in the model.
        layer: String,
    },
    /// It was read for another model than the one it is applied to.
    #[error("it was matched to another loaded model")]
    OtherModel,
}

impl LoraFault {
    /// What the user can do about this fault.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotALora { .. } => "choose a LoRA file; a whole model is chosen as the model",
            Self::OtherBase { .. } => {
                "choose a LoRA that was made for this model, or the model that this LoRA was made for"
            }
            Self::NotImplemented { .. } => {
                "known are LoRA, LoCon, LoHa, LoKr and DoRA: get the file in one of these formats"
            }
            Self::NotFinite { .. } => "use a smaller weight; if that does not help the file is damaged",
            Self::OtherModel => "read the file again for the model that is loaded now",
            Self::Metadata { .. } => "save the file again with its trainer, or remove its metadata",
            _ => "the file is damaged or was made to attack: get it from its author again",
        }
    }
}
