//! Training a LoRA on a folder of pictures: what the command line runs, and what a job of the server runs.
//!
//! [`prepare`] and [`train`] do all of it for settings and folders. Within, [`read_pictures`] looks at every file and says in plain words what it found; [`encode`] makes examples of them; [`Run`]
//! trains, writes checkpoints and samples into its folder, and goes on where it was stopped.

mod error;
mod folder;
mod foresight;
mod job;
mod preflight;
mod reading;
mod run;
#[cfg(test)]
mod run_tests;
mod setup;

pub use error::TrainingError;
pub use folder::{RunFolder, StepsTold, steps_told};
pub use foresight::{Foreseen, Room, foresee};
pub use job::{KOHYA_FILE, KeptExamples, LOG_FILE, Learning, Learnt, folder_of};
pub(in crate::jobs) use job::{lay_out, lock, not_written};
pub use preflight::{Planned, plan};
pub use reading::{PictureSet, Sources, encode, read_pictures};
pub use run::{Plan, Run, SamplePrompt, Wish};
pub use setup::{Doing, LORA_FILE, Observer, Outcome, Prepared, Setup, Start, config_of, prepare, train};
