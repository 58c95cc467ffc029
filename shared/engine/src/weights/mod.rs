//! Reading weights: safetensors files, sharded folders, single files and bytes in memory, all untrusted.
//!
//! The way of a tensor: a [`TensorSource`] has checked its header completely before anything is allocated; [`Weights`]
//! adds the wanted element type and device and remembers what was taken; a layer asks its [`Scope`], whose path mirrors
//! the names in the checkpoint, for a tensor of the shape that the configuration demands. Every tensor is taken exactly
//! once, and [`Weights::finish`] refuses a checkpoint of which something is left over.
//!
//! Files are read at positions and never mapped into memory: a file that shrinks while it is read is an error, not a
//! signal that kills the process. This room knows nothing of models; it keeps a list of the layers that took their weights
//! from it, by path, so that others can find them.

#[cfg(target_endian = "big")]
compile_error!("safetensors are little-endian and read in place; big-endian machines need a byte swap here");

mod convert;
mod element;
mod error;
#[cfg(not(target_arch = "wasm32"))]
mod file;
#[cfg(not(target_arch = "wasm32"))]
mod folder;
mod header;
#[cfg(test)]
mod hostile_tests;
mod scope;
mod single_file;
mod source;
mod write;

pub(crate) use convert::read_tensor;
pub use element::Element;
pub use error::{Fault, Result, WeightsError};
#[cfg(not(target_arch = "wasm32"))]
pub use file::SafetensorsFile;
#[cfg(not(target_arch = "wasm32"))]
pub use folder::{ShardedFiles, open_component};
pub use header::{Header, MAX_HEADER_BYTES, MAX_NAME_BYTES, MAX_TENSORS};
pub use scope::{Scope, Weights};
pub use single_file::{Part, SingleFile};
pub use source::{InMemory, ShapesOnly, TensorInfo, TensorSource};
pub use write::write_safetensors;
