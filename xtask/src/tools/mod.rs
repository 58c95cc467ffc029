//! What must be on the machine, and how it gets there.

mod apt;
pub mod browser;
mod install;
pub mod python;
pub mod wasm_target;

pub use install::Tool;
