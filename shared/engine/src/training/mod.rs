//! Training a LoRA: a few pictures teach a loaded model something new, and a small file keeps it.
//!
//! | file | what it holds |
//! |---|---|
//! | `config` | everything that can be chosen, with its checks |
//! | `example` | a picture as the network sees it: encoded once, used in every step |
//! | `factors` | what is trained: low-rank factors beside chosen layers |
//! | `loss` | how far a prediction is from its target, and which way |
//! | `optimizer` | `AdamW`, the clip of gradients, the mean of weights |
//! | `schedule` | the learning rate of each step |
//! | `draws` | which picture, noise and time a step sees: a function of seed and step alone |
//! | `trainer` | the step itself |
//! | `file` | the LoRA as a file, in PEFT's names or kohya's |
//! | `memory` | how much a training will take, estimated |
//! | `estimate` | the same of a checkpoint that is not loaded |
//! | `checkpoint` | all that is needed to go on to the bit |
//! | `pretrain` | training the mini family itself, every weight of it |
//!
//! Nothing here reads a clock, draws chance that the seed does not give, or knows where files lie. The same seed, pictures and
//! settings give the same bytes on any number of threads; a run that is stopped and goes on from a checkpoint cannot be told
//! from one that was not.

mod checkpoint;
mod config;
mod draws;
#[cfg(not(target_arch = "wasm32"))]
mod estimate;
mod example;
mod factors;
mod file;
mod loss;
mod memory;
mod optimizer;
pub mod pretrain;
mod schedule;
mod trainer;

pub use config::{LrScheduler, Targets, TrainingConfig};
pub use draws::Draw;
#[cfg(not(target_arch = "wasm32"))]
pub use estimate::{Estimate, estimate};
pub use example::{Example, Role};
pub use factors::Parameter;
pub use file::FileFormat;
pub use trainer::{Found, StepReport, Trainer};
