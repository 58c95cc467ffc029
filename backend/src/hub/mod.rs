//! The models of this machine: folders in diffusers layout, found by looking, never by name.
//!
//! A model's identifier is the name of its folder. This room reads the small configuration files only; weights are the
//! engine's business. It knows nothing of jobs or of the database.

mod catalog;
mod checkpoint;
mod hashes;
mod loras;
mod portable;
pub mod remote;
mod upscalers;
mod weight_names;

pub use catalog::Catalog;
pub use checkpoint::{Checkpoint, Error};
pub use hashes::WeightFiles;
pub use loras::LoraCandidate;
pub use portable::PortableModel;
pub use upscalers::UpscalerFile;
pub use weight_names::is_weights;
