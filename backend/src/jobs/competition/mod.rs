//! The loop that proves a LoRA: train, draw the same prompts and seeds as everybody else, score, learn one thing, again.
//!
//! | file | what |
//! |---|---|
//! | `folder.rs` | the tree of files; a step whose file is there is done and is never done again |
//! | `drawing.rs` | pictures of a contestant |
//! | `feedback.rs` | rules from a report to recommendations and a decision: pure |
//! | `run.rs` | the rounds |
//! | `story.rs` | the rounds as a page that needs nothing else |
//!
//! How a LoRA is trained is handed in by whoever runs the loop. This room knows no queue and no command.

mod drawing;
mod error;
mod feedback;
mod folder;
mod run;
mod story;

pub use drawing::Artist;
pub use error::CompetitionError;
pub use folder::CompetitionFolder;
pub use run::{Competition, Imported, Request, Train};
