//! The loop that proves a LoRA: train, draw the same prompts and seeds as everybody else, score, learn one thing, again.
//!
//! | file | what |
//! |---|---|
//! | `folder.rs` | the tree of files; a step whose file is there is done and is never done again |
//! | `request.rs` | what is asked for; names of files and contestants |
//! | `drawing.rs` | who draws for a contestant: a model with or without a LoRA, a folder of pictures |
//! | `looks.rs` | what the CLIP saw, remembered |
//! | `log.rs` | what the competition told, a line an event |
//! | `feedback.rs` | rules from a report to recommendations and a decision: pure |
//! | `training.rs` | the training that a round needs |
//! | `run.rs` | the rounds |
//! | `job.rs` | a competition of the server: its folder, its progress, what stops it |
//! | `setup.rs` | from what was chosen to the end: what command line and server run |
//! | `story.rs` | the rounds as a page that needs nothing else |
//!
//! Only `job.rs` knows that there is a queue; this room knows no command.

mod drawing;
mod error;
mod feedback;
mod folder;
mod job;
mod log;
mod looks;
mod request;
mod run;
mod setup;
mod story;
mod training;

pub use drawing::{Artist, Draws, NamedLora, Piece};
pub use error::CompetitionError;
pub use folder::CompetitionFolder;
pub use job::{Contending, ROUND_STEPS, folder_of};
pub use looks::Looks;
pub use request::{Imported, Request, feedback_of, lora_of, report_of};
pub use run::{Competition, Turn};
pub use setup::{CompetitionSetup, Eyes, FirstSettings, run_competition};
