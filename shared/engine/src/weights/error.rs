//! What can be wrong with weights, each fault by its own name.
//!
//! A weights file is untrusted input. Every way in which it can be broken or hostile is a variant of [`Fault`], so that
//! the person who reads the message knows what is wrong with the file and a test can ask for exactly that fault.

use std::fmt;

/// A fault in a weights file (or in what a model asked of it), with the file it was found in.
#[derive(Debug, thiserror::Error)]
#[error("weights `{origin}`: {fault}\nhint: {}", .fault.hint())]
pub struct WeightsError {
    /// The file, folder or in-memory label that the tensors come from.
    pub origin: String,
    /// What is wrong.
    pub fault: Box<Fault>,
}

impl WeightsError {
    /// A fault found in `origin`.
    pub fn new(origin: impl fmt::Display, fault: Fault) -> Self {
        Self { origin: origin.to_string(), fault: Box::new(fault) }
    }
}

/// The faults a weights file can have.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be opened or read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// No weights file where one was expected.
    #[error("no weights here; looked for {looked_for}")]
    NoWeights {
        /// The file names tried.
        looked_for: String,
    },
    /// The bytes belong to another format.
    #[error("this is {0}, not a safetensors file")]
    OtherFormat(&'static str),
    /// Fewer bytes than the 8 of the header length.
    #[error("only {size_bytes} bytes long, too short for a header")]
    TooShort {
        /// Size of the file.
        size_bytes: u64,
    },
    /// The header says it is longer than the file.
    #[error("the header claims {header_bytes} bytes but the file has only {size_bytes}")]
    HeaderBeyondFile {
        /// Claimed length.
        header_bytes: u64,
        /// Size of the file.
        size_bytes: u64,
    },
    /// The header is longer than any honest one.
    #[error("the header claims {header_bytes} bytes; at most {limit_bytes} are accepted")]
    HeaderTooLarge {
        /// Claimed length.
        header_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The header is not the JSON object it must be.
    #[error("the header is not valid: {0}")]
    HeaderNotJson(String),
    /// A name occurs twice.
    #[error("tensor `{0}` is listed twice")]
    DuplicateTensor(String),
    /// More tensors than any honest file.
    #[error("more than {limit} tensors are listed")]
    TooManyTensors {
        /// The limit.
        limit: usize,
    },
    /// A name longer than any honest one.
    #[error("a tensor name is {length} bytes long (`{start}...`); at most {limit} are accepted")]
    NameTooLong {
        /// Length of the name.
        length: usize,
        /// Its first characters.
        start: String,
        /// The limit.
        limit: usize,
    },
    /// A name with path separators, `..` or control characters.
    #[error("tensor name `{0}` contains path parts or control characters")]
    NameIsPath(String),
    /// An element type that the format does not know.
    #[error("tensor `{name}` has the unknown element type `{element}`")]
    UnknownElement {
        /// The tensor.
        name: String,
        /// Its type as written.
        element: String,
    },
    /// The number of elements does not fit in memory arithmetic.
    #[error("tensor `{name}`: the dimensions {shape:?} overflow")]
    DimensionsOverflow {
        /// The tensor.
        name: String,
        /// Its shape as written.
        shape: Vec<u64>,
    },
    /// Offsets that run backwards or do not fit the shape.
    #[error(
        "tensor `{name}` should take {expected_bytes} bytes by its shape but its offsets are {start}..{end}"
    )]
    OffsetsDoNotFitShape {
        /// The tensor.
        name: String,
        /// Bytes by shape and element type.
        expected_bytes: u64,
        /// First byte.
        start: u64,
        /// One past the last byte.
        end: u64,
    },
    /// Two tensors share bytes.
    #[error("tensors `{first}` and `{second}` overlap")]
    Overlap {
        /// The earlier tensor.
        first: String,
        /// The later tensor.
        second: String,
    },
    /// Bytes that belong to no tensor.
    #[error("{gap_bytes} bytes before tensor `{name}` belong to nothing")]
    Hole {
        /// The tensor after the hole.
        name: String,
        /// Size of the hole.
        gap_bytes: u64,
    },
    /// The file ends before its tensors do.
    #[error("truncated: the tensors need {expected_bytes} bytes, the file has {size_bytes}")]
    Truncated {
        /// Size that the header promises.
        expected_bytes: u64,
        /// Size found.
        size_bytes: u64,
    },
    /// Bytes after the last tensor.
    #[error("{extra_bytes} bytes follow the last tensor")]
    TrailingBytes {
        /// How many.
        extra_bytes: u64,
    },
    /// The file changed between opening and the end of loading.
    #[error("the file changed while it was being read")]
    Changed,
    /// A model needs a tensor that the file does not have.
    #[error("tensor `{name}` is missing{}", .nearest.as_ref().map(|n| format!(" (the nearest name is `{n}`)")).unwrap_or_default())]
    MissingTensor {
        /// The tensor.
        name: String,
        /// A name that looks like it.
        nearest: Option<String>,
    },
    /// The shape is not the one of the configuration.
    #[error("tensor `{name}` has shape {got:?}, the model needs {expected:?}")]
    WrongShape {
        /// The tensor.
        name: String,
        /// Shape by the configuration.
        expected: Vec<usize>,
        /// Shape in the file.
        got: Vec<usize>,
    },
    /// An element type that cannot be weights.
    #[error("tensor `{name}` has element type {element}, which cannot be weights here")]
    WrongElement {
        /// The tensor.
        name: String,
        /// Its type.
        element: &'static str,
    },
    /// A NaN or an infinity.
    #[error("tensor `{name}` holds {value} at element {index}")]
    NotFinite {
        /// The tensor.
        name: String,
        /// `NaN` or `infinity`.
        value: &'static str,
        /// Flat index of the first one.
        index: usize,
    },
    /// A finite value that the wanted element type cannot hold.
    #[error("tensor `{name}` holds {value} at element {index}, too large for {wanted}")]
    TooLargeFor {
        /// The tensor.
        name: String,
        /// The value.
        value: f64,
        /// Flat index of the first one.
        index: usize,
        /// The wanted element type.
        wanted: &'static str,
    },
    /// One tensor was asked for by two layers.
    #[error("tensor `{0}` was asked for twice")]
    ConsumedTwice(String),
    /// Tensors that no layer asked for.
    #[error("{count} tensors are not part of the model: {}", .names.join(", "))]
    Leftovers {
        /// How many.
        count: usize,
        /// The first of them.
        names: Vec<String>,
    },
    /// The index of a sharded checkpoint names something that is not a file of its folder.
    #[error("the index names `{0}`, which is not a plain .safetensors file name in the same folder")]
    ShardOutside(String),
    /// The index and its shards disagree.
    #[error("the index says tensor `{name}` is in `{shard}`, but it is not")]
    ShardDisagrees {
        /// The tensor.
        name: String,
        /// The shard by the index.
        shard: String,
    },
    /// A shard holds a tensor that the index does not list.
    #[error("shard `{shard}` holds tensor `{name}`, which the index does not list there")]
    ShardExtra {
        /// The tensor.
        name: String,
        /// The shard.
        shard: String,
    },
    /// The index is not the JSON it must be.
    #[error("the index is not valid: {0}")]
    IndexNotJson(String),
    /// A single file whose layout is not one that can be read.
    #[error("the layout of this file is not known: {0}")]
    UnknownLayout(&'static str),
    /// The tensor library refused.
    #[error("tensor `{name}`: {source}")]
    Tensor {
        /// The tensor.
        name: String,
        /// Why.
        source: candle_core::Error,
    },
}

impl Fault {
    /// What the user can do about this fault.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "check the path and that you may read it",
            Self::NoWeights { .. } => {
                "is the download complete? weights must be .safetensors, pickles (.bin, .ckpt) are never opened"
            }
            Self::OtherFormat(_) => {
                "get the .safetensors version of this model; pickles can run code and are never opened"
            }
            Self::Truncated { .. } | Self::TooShort { .. } | Self::HeaderBeyondFile { .. } => {
                "the download was cut short: fetch the file again and compare its SHA-256"
            }
            Self::Changed => "something writes to the file: wait until it is finished, then load again",
            Self::MissingTensor { .. } | Self::WrongShape { .. } | Self::Leftovers { .. } => {
                "the weights and the config.json beside them belong to different models"
            }
            Self::NotFinite { .. } => "the file is damaged or its training diverged: use another copy",
            Self::TooLargeFor { .. } => "load with --dtype bf16 or --dtype f32",
            Self::ConsumedTwice(_) | Self::Tensor { .. } => {
                "this is a bug of the model code, please report it"
            }
            Self::UnknownLayout(_) => "use a folder in diffusers layout, or an SDXL base single file",
            _ => "the file is damaged or was made to attack: delete it and get it from its author again",
        }
    }
}

/// Result with a [`WeightsError`].
pub type Result<T> = std::result::Result<T, WeightsError>;
