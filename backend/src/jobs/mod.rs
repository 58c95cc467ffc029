//! Work: the queue as the rest of the server sees it, and the workers that empty it.
//!
//! A handler only ever enqueues, looks or cancels ([`Queue`]). Each device has a [`Worker`]: it claims a job, has the
//! device's own thread do it, passes on what the engine reports, and ends the job with a write that only the holder of
//! the lease can make. What this room does not know: HTTP, and who may do what.

mod analysing;
mod attempt;
pub mod comparison;
pub mod competition;
mod device;
mod downloads;
mod enlarging;
mod error;
mod generation;
mod grid;
mod hashing;
mod hires;
mod keeping;
mod loras;
mod memory;
mod meter;
mod preview;
mod queue;
mod signals;
mod sources;
mod steps;
mod task;
pub mod training;
mod upscale;
mod worker;

pub use analysing::USUAL_CLIP;
pub use device::{Bench, Crash, DeviceError, DeviceThread, Loaded, open_device};
pub use downloads::Downloads;
pub use error::JobError;
pub use generation::{engine_call, run_of};
pub use hashing::{hash_installed, keep_hashing};
pub use hires::{enlarge_for_hires, second_pass};
pub use loras::{installed_loras, lora_text_width, with_tagged_loras};
pub use memory::{
    Named, available_memory_bytes, model_memory, picture_memory, request_memory, upscale_memory,
};
pub use queue::Queue;
pub use upscale::{Enlargement, MAX_SCALE, enlarge, enlarge_alpha};
pub use worker::Worker;
