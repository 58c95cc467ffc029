//! Looking at pictures with a CLIP: what references show, and how near a contestant's pictures come to them.
//!
//! | file | what |
//! |---|---|
//! | `phrases.rs` | a set of features, read and embedded |
//! | `sight.rs` | a file becomes an embedding and a small grey picture; its pixels are not kept |
//! | `analysis.rs` | references to key features, prompt and captions |
//! | `score.rs` | contestants to a report with ranks and reasons |
//! | `heat_map.rs` | where in a picture a feature was seen |
//!
//! Pure numbers are in `chapan_metrics`, the network in `chapan_engine::evaluate`. This room knows no queue and no command.

mod analysis;
mod error;
mod heat_map;
mod phrases;
mod score;
mod sight;

pub use analysis::analyse;
pub use error::ComparisonError;
pub use heat_map::{paint, spotlight};
pub use phrases::{Phrases, read_features};
pub use score::{Contest, ContestantPictures, References, compare};
pub use sight::{Seen, look, look_at_bytes, look_at_folder};
