//! What the page computes away from its main thread, and the messages by which it asks for it.
//!
//! [`messages`] is all that the page knows of this crate. Behind them stand rooms that know no page: [`compare`] two
//! pictures, [`check`] a prompt, [`draw`] with the engine. The program in `main.rs` runs them inside a web worker, one task
//! after the other.

pub mod messages;

#[cfg(feature = "program")]
pub mod check;
#[cfg(feature = "program")]
pub mod compare;
#[cfg(feature = "program")]
pub mod draw;
#[cfg(feature = "program")]
pub mod files;
#[cfg(feature = "program")]
pub mod png;
